"""Installs the router: what the nodes get, then the router's schemas and servers.

Nodes are given as libpq URLs of a superuser, node 0 first. The router reaches them through
pgbouncer, under the database names node0, node1 and so on.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from db.router.catalog import face_of
from db.router.generate import BY_SLOT, CLUSTER, NODES, OWNER, SLOTS, script
from db.session import PINNED

HASH_SEED = 8816678312871386365
LOGIN = "gmail_sync_router"
ROLES = ("gmail_sync_app", "gmail_sync_reader", "gmail_sync_service", "gmail_sync_dba")
# These are joined with messages. Only with estimates of the node does postgres_fdw read them by the
# ids of messages. The others do without, for planning then asks no node.
JOINED = ("attachments", "labels")
Connection = psycopg.Connection[Any]
Report = Callable[[str], None]
# Rows that postgres_fdw reads at once. Of a page with LIMIT it reads so many, too.
FETCHED_ROWS = 50
# Of each session at a node, because a caller's settings do not pass the router. What postgres_fdw
# sets itself would be lost, for its next transaction may run on another connection of pgbouncer.
SETTINGS = PINNED | {
    # Before pgbouncer's query_timeout, which breaks the connection.
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    # An application may think between two reads. A router that vanished must not hold back vacuum.
    "idle_in_transaction_session_timeout": "10min",
    "plan_cache_mode": "force_generic_plan",
}
_LOCALE = """
select concat_ws(' ', datcollate, pg_encoding_to_char(encoding), datlocprovider)
from pg_database where datname = current_database()
"""


_WEBHOOKS_FOR_ALL = """
select id, url, events::text[], with_content, secrets, created_at, rotated_at
from gmail_sync.webhook where user_id is null
"""
_ADD_WEBHOOK = """
insert into gmail_sync.webhook
  (id, url, events, with_content, secrets, created_at, rotated_at, starts_after)
values (
  %s, %s, %s::gmail_sync.webhook_event_type[], %s, %s, %s, %s,
  coalesce(pg_sequence_last_value('gmail_sync.message_change'), 0)
)
on conflict (id) do nothing
"""


class Pooler(NamedTuple):
    """Where the router finds pgbouncer."""

    host: str = "127.0.0.1"
    port: int = 6432


class InstallError(Exception):
    """The router cannot be installed; the text says what to do."""


def install(
    router: Connection,
    nodes: Sequence[Connection],
    password: str,
    pooler: Pooler,
    report: Report = lambda _: None,
) -> None:
    """Install or renew the router. Slots stay at their nodes; at first all are at node 0.

    A router that is new learns from the nodes where slots are. Raises InstallError, and
    psycopg.Error for what a server refuses.
    """
    version = _check(router, nodes)
    face, places = face_of(nodes[0]), _places(nodes)
    for number, node in enumerate(nodes):
        report(f"preparing node {number} of {len(nodes)}")
        with node.transaction():
            _prepare_node(node, password)
    report("installing the router")
    with router.transaction():
        router.execute("set local check_function_bodies = off")
        _create_roles(router)
        router_id = _create_routes(router, len(nodes), places, version)
        router.execute(script(face).encode())
        _set_plans(router)
        slots = dict(router.execute("select slot, node from gmail_sync_route.slot").fetchall())
        _create_servers(router, len(nodes), slots, password, pooler)
        for slot, place in slots.items():
            _attach_views(router, slot, place)
    for number, node in enumerate(nodes):
        _close_slots(node, [slot for slot, place in slots.items() if place != number])
        node.execute(
            "insert into gmail_sync_slots.router values (%s) on conflict do nothing", [router_id]
        )
    share_quota(nodes, slots)
    _share_webhooks(nodes)


def _check(router: Connection, nodes: Sequence[Connection]) -> str:
    """The schema's version at every node. Raises InstallError for what must be right before."""
    if _value(router, "select to_regclass('gmail_sync.message')"):
        raise InstallError("the router's database has mail: it needs a database of its own")
    if not _value(router, "select 1 from pg_available_extensions where name = 'plproxy'"):
        raise InstallError(
            "the router's server has no PL/Proxy: install Debian's postgresql-NN-plproxy there"
        )
    versions = [_version(node) for node in nodes]
    locales = [_value(node, _LOCALE) for node in nodes]
    for number, version in enumerate(versions):
        if version is None:
            raise InstallError(f"node {number} has no gmail-sync: run gmail-sync migrate there")
        if version != versions[0]:
            raise InstallError(
                f"node {number} has schema {version}, node 0 has {versions[0]}: run gmail-sync"
                " migrate at each node first"
            )
        if locales[number] != (locale := _value(router, _LOCALE)):
            raise InstallError(
                f"node {number} has the locale {locales[number]}, the router {locale}: create the"
                " router's database with that of the nodes, because lists are merged in its order"
            )
    return str(versions[0])


def _places(nodes: Sequence[Connection]) -> dict[int, int]:
    """The first node at which each slot is open. All are open at a new node, which is the last."""
    places: dict[int, int] = {}
    for number, node in enumerate(nodes):
        rows = node.execute(
            "select s from generate_series(0, %s) s"
            " where s not in (select slot from gmail_sync.slot_elsewhere)",
            [SLOTS - 1],
        )
        for (slot,) in rows:
            places.setdefault(slot, number)
    return places


