"""A worker's hold on its run."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from service import logs
from service.postgres.calls import Row, Session, connect
from service.postgres.errors import LeaseLost
from service.threads import LongLivedThread
from service.worker.lease import Lease
from tests.killable import raise_in, threads_named
from tests.waiting import wait_until

INTERVAL, TIMEOUT = 0.2, 1.0


@pytest.fixture
def task_id(functions: Session) -> str:
    functions.value("start_sync_idempotent", "user-42")
    claim = functions.row("claim_sync", "00000000-0000-4000-8000-000000000001")
    assert claim is not None
    return str(claim["task_id"])


@pytest.fixture
def lost() -> threading.Event:
    return threading.Event()


@pytest.fixture
def lease(service_url: str, task_id: str, lost: threading.Event) -> Iterator[Lease]:
    with Lease(service_url, task_id, INTERVAL, TIMEOUT, logs.configure("error"), lost.set) as lease:
        yield lease


def beat_of(functions: Session, task_id: str) -> object:
    run = functions.row("sync_run", task_id)
    assert run is not None
    return run["updated_at"]


def test_beats_by_itself(lease: Lease, functions: Session, task_id: str) -> None:
    for _ in range(3):
        before = beat_of(functions, task_id)
        wait_until(lambda before=before: beat_of(functions, task_id) != before)  # type: ignore[misc]
    lease.check()


def test_a_cancelled_run_is_noticed_at_the_next_beat(
    lease: Lease, functions: Session, task_id: str, lost: threading.Event
) -> None:
    functions.value("cancel_sync", task_id)
    lease.heartbeat_now()

    assert lost.wait(5)
    with pytest.raises(LeaseLost):
        lease.check()


def test_silence_makes_the_worker_stop_before_the_lease_lapses(
    lease: Lease, functions: Session, task_id: str, database_url: str
) -> None:
    """The database hangs for the heartbeat: its row is locked by somebody."""
    with connect(database_url, "test") as blocker, blocker.transaction():
        blocker.execute(
            "select from gmail_sync.user_sync_status where task_id = %s for update", [task_id]
        )
        wait_until(lambda: lease.silent_for() > 0.75 * TIMEOUT)
        with pytest.raises(LeaseLost, match="no heartbeat"):
            lease.check()


def test_a_lost_connection_is_replaced(
    lease: Lease, functions: Session, task_id: str, db: psycopg.Connection[Row]
) -> None:
    wait_until(lambda: lease.silent_for() < INTERVAL / 2)
    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'gmail-sync heartbeat' and datname = current_database()"
    )
    before = beat_of(functions, task_id)

    wait_until(lambda: beat_of(functions, task_id) != before)

    lease.check()


def test_heartbeats_go_on_after_an_error_in_their_thread(
    lease: Lease, functions: Session, task_id: str, lost: threading.Event
) -> None:
    (thread,) = threads_named("heartbeat")
    raise_in(thread, ValueError)
    before = beat_of(functions, task_id)
    for _ in range(2):
        wait_until(lambda before=before: beat_of(functions, task_id) != before)  # type: ignore[misc]
        before = beat_of(functions, task_id)
    assert not lost.is_set()


def test_no_heartbeats_are_left_of_a_run_whose_start_failed(
    service_url: str, task_id: str, lost: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = LongLivedThread.start

    def start_and_fail(thread: LongLivedThread) -> None:
        start(thread)
        raise ValueError("too late")

    monkeypatch.setattr(LongLivedThread, "start", start_and_fail)
    lease = Lease(service_url, task_id, INTERVAL, TIMEOUT, logs.configure("error"), lost.set)
    with pytest.raises(ValueError, match="too late"), lease:
        pass
    wait_until(lambda: not threads_named(f"heartbeat {task_id}"))


def test_a_heartbeat_that_the_database_refuses_is_missed_until_the_lease_must_be_lost(
    lease: Lease, db: psycopg.Connection[Row], lost: threading.Event
) -> None:
    db.execute(
        "create or replace function gmail_sync.heartbeat(p_task_id text) returns boolean"
        " language plpgsql as $$ begin raise sqlstate 'SY003' using message = 'refused'; end $$"
    )
    assert lost.wait(5)
    with pytest.raises(LeaseLost):
        lease.check()
