"""A search_path full of traps misleads no function: each uses pg_catalog and our schema."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.types.json import Jsonb

from db.migrations.install import FUNCTIONS
from service.postgres.calls import Connection, Row, Session
from tests.cluster import Cluster
from tests.functions.conftest import busy_user, claimed, message, shift, stored_messages
from tests.functions.routines import login, routines, sqlstate
from tests.functions.shared.test_roles import MAY_EXECUTE

FOOLED = "P0001"
HOSTILE_PATH = "hostile, pg_temp, pg_catalog, gmail_sync, public"
# Types whose name is looked up, and whose operators our functions use.
TYPES = [
    "text", "timestamptz", "interval", "int4", "int8", "numeric", "bool", "jsonb", "uuid", "bytea",
    "float8", "name",
]  # fmt: skip
TRAP = "language plpgsql as $$ begin raise exception 'fooled'; end $$"


def function_traps(db: Connection) -> Iterator[str]:
    """Of every function of pg_catalog that our files call, a twin that raises."""
    called = {
        name
        for path in FUNCTIONS.rglob("*.sql")
        for name in re.findall(r"\b(\w+)\(", path.read_text())
    } | {"date_part", "extract"}
    for row in db.execute(
        "select proname, pg_get_function_identity_arguments(oid) as arguments,"
        " pg_get_function_result(oid) as result from pg_proc"
        " where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and proname = any (%s)"
        # No language but C and SQL can take these.
        " and not array['\"any\"', 'cstring', 'internal']::regtype[]"
        "   && (proargtypes::oid[]::regtype[] || prorettype::regtype)",
        [sorted(called)],
    ):
        yield (
            f'create function hostile."{row["proname"]}"({row["arguments"]})'
            f" returns {row['result']} {TRAP}"
        )


def operator_traps(db: Connection) -> Iterator[str]:
    """Of every operator between these types, a twin that raises."""
    for number, row in enumerate(
        db.execute(
            "select oprname, oprleft::regtype::text as left, oprright::regtype::text as right,"
            " oprresult::regtype::text as result from pg_operator"
            " where oprnamespace = 'pg_catalog'::regnamespace and oprkind = 'b'"
            " and oprleft = any (%(types)s::regtype[]) and oprright = any (%(types)s::regtype[])",
            {"types": TYPES},
        )
    ):
        yield (
            f"create function hostile.trap{number}({row['left']}, {row['right']})"
            f" returns {row['result']} {TRAP}"
        )
        yield (
            f"create operator hostile.{row['oprname']} (leftarg = {row['left']},"
            f" rightarg = {row['right']}, function = hostile.trap{number})"
        )


def tables(db: Connection) -> list[str]:
    rows = db.execute("select relname from pg_class where relnamespace = 'gmail_sync'::regnamespace"
                      " and relkind in ('r', 'v')")  # fmt: skip
    return [row["relname"] for row in rows] + ["pg_class", "pg_proc", "pg_type", "pg_namespace"]


@pytest.fixture
def traps(db: Connection) -> list[str]:
    """Lays the traps; those that each session must lay for itself, in pg_temp, are returned."""
    db.execute("create schema hostile; grant usage on schema hostile to public")
    for trap in [*function_traps(db), *operator_traps(db)]:
        db.execute(trap.encode())
    mine = []
    for name in tables(db):
        db.execute(f"create table hostile.{name} (user_id int, task_id int)".encode())
        mine.append(f"create temporary table {name} (user_id int, task_id int)")
    for name in TYPES:
        db.execute(f"create domain hostile.{name} as pg_catalog.{name} check (false)".encode())
        mine.append(f"create domain pg_temp.{name} as pg_catalog.{name} check (false)")
    db.execute("grant all on all tables in schema hostile to public")
    return mine


def spring(connection: psycopg.Connection[Row], traps: list[str]) -> None:
    """Lay the session's own traps, and step into them all."""
    for trap in traps:
        connection.execute(trap.encode())
    connection.execute(f"set search_path = {HOSTILE_PATH}".encode())


