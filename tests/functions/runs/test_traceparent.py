"""The trace of a request is kept on its run, and reaches the worker."""

import uuid

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    insert_run,
    only,
    raises_sqlstate,
    run_of,
    shift,
    successor_of,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def started(functions: Session, traceparent: str | None) -> str:
    row = functions.row("start_sync", "ann", p_traceparent=traceparent)
    assert row is not None
    task_id: str = row["task_id"]
    return task_id


def test_a_worker_gets_the_trace_of_the_request(functions: Session) -> None:
    started(functions, TRACE)
    claim = functions.row("claim_sync", uuid.uuid4())
    assert claim is not None
    assert claim["traceparent"] == TRACE


def test_a_successor_goes_on_in_the_same_trace(functions: Session, db: Connection) -> None:
    task_id = started(functions, TRACE)
    functions.rows("claim_sync", uuid.uuid4())
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    assert successor_of(db, task_id)["traceparent"] == TRACE


@pytest.mark.parametrize("other", [None, "", "00-4bf9-00f0-01", TRACE.upper(), f"{TRACE}\n"])
def test_what_is_not_a_trace_is_ignored(
    functions: Session, db: Connection, other: str | None
) -> None:
    assert run_of(db, started(functions, other))["traceparent"] is None


def test_only_a_trace_can_be_kept(db: Connection) -> None:
    with raises_sqlstate("23514", "traceparent_has_the_form_of_w3c"):
        insert_run(db, traceparent="somebody@example.org")
    assert only(db, "select count(*) from gmail_sync.user_sync_status") == 0
