"""An account switched from full to raw: what is stored is fetched once more, resumably."""

import signal
from collections.abc import Callable

import psycopg
import pytest

from service.gmail.client import BATCH_SIZE
from service.postgres.calls import Row, Session
from service.simulator import Fault, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account, WorkerProcess, start_held

# What a sync asks for before it fetches.
QUIET = {"getProfile", "history.list", "labels.list"}


def raws(db: psycopg.Connection[Row]) -> dict[str, bytes | None]:
    rows = db.execute("select message_id, raw from gmail_sync.message where deleted_at is null")
    return {row["message_id"]: row["raw"] for row in rows}


def test_what_is_stored_is_upgraded_and_counted_as_updated(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(60))
    account.sync()
    gone, deleted = mailbox.message_ids()[3], mailbox.message_ids()[5]
    mailbox.delete(deleted)
    account.sync()
    simulator.requests.reset()
    mailbox.delete(gone)

    assert functions.value("set_content_mode", USER, "raw") == 59

    run = account.finish(account.last_run()["task_id"])
    assert run["outcome"] == "succeeded"
    stats = run["current_stats"]
    assert (stats["found"], stats["updated"], stats["deleted"]) == (59, 58, 1)
    assert raws(db) == {each: mailbox.raw(each) for each in mailbox.message_ids()}
    assert not {gone, deleted} & simulator.requests.fetched.keys()
    assert simulator.requests.fetched_twice() == {}


def test_raw_to_full_to_raw_is_quiet(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(10))
    account.connect("raw")
    account.sync()
    before = raws(db)
    simulator.requests.reset()
    for mode in ("full", "raw"):
        assert functions.value("set_content_mode", USER, mode) == 0
        run = account.sync()
        assert run["current_stats"]["found"] == 0
    assert simulator.requests.methods.keys() <= QUIET
    assert raws(db) == before


@pytest.mark.parametrize("after", [0, 20])
def test_a_switch_while_a_sync_runs_misses_no_message(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    after: int,
) -> None:
    mailbox.load(generate(60))
    task_id, hang = start_held(
        simulator, account, Fault("messages.get", "hang", count=1, after=after)
    )

    functions.value("set_content_mode", USER, "raw")
    hang.release()

    run = account.finish(task_id)
    wait_until(lambda: not account.last_run()["is_syncing"])
    assert run["current_stats"]["new"] == 60
    assert raws(db) == {each: mailbox.raw(each) for each in mailbox.message_ids()}


@pytest.mark.gate
def test_kill_9_in_the_middle_resumes_and_fetches_hardly_anything_twice(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    functions: Session,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(600))
    first = start_worker()
    assert account.sync()["outcome"] == "succeeded"
    db.execute(
        "update gmail_sync.settings set heartbeat_interval = '300 ms', heartbeat_timeout = '1.5 s'"
    )
    simulator.requests.reset()
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1, after=200))

    assert functions.value("set_content_mode", USER, "raw") == 600
    task_id = account.last_run()["task_id"]
    assert hang.wait_arrived(60)
    wait_until(lambda: account.run(task_id)["current_stats"]["updated"] > 100)
    first.signal(signal.SIGKILL)
    first.wait(60)
    hang.release()
    assert 100 < account.run(task_id)["current_stats"]["updated"] < 600
    start_worker()
    account.reap(task_id)

    run = account.finish(task_id)
    assert (run["outcome"], run["current_stats"]["updated"]) == ("succeeded", 600)
    assert raws(db) == {each: mailbox.raw(each) for each in mailbox.message_ids()}
    twice = simulator.requests.fetched_twice()
    print(f"fetched twice: {len(twice)} of 600")
    assert len(twice) <= BATCH_SIZE