def _version(node: Connection) -> str | None:
    if not _value(node, "select to_regprocedure('gmail_sync.schema_version()')"):
        return None
    return str(_value(node, "select gmail_sync.schema_version()"))


def _value(server: Connection, query: LiteralString) -> Any:
    row = server.execute(query).fetchone()
    return row[0] if row else None


def _prepare_node(node: Connection, password: str) -> None:
    """The login of the router, each mail view by slot, and a table of the routers."""
    _create_role(node, LOGIN)
    node.execute(
        sql.SQL("alter role {} login password {}").format(
            sql.Identifier(LOGIN), sql.Literal(password)
        )
    )
    node.execute(f"grant {', '.join(ROLES)} to {LOGIN}".encode())
    node.execute(
        "grant execute on function"
        " gmail_sync._forget_actor(text),"
        " gmail_sync._add_webhook(text, text, text[], boolean, text, text),"
        f" gmail_sync._set_webhook_secret(text, text, text) to {LOGIN}".encode()
    )
    for name, value in SETTINGS.items():
        # ALTER ROLE would take the whole of "pg_catalog, pg_temp" for one name.
        node.execute("select pg_catalog.set_config(%s, %s, true)", [name, value])
        node.execute(f"alter role {LOGIN} set {name} from current".encode())
    node.execute(f"create schema if not exists gmail_sync_slots authorization {OWNER}".encode())
    node.execute(f"set local role {OWNER}".encode())
    # A move needs all of them.
    node.execute("create table if not exists gmail_sync_slots.router (id uuid primary key)")
    names = [f"gmail_sync_slots.{view}_{slot}" for view in BY_SLOT for slot in range(SLOTS)]
    node.execute(f"drop view if exists {', '.join(names)}".encode())
    views = [_view_of_slot(view, slot) for view in BY_SLOT for slot in range(SLOTS)]
    node.execute(";".join(views).encode())
    node.execute(f"grant usage on schema gmail_sync_slots to {LOGIN}".encode())
    node.execute(f"grant select on all tables in schema gmail_sync_slots to {LOGIN}".encode())
    node.execute("reset role")


def _close_slots(node: Connection, slots: list[int]) -> None:
    """Close the slots of other nodes. Only a move opens one: see move.py."""
    node.execute(
        "insert into gmail_sync.slot_elsewhere (slot) select unnest(%s::integer[])"
        " on conflict do nothing",
        [slots],
    )


def share_quota(nodes: Sequence[Connection], slots: Mapping[int, int]) -> None:
    """Give each node its part of the project's quota. `slots` are the nodes of the slots.

    Parts are lowered before others are raised, so their sum never exceeds the whole.
    """
    for change in ("least", "greatest"):
        for number, node in enumerate(nodes):
            share = list(slots.values()).count(number) / SLOTS
            node.execute(
                f"update gmail_sync.settings set project_share = {share}"
                f" where project_share <> {share} and {change}(project_share, {share}) = {share}"
            )


def _view_of_slot(view: str, slot: int) -> str:
    """The condition is that of gmail_sync_router.slot; the reader may not execute _user_slot.

    Postgres would expect one row in 200 to fit an equation, and sort all mail of a user for a page.
    Of a CASE it expects half.
    """
    user_slot = f"((hashtextextended(user_id, {HASH_SEED}) & {SLOTS - 1}) + 35) & {SLOTS - 1}"
    return (
        f"create view gmail_sync_slots.{view}_{slot} as select * from gmail_sync.{view}"
        f" where case when ({user_slot}) = {slot} then true else false end"
    )


def _create_roles(router: Connection) -> None:
    for role in (OWNER, *ROLES):
        _create_role(router, role)


def _create_role(server: Connection, role: str) -> None:
    if not server.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
        server.execute(f"create role {role} nologin".encode())


