"""Threads that are killed from within: they start again, or the process ends."""

import threading
from collections.abc import Callable, Iterator

import pytest

from service import logs
from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.simulator import Mailbox, generate
from service.threads import LongLivedThread
from service.worker import worker
from service.worker.worker import Worker
from tests.functions.conftest import only
from tests.killable import raise_in, threads_named
from tests.waiting import wait_until
from tests.worker.conftest import Account, WorkerProcess

REPLACED_CLAIM = """
    alter function gmail_sync.claim_sync(uuid) rename to claim_sync_kept;
    create function gmail_sync.claim_sync(uuid) returns table (task_id int)
    language plpgsql as $$ begin {body} end $$
"""
RESTORED_CLAIM = """
    drop function gmail_sync.claim_sync(uuid);
    alter function gmail_sync.claim_sync_kept(uuid) rename to claim_sync
"""


@pytest.fixture
def two_slots(
    monkeypatch: pytest.MonkeyPatch, service_url: str, google: Google
) -> Iterator[Worker]:
    """A worker whose heartbeats follow one another quickly."""
    monkeypatch.setattr(worker, "HOUSEKEEPING_SECONDS", 0.1)
    keeper = Worker(service_url, google, 2, logs.configure("critical"))
    keeper.start()
    yield keeper
    keeper.stop()


# An error that strikes while a connection is opened leaves it open.
leaves_connections = pytest.mark.filterwarnings("ignore:.*deleted while still open:ResourceWarning")


def living_slots(db: Connection) -> object:
    return only(db, "select max(living_slots) from gmail_sync.worker")


@leaves_connections
@pytest.mark.parametrize("name", ["slot 0", "slot 1", "listener", "housekeeping"])
def test_a_thread_of_the_worker_survives_an_error_and_the_next_sync_succeeds(
    two_slots: Worker, account: Account, mailbox: Mailbox, name: str
) -> None:
    mailbox.load(generate(5))
    (thread,) = threads_named(name)
    assert isinstance(thread, LongLivedThread)
    raise_in(thread, ValueError)
    wait_until(lambda: thread.failing_for() > 0)
    assert account.sync()["outcome"] == "succeeded"
    wait_until(lambda: thread.failing_for() == 0)
    assert thread.is_alive()


@leaves_connections
def test_every_thread_of_the_worker_survives_an_error_in_the_middle_of_a_sync(
    two_slots: Worker, account: Account, mailbox: Mailbox
) -> None:
    mailbox.load(generate(200))
    task_id = account.start()
    wait_until(lambda: threads_named("heartbeat"))
    for thread in threading.enumerate():
        if isinstance(thread, LongLivedThread):
            raise_in(thread, ValueError)
    assert account.finish(task_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("body", ["raise 'refused';", "task_id := 1; return next;"])
def test_slots_that_fail_are_a_reason_until_the_database_serves_them_again(
    two_slots: Worker,
    account: Account,
    mailbox: Mailbox,
    functions: Session,
    db: Connection,
    body: str,
) -> None:
    mailbox.load(generate(5))
    wait_until(lambda: living_slots(db) == 2)
    db.execute(REPLACED_CLAIM.format(body=body).encode())
    wait_until(lambda: living_slots(db) == 0)
    reasons = functions.value("sync_health")["reasons"]
    assert any(each.startswith("2 of 2 worker slots fail again and again") for each in reasons)
    task_id = account.start()
    db.execute(RESTORED_CLAIM.encode())
    assert account.finish(task_id)["outcome"] == "succeeded"
    wait_until(lambda: living_slots(db) == 2)


def test_a_worker_whose_heartbeat_is_refused_still_syncs(
    two_slots: Worker, account: Account, mailbox: Mailbox, db: Connection
) -> None:
    db.execute("drop function gmail_sync.worker_heartbeat")
    mailbox.load(generate(5))
    assert account.sync()["outcome"] == "succeeded"


def test_a_session_serves_again_after_an_error_that_cut_off_a_call(service_url: str) -> None:
    session = Session(service_url, "test")
    with session.connection() as connection:
        connection.pgconn.send_query(b"select 1")
    assert session.value("schema_version")
    session.close()


LIFELESS = """
from service.worker import worker
worker.HOUSEKEEPING_SECONDS, worker.LIFELESS_SECONDS = 0.2, 2
from service.cli import main
main(["worker"])
"""


def test_a_worker_without_a_living_slot_ends_in_words(
    start_worker: Callable[..., WorkerProcess], db: Connection
) -> None:
    db.execute(REPLACED_CLAIM.format(body="raise 'refused';").encode())
    process = start_worker(2, program=("-c", LIFELESS))
    assert process.wait(60) == 1
    last = process.log.read_text().splitlines()[-1]
    assert "none of the 2 slots of this process works: each failed for" in last
