"""What becomes of a run when the worker, Gmail or Postgres fails it."""

import os
import resource
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from service.gmail.client import BATCH_SIZE
from service.postgres.calls import Row, Session
from service.simulator import Mailbox, Simulator, generate, load
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account, WorkerProcess, start_held
from tests.worker.tables import differences

HAM = Path(__file__).parents[3] / "shared" / "mail" / "ham-2002.mbox.xz"
MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"


@pytest.fixture
def short_lease(db: psycopg.Connection[Row]) -> None:
    """Beats every 300 ms, a lease of 1.5 s."""
    db.execute(
        "update gmail_sync.settings set heartbeat_interval = '300 ms', heartbeat_timeout = '1.5 s'"
    )


def stored_ids(db: psycopg.Connection[Row]) -> set[str]:
    rows = db.execute("select message_id from gmail_sync.message").fetchall()
    return {row["message_id"] for row in rows}


def all_rows(db: psycopg.Connection[Row]) -> dict[str, list[Row]]:
    tables = ("message", "attachment", "label", "listing", "fetch_queue", "touched", "account")
    rows = {name: db.execute(f"select * from gmail_sync.{name}").fetchall() for name in tables}
    runs = "select * from gmail_sync.user_sync_status"
    return {
        name: sorted(found, key=str)
        for name, found in (rows | {"runs": db.execute(runs).fetchall()}).items()
    }


def test_the_heartbeat_moves_while_the_fetch_blocks(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    short_lease: None,
) -> None:
    """Old bug: the heartbeat shared loop and connection with the sync, and its fate."""
    mailbox.load(generate(5))
    task_id, hang = start_held(simulator, account, Fault("messages.get", "hang", count=1))
    before = account.run(task_id)

    wait_until(
        lambda: account.run(task_id)["updated_at"] > before["updated_at"] + timedelta(seconds=2)
    )

    during = account.run(task_id)
    assert during["is_syncing"]
    assert during["progressed_at"] == before["progressed_at"]
    hang.release()
    assert account.finish(task_id)["outcome"] == "succeeded"


def test_a_worker_that_beats_while_its_fetch_hangs_is_reaped_as_stalled(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(5))
    task_id, _ = start_held(simulator, account, Fault("messages.get", "hang", count=1))
    db.execute(
        "update gmail_sync.user_sync_status set claimed_at = now() - interval '1 h',"
        " progressed_at = now() - interval '31 min' where task_id = %s",
        [task_id],
    )

    (reaped,) = functions.rows("reap_zombie_syncs")

    assert (reaped["task_id"], reaped["cause"]) == (task_id, "stalled")
    # Its fetch is interrupted, so the successor finds a free slot and ends the work.
    assert account.finish(task_id)["outcome"] == "succeeded"


def test_cancel_ends_a_run_whose_fetch_blocks_at_once(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator, functions: Session
) -> None:
    mailbox.load(generate(5))
    task_id, _ = start_held(simulator, account, Fault("messages.get", "hang", count=1))

    assert functions.value("cancel_sync", task_id)

    assert account.run(task_id)["outcome"] == "cancelled"
    assert account.sync()["outcome"] == "succeeded"


@pytest.mark.gate
def test_kill_9_in_the_middle_loses_nothing_and_fetches_hardly_anything_twice(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: psycopg.Connection[Row],
    short_lease: None,
) -> None:
    """The mailbox equals one that was synced without a crash: another user's, of the same mail."""
    mails = list(load(HAM)) if HAM.exists() else list(generate(4150))
    mailbox.load(mails)
    first = start_worker()
    task_id = account.start()
    wait_until(lambda: account.run(task_id)["current_stats"]["new"] > 2000)
    first.signal(signal.SIGKILL)
    first.wait(60)
    left = account.run(task_id)
    assert left["is_syncing"]
    assert left["current_stats"]["pending"] > 100
    start_worker()

    account.reap(task_id)
    run = account.finish(task_id)

    assert (run["outcome"], run["task_id"] == task_id) == ("succeeded", False)
    assert run["current_stats"]["new"] == run["current_stats"]["found"] == len(mails)
    twice = simulator.requests.fetched_twice()
    print(f"fetched twice: {len(twice)} of {len(mails)}")
    assert len(twice) <= BATCH_SIZE
    assert account.sync_another("uncrashed")["outcome"] == "succeeded"
    assert differences(db, USER, "uncrashed") == []


def test_a_worker_stopped_past_its_lease_writes_not_one_row(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: psycopg.Connection[Row],
    short_lease: None,
    functions: Session,
) -> None:
    mailbox.load(generate(100))
    late = start_worker()
    task_id, hang = start_held(simulator, account, Fault("messages.get", "hang", count=1, after=30))
    late.signal(signal.SIGSTOP)
    start_worker()
    account.reap(task_id)
    assert account.finish(task_id)["outcome"] == "succeeded"
    before = all_rows(db)

    hang.release()
    late.signal(signal.SIGCONT)
    wait_until(lambda: "run dropped" in late.log.read_text())

    assert all_rows(db) == before
    assert stored_ids(db) == set(mailbox.message_ids())


