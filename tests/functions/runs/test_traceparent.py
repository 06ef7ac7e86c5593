"""The trace of a request is kept on the run that does what was asked, and reaches the worker."""

import uuid

import pytest
from psycopg.types.json import Jsonb

from db.router.routes import TRACED
from service.postgres.calls import Connection, Row, Session
from tests.functions.conftest import (
    age_runs,
    claimed,
    email_of,
    insert_run,
    listed,
    message,
    only,
    queued,
    raises_sqlstate,
    run_of,
    set_run,
    shift,
    store,
    successor_of,
    taken,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = TRACE.replace("4bf92f", "0af765")
# What starts a run, and what it is called with.
WAYS: dict[str, list[object]] = {
    "start_sync": ["ann"],
    "start_sync_idempotent": ["ann"],
    "retry_failed_messages": ["ann"],
    "refetch_messages": ["ann", ["gone"]],
    "set_content_mode": ["ann", "raw"],
    "finish_import": ["ann", email_of("ann"), 0],
    "receive_push": [email_of("ann"), 1001],
    "enqueue_due_syncs": [],
}
# What asks for one more run while another works.
FOLLOWED = {"retry_failed_messages", "refetch_messages", "set_content_mode", "receive_push"}


def traced(functions: Session, traceparent: str | None, function: str, *arguments: object) -> None:
    """Call a function as an application does that has a trace."""
    placeholders = ", ".join(["%s"] * len(arguments))
    with functions.connection() as connection, connection.transaction():
        connection.execute(
            "select pg_catalog.set_config('gmail_sync.traceparent', %s, true)", [traceparent]
        )
        connection.execute(f"select gmail_sync.{function}({placeholders})".encode(), arguments)


def ready(functions: Session, db: Connection) -> None:
    """A user for whom each of WAYS starts a run."""
    task_id = claimed(functions)
    listed(functions, task_id, "stored", "bad")
    taken(functions, task_id)
    store(functions, task_id, message("stored"))
    failure = {"message_id": "bad", "error_message": "broken", "permanent": True}
    functions.rows("fail_messages", task_id, Jsonb([failure]))
    functions.value("release_sync", task_id)
    db.execute("update gmail_sync.account set sync_interval = '1 minute'")
    age_runs(db, "2 minutes")
    functions.value("begin_import", "ann", email_of("ann"), False)


def running(db: Connection) -> Row:
    row = db.execute("select * from gmail_sync.user_sync_status where is_syncing").fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_gets_the_trace_of_the_request(
    functions: Session, db: Connection, way: str
) -> None:
    ready(functions, db)
    traced(functions, TRACE, way, *WAYS[way])
    claim = functions.row("claim_sync", uuid.uuid4())
    assert claim is not None
    assert claim["traceparent"] == TRACE


@pytest.mark.parametrize("way", sorted(FOLLOWED))
def test_the_run_that_follows_has_the_trace_that_asked_for_it(
    functions: Session, db: Connection, way: str
) -> None:
    ready(functions, db)
    traced(functions, OTHER, "start_sync", "ann")
    claim = functions.rows("claim_sync", uuid.uuid4())[0]
    traced(functions, TRACE, way, *WAYS[way])
    functions.value("release_sync", claim["task_id"])
    assert (run_of(db, claim["task_id"])["traceparent"], running(db)["traceparent"]) == (
        OTHER,
        TRACE,
    )


def test_a_follow_up_outlives_the_run_that_it_waits_for(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    traced(functions, TRACE, "receive_push", email_of("ann"), 1001)
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    successor = functions.rows("claim_sync", uuid.uuid4())[0]["task_id"]
    functions.value("release_sync", successor)
    assert running(db)["traceparent"] == TRACE


def test_a_successor_goes_on_in_the_same_trace(functions: Session, db: Connection) -> None:
    traced(functions, TRACE, "start_sync", "ann")
    task_id = functions.rows("claim_sync", uuid.uuid4())[0]["task_id"]
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    assert successor_of(db, task_id)["traceparent"] == TRACE


@pytest.mark.parametrize(("source", "not_before"), [("push", "2000-01-01"), ("api", "2100-01-01")])
def test_who_takes_a_queued_run_over_or_ends_its_wait_takes_its_trace(
    functions: Session, db: Connection, source: str, not_before: str
) -> None:
    task_id = queued(functions)
    set_run(db, task_id, source=source, not_before=not_before, traceparent=OTHER)
    traced(functions, TRACE, "start_sync", "ann", False, "api")
    assert run_of(db, task_id)["traceparent"] == TRACE


def test_who_changes_nothing_of_a_queued_run_leaves_its_trace(
    functions: Session, db: Connection
) -> None:
    traced(functions, TRACE, "start_sync", "ann", False, "api")
    traced(functions, OTHER, "start_sync", "ann", False, "api")
    traced(functions, None, "start_sync", "ann", True, "api")
    assert running(db)["traceparent"] == TRACE


def test_the_trace_ends_with_the_transaction(functions: Session, db: Connection) -> None:
    traced(functions, TRACE, "sync_status", "ann")
    assert run_of(db, queued(functions))["traceparent"] is None


@pytest.mark.parametrize("other", [None, "", "00-4bf9-00f0-01", TRACE.upper(), f"{TRACE}\n"])
def test_what_is_not_a_trace_is_ignored(
    functions: Session, db: Connection, other: str | None
) -> None:
    traced(functions, other, "start_sync", "ann")
    assert running(db)["traceparent"] is None


@pytest.mark.parametrize("column", ["traceparent", "follow_up_traceparent"])
def test_only_a_trace_can_be_kept(db: Connection, column: str) -> None:
    with raises_sqlstate("23514", "traceparent_has_the_form_of_w3c"):
        insert_run(db, **{column: "somebody@example.org"})
    assert only(db, "select count(*) from gmail_sync.user_sync_status") == 0


def test_every_function_that_starts_runs_is_tested_and_has_its_trace_at_the_router(
    db: Connection,
) -> None:
    rows = db.execute(
        "select proname from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
        r" and prosrc ~ '\m_?start_sync(_idempotent|_for_queue)?\(' and proname !~ '^_'"
    )
    assert {row["proname"] for row in rows} == WAYS.keys() == TRACED
