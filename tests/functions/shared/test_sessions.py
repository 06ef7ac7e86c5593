"""The settings of an application's session change no answer of a function."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.session import options
from service.postgres.calls import Connection, Session
from tests.cluster import Cluster
from tests.functions.conftest import busy_user, claimed, only, queued, set_settings, shift, together
from tests.functions.routines import login, routines
from tests.functions.shared.test_roles import MAY_EXECUTE
from tests.worst_settings import WORST

SINGLY = [{name: value} for name, value in WORST.items()]
LEGACY = """
    create table public.legacy (task_id text, user_id text, is_syncing bool, started_at text,
      updated_at timestamp, took interval, ratio float8, seal bytea);
    insert into public.legacy values
      ('l1', 'zoe', true, '01/02/2026 10:00', '2026-01-02 10:00', '-1 day 2 h', 0.1, 'a\\134'),
      ('l2', E'\t', false, '2026-01-02 10:00', '2026-01-02 10:00', '1 day', 1, 'b');
    grant select on public.legacy to gmail_sync_dba, gmail_sync_service;
"""
CALLS = {
    "adopt_legacy_sync_status": "'public.legacy'",
    "check_sync_consistency": "'public.legacy'",
    "sync_activity": "'2026-03-01 00:00+00', '1 day'",
    "messages_per_day": "'ann', 3, 'America/New_York'",
}


@pytest.fixture
def data(functions: Session, db: Connection) -> None:
    """Something for every function to return."""
    busy_user(functions)
    shift(db, claimed(functions, "zoe"), "-2 h", "updated_at")
    queued(functions, "bob")
    # Nothing changes while the test runs.
    names = """
        heartbeat_timeout pickup_alert pickup_timeout queue_timeout reaper_alert reaper_timeout
    """
    set_settings(db, **dict.fromkeys(names.split(), "1 h"))
    functions.value("worker_heartbeat", "5f0c9a52-6d0e-4a3e-9a43-6b1f3c3f7f10", "1.0", 4)
    db.execute(LEGACY.encode())


@contextmanager
def session(
    given: psycopg.Connection[Any], settings: dict[str, str]
) -> Iterator[psycopg.Connection[Any]]:
    """Another session of the same login. In binary, a client reads the same with each setting."""
    conninfo = make_conninfo(
        given.info.dsn, password=given.info.password, options=options(settings)
    )
    with psycopg.connect(conninfo, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        yield connection


def answer(connection: psycopg.Connection[Any], call: str) -> object:
    """The rows without what differs from call to call, or the SQLSTATE."""
    try:
        with connection.transaction(force_rollback=True):
            rows = connection.execute(call.encode(), binary=True).fetchall()
    except psycopg.Error as error:
        return error.sqlstate
    return [[shape(value) for value in row] for row in rows]


def shape(value: object) -> object:
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case list() | tuple():
            return [shape(each) for each in value]
        case bool() | bytes() | None:
            return value
        case str():
            # Random parts of a task_id, and times.
            return re.sub(r"(_[0-9a-f]{8}|\d)+", "#", value)
        case int() | float() | Decimal():
            return "number"
    # A time, or the id of a worker.
    return type(value)


@pytest.mark.parametrize("role", [role for role in MAY_EXECUTE if role != "public"])
@pytest.mark.parametrize(
    "sessions",
    [
        pytest.param([WORST], id="together"),
        pytest.param(SINGLY, id="singly", marks=pytest.mark.gate),
    ],
)
def test_every_function_answers_the_same(
    cluster: Cluster,
    database: str,
    db: Connection,
    data: None,
    role: str,
    sessions: list[dict[str, str]],
) -> None:
    calls = [
        f"select * from gmail_sync.{each.name}({CALLS[each.name]})"
        if each.name in CALLS
        else each.call({}).replace("'\\x00'", r"E'\\x00'")
        for each in routines(db)
        if each.name in MAY_EXECUTE[role] and not each.is_procedure
    ]
    with login(cluster, database, db, role) as given:
        with session(given, {}) as connection:
            expected = {call: answer(connection, call) for call in calls}
        assert any(isinstance(rows, list) and rows for rows in expected.values())
        for settings in sessions:
            with session(given, settings) as connection:
                changed = [
                    (call, found, expected[call])
                    for call in calls
                    if (found := answer(connection, call)) != expected[call]
                ]
            assert changed == [], settings


def test_a_reaped_run_says_when_in_utc(db: Connection, data: None, database_url: str) -> None:
    db.execute(
        "update gmail_sync.user_sync_status set progressed_at = '2026-03-01 10:00+00',"
        " claimed_at = '2026-03-01 10:00+00', updated_at = clock_timestamp() where user_id = 'zoe'"
    )
    with session(db, WORST) as connection:
        connection.execute("select * from gmail_sync.reap_zombie_syncs()")
    message = only(
        db, "select error_message from gmail_sync.user_sync_status where outcome = 'reaped'"
    )
    assert message == "No progress since 10:00:00 UTC: the worker hangs."


def test_an_account_is_due_at_the_same_time_in_every_session(
    db: Connection, functions: Session, data: None
) -> None:
    functions.value("set_sync_interval", "zoe", timedelta(hours=1))
    functions.value("cancel_sync", queued(functions, "zoe"))
    due = []
    for settings in ({}, WORST):
        with session(db, settings) as connection:
            cursor = connection.execute("select * from gmail_sync._due_syncs", binary=True)
            due.append(cursor.fetchall())
    assert due[0] != []
    assert due[0] == due[1]


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_callers_in_a_snapshot_join_a_run_without_errors(
    cluster: Cluster, database: str, db: Connection, functions: Session, level: str
) -> None:
    """A worker beats meanwhile, as each run's does."""
    task_id = claimed(functions)
    with login(cluster, database, db, "gmail_sync_app") as given:

        def join(_index: int) -> set[object]:
            with session(given, {"default_transaction_isolation": level}) as connection:
                joined = "select gmail_sync.start_sync_idempotent('ann')"
                return {
                    connection.execute(joined).fetchone()
                    for _ in range(20)
                    if functions.value("heartbeat", task_id)
                }

        assert set().union(*together(8, join)) == {(task_id,)}


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_callers_in_a_snapshot_that_race_to_start_may_call_again(
    cluster: Cluster, database: str, db: Connection, level: str
) -> None:
    """What the handbook says: 40001, and the next call joins."""
    with login(cluster, database, db, "gmail_sync_app") as given:

        def start(_index: int) -> object:
            with session(given, {"default_transaction_isolation": level}) as connection:
                while True:
                    try:
                        return connection.execute(
                            "select gmail_sync.start_sync_idempotent('ann')"
                        ).fetchone()
                    except psycopg.errors.SerializationFailure:
                        continue

        assert len(set(together(8, start))) == 1
