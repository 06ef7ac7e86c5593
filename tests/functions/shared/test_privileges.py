"""What a login can do that is a member of one of our roles: tried, function by function."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest

from service.postgres.calls import Connection, Session
from tests.cluster import Cluster
from tests.functions.conftest import busy_user
from tests.functions.routines import login, routines, sqlstate
from tests.functions.shared.test_roles import MAY_EXECUTE, VIEWS

Login = Callable[..., psycopg.Connection[tuple[object, ...]]]
REFUSED = "42501"
# Each role with what it may call. The owner's powers are nobody's: no login is its member.
ROLES = {
    "gmail_sync_app": MAY_EXECUTE["gmail_sync_app"],
    "gmail_sync_reader": MAY_EXECUTE["gmail_sync_reader"],
    "gmail_sync_service": MAY_EXECUTE["gmail_sync_service"],
    "gmail_sync_dba": MAY_EXECUTE["gmail_sync_dba"],
    "": set[str](),  # a login that is a member of nothing
}
VIEWS_OF = {
    "gmail_sync_app": VIEWS - {"running_syncs", "zombie_syncs"},
    "gmail_sync_reader": VIEWS,
    "gmail_sync_dba": VIEWS,
}


@pytest.fixture
def log_in(cluster: Cluster, database: str, db: Connection) -> Iterator[Login]:
    """Logs in as a member of one role; of none for an empty name."""
    with ExitStack() as stack:
        yield lambda role: stack.enter_context(login(cluster, database, db, *filter(None, [role])))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("arguments", ["null", "typical"])
def test_a_function_is_called_or_refused(
    log_in: Login, db: Connection, functions: Session, role: str, arguments: str
) -> None:
    busy_user(functions)
    connection = log_in(role)
    other = "null" if arguments == "null" else None
    called = set()
    for routine in routines(db):
        if sqlstate(connection, routine.call({}, other)) != REFUSED:
            called.add(routine.name)
    assert called == ROLES[role]


@pytest.mark.parametrize("role", ROLES)
def test_tables_and_sequences_are_refused(
    log_in: Login, db: Connection, functions: Session, role: str
) -> None:
    busy_user(functions)
    connection = log_in(role)
    for row in db.execute(
        "select c.relname as name, c.relkind = 'S' as is_sequence,"
        " (select attname from pg_attribute where attrelid = c.oid and attnum = 1) as first_column"
        " from pg_class c where relnamespace = 'gmail_sync'::regnamespace"
        " and relkind in ('r', 'p', 'S')"
    ).fetchall():
        table, column = f"gmail_sync.{row['name']}", row["first_column"]
        statements = (
            [f"select nextval('{table}')", f"select setval('{table}', 1)", f"select * from {table}"]
            if row["is_sequence"]
            else [
                f"select * from {table}",
                f"select {column} from {table}",
                f"select count(*) from {table}",
                f"insert into {table} default values",
                f"update {table} set {column} = default",
                f"delete from {table}",
                f"truncate {table}",
                f"copy {table} to stdout",
                f"alter table {table} add mine integer",
                f"create trigger mine before update on {table} execute function pg_sleep(1)",
                f"drop table {table}",
            ]
        )
        for statement in statements:
            assert sqlstate(connection, statement) == REFUSED, statement


@pytest.mark.parametrize("role", ROLES)
def test_views_are_read_or_refused_and_never_written(
    log_in: Login, db: Connection, role: str
) -> None:
    connection = log_in(role)
    views = db.execute(
        "select relname from pg_class"
        " where relnamespace = 'gmail_sync'::regnamespace and relkind = 'v'"
    ).fetchall()
    read = {
        row["relname"]
        for row in views
        if sqlstate(connection, f"select * from gmail_sync.{row['relname']}") is None
    }
    assert read == VIEWS_OF.get(role, set())
    for row in views:
        statement = f"delete from gmail_sync.{row['relname']}"
        # Some can be written by nobody, which is said first.
        assert sqlstate(connection, statement) in (REFUSED, "55000"), statement


@pytest.mark.parametrize("role", ROLES)
def test_nothing_can_be_made_or_changed(log_in: Login, role: str) -> None:
    connection = log_in(role)
    for statement in (
        "create table gmail_sync.mine ()",
        "create table public.mine ()",
        "create view gmail_sync.mine as select 1",
        "create sequence gmail_sync.mine",
        "create type gmail_sync.mine as (a text)",
        "create function gmail_sync.mine() returns int language sql as 'select 1'",
        "create function public.mine() returns int language sql as 'select 1'",
        "create or replace function gmail_sync.schema_version() returns text language sql"
        " as 'select 1'",
        "create schema mine",
        "create role mine",
        "create extension pg_trgm",
        "alter function gmail_sync.schema_version() reset search_path",
        "alter function gmail_sync.schema_version() security invoker",
        "alter schema gmail_sync rename to mine",
        "drop function gmail_sync.schema_version()",
        "drop schema gmail_sync cascade",
        "alter role gmail_sync_owner login",
        "alter system set work_mem = '1GB'",
        "select pg_read_file('/etc/passwd')",
        "copy (select 1) to program 'true'",
    ):
        assert sqlstate(connection, statement) == REFUSED, statement


@pytest.mark.parametrize("role", ROLES)
def test_no_login_becomes_another(log_in: Login, role: str) -> None:
    connection = log_in(role)
    others = {*filter(None, ROLES), "gmail_sync_owner", "postgres"} - {role}
    for other in sorted(others):
        for statement in (
            f"set role {other}",
            f"set session authorization {other}",
            f"grant {other} to current_user",
            f"reassign owned by gmail_sync_owner to {other}",
        ):
            assert sqlstate(connection, statement) == REFUSED, statement


def test_no_function_lends_the_owner_s_rights_beyond_its_call(log_in: Login) -> None:
    connection = log_in("gmail_sync_service")
    connection.execute("select gmail_sync.sync_health()")
    row = connection.execute("select current_user = session_user").fetchone()
    assert row == (True,)
    assert sqlstate(connection, "select * from gmail_sync.account") == REFUSED