def _create_routes(
    router: Connection, nodes: int, places: Mapping[int, int], version: str
) -> uuid.UUID:
    """The tables that stay when the schemas are replaced. Returns the id of the router.

    `places` are the nodes of slots of which the router knows nothing yet.
    """
    router.execute(
        f"""
        create extension if not exists plproxy;
        create extension if not exists postgres_fdw;
        create schema if not exists gmail_sync_route authorization {OWNER};
        create table if not exists gmail_sync_route.node (node integer primary key);
        create table if not exists gmail_sync_route.slot (
          slot integer primary key constraint known_slot check (slot between 0 and {SLOTS - 1}),
          node integer not null references gmail_sync_route.node,
          -- While it is moved, and closed at its node for that.
          closed_at timestamptz
        );
        -- The move that is not finished: see move.py.
        create table if not exists gmail_sync_route.move (
          only_row boolean primary key default true constraint one_move_at_a_time check (only_row),
          slot integer not null references gmail_sync_route.slot,
          source integer not null references gmail_sync_route.node,
          target integer not null references gmail_sync_route.node,
          step text not null default 'copy'
            constraint known_step check (step in ('copy', 'switch', 'clear', 'undo')),
          -- The last user whose early rows are copied, and whether all were found to be equal.
          copied_to text not null default '',
          is_compared boolean not null default false
        );
        create table if not exists gmail_sync_route.router (
          only_row boolean primary key default true constraint router_is_one_row check (only_row),
          id uuid not null default gen_random_uuid(),
          schema_version text not null
        );
        grant select on all tables in schema gmail_sync_route to {OWNER};
        """.encode()
    )
    away = router.execute(
        "select min(node) from gmail_sync_route.slot where node >= %s", [nodes]
    ).fetchone()
    if away and away[0] is not None:
        raise InstallError(
            f"users live at node {away[0]}, which is not named: first run gmail-sync router spread"
            f" --empty {away[0]}"
        )
    router.execute("delete from gmail_sync_route.node where node >= %s", [nodes])
    router.execute(
        "insert into gmail_sync_route.node select generate_series(0, %s) on conflict do nothing",
        [nodes - 1],
    )
    known = {slot for (slot,) in router.execute("select slot from gmail_sync_route.slot")}
    new = sorted(set(range(SLOTS)) - known)
    if nowhere := [slot for slot in new if slot not in places]:
        raise InstallError(
            f"the slots {nowhere} are open at no node: if they are being moved, finish that with"
            " the router that knows of it"
        )
    router.execute(
        "insert into gmail_sync_route.slot select * from unnest(%s::integer[], %s::integer[])",
        [new, [places[slot] for slot in new]],
    )
    router.execute(
        "insert into gmail_sync_route.router (schema_version) values (%s)"
        " on conflict (only_row) do update set schema_version = excluded.schema_version",
        [version],
    )
    router_id: uuid.UUID = _value(router, "select id from gmail_sync_route.router")
    return router_id


def _set_plans(router: Connection) -> None:
    """A plan for any user would ask every node for estimates, and so fail when one is down."""
    router.execute(
        sql.SQL("alter database {} set plan_cache_mode = force_custom_plan").format(
            sql.Identifier(router.info.dbname)
        )
    )


def _create_servers(
    router: Connection, nodes: int, slots: dict[int, int], password: str, pooler: Pooler
) -> None:
    place = f"host={pooler.host} port={pooler.port}"
    functions = {f"p{slot}": f"dbname=node{node} {place}" for slot, node in sorted(slots.items())}
    # PL/Proxy wants a power of two.
    places = 1 << (nodes - 1).bit_length()
    by_node = {f"p{n}": f"dbname=node{n % nodes} {place}" for n in range(places)}
    _create_server(router, CLUSTER, "plproxy", functions, password)
    _create_server(router, NODES, "plproxy", by_node, password)
    for node in range(nodes):
        options = {
            "host": pooler.host,
            "port": str(pooler.port),
            "dbname": f"node{node}",
            "fetch_size": str(FETCHED_ROWS),
        }
        _create_server(router, views_server(node), "postgres_fdw", options, password)


def views_server(node: int) -> str:
    return f"gmail_sync_views_{node}"


def _create_server(
    router: Connection, name: str, wrapper: str, options: dict[str, str], password: str
) -> None:
    router.execute(f"drop server if exists {name} cascade".encode())
    router.execute(
        sql.SQL("create server {} foreign data wrapper {} options ({})").format(
            sql.Identifier(name), sql.Identifier(wrapper), _options(options)
        )
    )
    router.execute(f"grant usage on foreign server {name} to {OWNER}".encode())
    router.execute(
        sql.SQL("create user mapping for {} server {} options ({})").format(
            sql.Identifier(OWNER),
            sql.Identifier(name),
            _options({"user": LOGIN, "password": password}),
        )
    )


def _options(options: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in options.items()
    )


def _attach_views(router: Connection, slot: int, node: int) -> None:
    statements = [each for view in BY_SLOT for each in partition(view, slot, node)]
    router.execute(";".join(statements).encode())


def partition(view: str, slot: int, node: int) -> Iterator[str]:
    """Statements that make the foreign table of a view's slot at a node."""
    name = f"gmail_sync_router.{view}_{slot}"
    estimates = ", use_remote_estimate 'true'" if view in JOINED else ""
    yield (
        f"create foreign table {name} partition of gmail_sync_router.{view}"
        f" for values with (modulus {SLOTS}, remainder {slot}) server {views_server(node)}"
        f" options (schema_name 'gmail_sync_slots', table_name '{view}_{slot}'{estimates})"
    )
    yield f"alter foreign table {name} owner to {OWNER}"
    # Taken for small, a page of it would be sorted at the router, and so fetched whole.
    yield (
        f"update pg_class set reltuples = 100000, relpages = 10000 where oid = '{name}'::regclass"
    )


def _share_webhooks(nodes: Sequence[Connection]) -> None:
    """Add each webhook for all users where it is missing, as at a new node."""
    webhooks = [row for node in nodes for row in node.execute(_WEBHOOKS_FOR_ALL).fetchall()]
    for node in nodes:
        for webhook in webhooks:
            node.execute(_ADD_WEBHOOK, webhook)