@pytest.fixture
def fooled(service_url: str, traps: list[str]) -> Iterator[Session]:
    """The service, with a hostile search_path."""
    session = Session(service_url, "test")
    with session.connection() as connection:
        spring(connection, traps)
    yield session
    session.close()


def test_the_traps_are_traps(fooled: Session) -> None:
    with fooled.connection() as connection:
        for statement in (
            "select clock_timestamp()",
            "select lower(null::pg_catalog.text)",
            "select 1 where null::pg_catalog.text = null::pg_catalog.text",
            "select pg_catalog.now() < pg_catalog.now()",
            "select 1::pg_catalog.int4 + 1::pg_catalog.int4",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="fooled"):
                connection.execute(statement.encode())
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("select 'a'::text")
        connection.execute("select task_id from account")


def test_a_sync_goes_as_ever(fooled: Session, db: Connection) -> None:
    task_id = claimed(fooled)
    fooled.rows("store_labels", task_id, Jsonb([{"id": "L", "name": "Work"}]))
    fooled.rows("begin_listing", task_id, 1000, 2)
    fooled.rows("store_listing_page", task_id, ["m1", "m2"], None)
    assert {row["message_id"] for row in fooled.rows("take_messages", task_id, 25)} == {"m1", "m2"}
    assert fooled.value("heartbeat", task_id) is True
    fooled.rows("store_messages", task_id, Jsonb([message("m1", "L"), message("m2")]), [None, None])
    fooled.rows("reconcile_listing", task_id)
    fooled.rows("apply_history", task_id, Jsonb([]), 1001)
    assert fooled.value("release_sync", task_id) is True
    assert stored_messages(db).keys() == {"m1", "m2"}
    found = fooled.rows("search_messages", "ann", "about", None, 10, None)
    assert {row["message_id"] for row in found} == {"m1", "m2"}
    assert [row["message_id"] for row in fooled.rows("changes_since", "ann")] == ["m1", "m2"]
    assert fooled.rows("receive_push", "ANN@mail.example", 1002) != []


def test_a_zombie_is_reaped_and_health_sees_it(fooled: Session, db: Connection) -> None:
    task_id = busy_user(fooled)
    assert fooled.value("start_sync_idempotent", "ann") == task_id
    shift(db, task_id, "-61 s", "updated_at")
    assert fooled.value("sync_health")["statistics"]["zombie_tasks"] == 1
    (reaped,) = fooled.rows("reap_zombie_syncs")
    assert (reaped["task_id"], reaped["cause"]) == (task_id, "silent")
    assert fooled.value("sync_health")["statistics"]["zombie_tasks"] == 0


@pytest.mark.parametrize("role", [role for role in MAY_EXECUTE if role != "public"])
def test_every_function_answers_as_ever(
    cluster: Cluster, database: str, db: Connection, functions: Session, traps: list[str], role: str
) -> None:
    busy_user(functions)
    calls = [each.call({}) for each in routines(db) if each.name in MAY_EXECUTE[role]]
    with login(cluster, database, db, role) as connection:
        as_ever = {}
        for call in calls:
            connection.execute("begin")
            as_ever[call] = sqlstate(connection, call)
            connection.execute("rollback")
        spring(connection, traps)  # type: ignore[arg-type]
        for call in calls:
            connection.execute("begin")
            state = sqlstate(connection, call)
            connection.execute("rollback")
            assert state == as_ever[call], call


def test_the_loop_that_can_pin_no_path_is_not_fooled(
    cluster: Cluster, database: str, db: Connection, traps: list[str]
) -> None:
    with login(cluster, database, db, "gmail_sync_dba") as connection:
        spring(connection, traps)  # type: ignore[arg-type]
        assert sqlstate(connection, "call gmail_sync.reap_loop('0.1 s', '0.05 s')") is None