def test_sigterm_hands_the_run_over_and_charges_no_attempt(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(100))
    draining = start_worker()
    task_id, _ = start_held(simulator, account, Fault("messages.get", "hang", count=1, after=30))

    draining.signal(signal.SIGTERM)
    # The fetch still hangs: it was interrupted.
    assert draining.wait(60) == 0

    ended = account.run(task_id)
    assert ended["outcome"] == "superseded"
    # Another slot may have claimed the first successor just before it saw the signal.
    successor = account.last_of_chain(task_id)
    assert (successor["phase"], successor["attempt"]) == ("queued", 1)
    tries = db.execute("select max(attempts) as most from gmail_sync.fetch_queue").fetchone()
    assert tries == {"most": 0}
    assert db.execute("select * from gmail_sync.worker").fetchall() == []
    start_worker()
    assert account.finish(task_id)["outcome"] == "succeeded"


def test_a_worker_that_has_drained_ends_without_further_work(
    start_worker: Callable[[], WorkerProcess],
) -> None:
    worker = start_worker()
    wait_until(lambda: "worker started" in worker.log.read_text())
    spent = processor_seconds(worker.pid)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    worker.signal(signal.SIGTERM)
    assert worker.wait(60) == 0

    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    # Garbage collection at the interpreter's end took 0.4 s and more.
    assert after - before - spent < 0.2


def processor_seconds(pid: int) -> float:
    """What a process has spent outside of the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


def test_a_broken_connection_to_postgres_is_survived(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(100))
    task_id, hang = start_held(simulator, account, Fault("messages.get", "hang", count=1, after=30))

    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name like 'gmail-sync %'"
    )
    hang.release()

    run = account.finish(task_id)
    assert (run["task_id"], run["outcome"]) == (task_id, "succeeded")
    assert stored_ids(db) == set(mailbox.message_ids())


def test_a_run_without_an_account_fails_in_words(
    mailbox: Mailbox, worker: Worker, functions: Session, account: Account
) -> None:
    task_id = functions.value("start_sync_idempotent", "nobody")

    run = account.finish(task_id)

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert "connect Gmail" in run["error_message"]


def test_a_poison_message_costs_itself_only(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    functions: Session,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(30)]
    poison = simulator.faults.add(
        Fault("messages.get", "error", status=400, reason="invalidArgument", message_id=ids[7])
    )

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert (run["current_stats"]["new"], run["current_stats"]["failed"]) == (29, 1)
    (dead,) = db.execute(
        "select message_id, dead, error_code from gmail_sync.fetch_queue"
    ).fetchall()
    assert (dead["message_id"], dead["dead"]) == (ids[7], True)
    assert dead["error_code"] == "bad_request"

    simulator.faults.remove(poison.number)
    assert functions.value("retry_failed_messages", USER) == 1
    wait_until(lambda: len(stored_ids(db)) == 30)


def test_gmail_out_of_order_for_a_moment_is_waited_out(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
) -> None:
    mailbox.load(generate(30))
    simulator.faults.add(Fault("*", "error", status=503, count=2, after=3))

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert run["current_stats"]["new"] == 30


@pytest.mark.gate
def test_the_service_reaps_when_pg_cron_does_not(
    account: Account, worker: Worker, db: psycopg.Connection[Row], mailbox: Mailbox
) -> None:
    db.execute("update gmail_sync.reaper_beat set beat_at = now() - interval '1 min'")
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " values ('zombie', %s, now() - interval '5 min')",
        [USER],
    )

    wait_until(lambda: account.run("zombie")["outcome"] == "reaped")

    beats = db.execute("select reaper from gmail_sync.reaper_beat").fetchall()
    assert {"reaper": "service"} in beats
    assert account.finish("zombie")["outcome"] == "succeeded"


def test_a_run_is_picked_up_within_100_ms(
    mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    account.sync()
    waits = []
    for _ in range(20):
        run = account.sync()
        waits.append((run["claimed_at"] - run["started_at"]).total_seconds())

    assert sorted(waits)[10] < 0.1


def test_a_drain_after_the_listing_was_closed_lists_nothing_again(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
) -> None:
    mailbox.load(generate(60))
    hang = simulator.faults.add(Fault("history.list", "hang", count=1))
    draining = start_worker()
    task_id = account.start()
    assert hang.wait_arrived(60)
    draining.signal(signal.SIGTERM)
    assert draining.wait(60) == 0
    start_worker()

    run = account.finish(task_id)

    assert run["current_stats"]["new"] == run["current_stats"]["found"] == 60
    assert simulator.requests.fetched_twice() == {}
    assert simulator.requests.methods["messages.list"] == 1


def test_messages_that_gmail_cannot_give_while_it_answers_are_no_success(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(200))
    simulator.faults.add(Fault("batch", "error", status=503))
    task_id = account.start()

    ended = wait_until(lambda: (run := account.run(task_id))["outcome"] and run)

    assert ended["outcome"] == "superseded"
