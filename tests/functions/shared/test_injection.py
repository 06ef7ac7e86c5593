"""Text that looks like SQL stays text, in every argument of every function that can be called."""

import json

import pytest
from psycopg import sql

from service.postgres.calls import Connection, Session
from tests.cluster import Cluster
from tests.functions.conftest import busy_user, only
from tests.functions.routines import TYPICAL, Routine, login, routines, sqlstate
from tests.functions.shared.test_roles import MAY_EXECUTE

ROLES = [role for role in MAY_EXECUTE if role != "public"]
NASTY = [
    "'",
    "''; drop table gmail_sync.message; --",
    "'); drop schema gmail_sync cascade; --",
    "x' or '1'='1",
    "ann' union select credentials::text from gmail_sync.account --",
    '"; drop table gmail_sync.message; --',
    "$$; drop schema gmail_sync cascade; $$",
    "$body$ x $body$",
    "\\'; delete from gmail_sync.account; --",
    "E'\\x27'",
    "%s %I %L %1$s {} {{0}}",
    "pg_sleep(60)",
    "(select pg_read_file('/etc/passwd'))",
    "/* */ -- \n\r\t",
    "gmail_sync.account",
    '{"a": "\', drop"}',
    '{a,b,NULL,"\'"}',
    "../../etc/passwd",
    "\u2019\uff07\u02bc; drop table gmail_sync.message; --",
    "x" * 100_000,
]
KEYS = [
    "id", "name", "message_id", "thread_id", "error_code", "error_message", "subject", "snippet",
    "label_ids", "messagesAdded", "type",
]  # fmt: skip
TEXTS = {
    f"pg_catalog.{name}" for name in ("text", "regclass", "interval", "uuid", "numeric")
}  # fmt: skip
# Ours, what data may not be, and what constraints refuse.
REFUSALS = ("SY", "22", "23")
# Of a table's name also: no name, no such table, none that the caller may read.
REFUSALS_OF_A_TABLE = (*REFUSALS, "42602", "42P01", "42501")


def nasty_arguments(kind: str) -> list[sql.Literal]:
    """SQL of each nasty text as an argument of that type; nothing for what holds no text."""
    if kind in TEXTS:
        return [sql.Literal(text) for text in NASTY]
    if kind == "pg_catalog._text":
        return [sql.Literal([text]) for text in NASTY]
    if kind == "pg_catalog.jsonb":
        # As a batch of mail, of labels, of history: with the text wherever there can be one.
        return [sql.Literal(json.dumps([dict.fromkeys(KEYS, text)])) for text in NASTY]
    if kind == "pg_catalog._jsonb":
        return [sql.Literal([json.dumps({text: text})]) for text in NASTY]
    return []


CATALOG = """
    select concat_ws(' ', relname, relkind, relowner, relacl) as line
    from pg_class
    where relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_t')
    union all
    select concat_ws(' ', proname, proowner, prosecdef, md5(prosrc), proacl, proconfig)
    from pg_proc
    union all
    select concat_ws(' ', nspname, nspowner, nspacl) from pg_namespace where nspname !~ '^pg_t'
    union all
    select concat_ws(' ', rolname, rolsuper, rolcanlogin) from pg_roles where rolname !~ '^login_'
    union all
    select concat_ws(' ', attrelid, attname, atttypid) from pg_attribute
    where attnum > 0 and attrelid >= 16384
"""


def catalog(db: Connection) -> set[str]:
    """Everything there is in the database but rows: relations, functions, roles, grants."""
    return {row["line"] for row in db.execute(CATALOG)}


def attempts(routine: Routine, db: Connection) -> list[str]:
    """The calls with one nasty argument each."""
    return [
        routine.call({index: argument.as_string(db)})
        for index, kind in enumerate(routine.types)
        for argument in nasty_arguments(kind)
    ]


def test_every_type_of_an_argument_is_known(db: Connection) -> None:
    kinds = {kind for routine in callable_routines(db) for kind in routine.types}
    assert kinds <= TYPICAL.keys()


def callable_routines(db: Connection) -> list[Routine]:
    granted = set().union(*MAY_EXECUTE.values())
    return [routine for routine in routines(db) if routine.name in granted]


def test_nasty_text_is_an_argument_and_nothing_else(
    cluster: Cluster, database: str, db: Connection, functions: Session
) -> None:
    busy_user(functions)
    before = catalog(db)
    tried = 0
    with login(cluster, database, db, *ROLES) as connection:
        for routine in callable_routines(db):
            for statement in attempts(routine, db):
                state = sqlstate(connection, statement)
                tried += 1
                refusals = REFUSALS_OF_A_TABLE if "regclass" in statement else REFUSALS
                assert state is None or state.startswith(refusals), (state, statement[:300])
    assert tried > 1000
    assert catalog(db) == before
    # Not one row of ann's is gone.
    assert only(db, "select count(*) from gmail_sync.message where user_id = 'ann'") == 1
    assert only(db, "select credentials from gmail_sync.account where user_id = 'ann'") == b"sealed"


@pytest.mark.parametrize("text", [text for text in NASTY if len(text) < 256])
def test_nasty_text_comes_back_as_it_was(shared_functions: Session, text: str) -> None:
    if not text.isprintable():
        pytest.skip("no user id")
    task_id = shared_functions.value("start_sync_idempotent", text)
    run = shared_functions.row("sync_run", task_id)
    assert run is not None
    assert run["user_id"] == text
    shared_functions.value("cancel_sync", task_id)
    assert [row["user_id"] for row in shared_functions.rows("sync_history", text)] == [text]


@pytest.mark.parametrize("function", ["check_sync_consistency", "adopt_legacy_sync_status"])
@pytest.mark.parametrize("name", [text for text in NASTY if len(text) < 64])
def test_the_name_of_a_table_is_quoted(shared_db: Connection, function: str, name: str) -> None:
    table = sql.Identifier("public", name)
    shared_db.execute(
        sql.SQL("create table {} (user_id text, task_id text, is_syncing text, {} text)").format(
            table, sql.Identifier(name)
        )
    )
    insert = sql.SQL("insert into {} values ('bo', md5({}), 'f', {})")
    shared_db.execute(insert.format(table, sql.Literal(name), sql.Literal(name)))
    before = catalog(shared_db)
    call = sql.SQL("select count(*) as found from gmail_sync.{}({}::regclass)")
    answer = shared_db.execute(
        call.format(sql.Identifier(function), sql.Literal(table.as_string(shared_db)))
    )
    assert answer.fetchall() != [{"found": 0}]
    assert catalog(shared_db) == before
    if function == "adopt_legacy_sync_status":
        kept = "select original from gmail_sync.repair_log where original ->> %s = %s"
        assert only(shared_db, kept, name, name)["user_id"] == "bo"
    shared_db.execute(sql.SQL("drop table {}").format(table))
