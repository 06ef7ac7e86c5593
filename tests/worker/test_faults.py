"""What becomes of a run when the worker, Gmail or Postgres fails it."""

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from service.database import Row, Session
from service.simulator import Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account, WorkerProcess

MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"


@pytest.fixture
def short_lease(db: psycopg.Connection[Row]) -> None:
    """Beats every 300 ms, a lease of 1.5 s."""
    db.execute(
        "update gmail_sync.settings set heartbeat_interval = '300 ms', heartbeat_timeout = '1.5 s'"
    )


def contents(db: psycopg.Connection[Row]) -> list[Row]:
    """Everything a sync writes, but for what may differ between two equal mailboxes."""
    return db.execute(
        "select message_id, thread_id, internal_date, label_ids, headers, body_text, body_html,"
        " raw, deleted_at from gmail_sync.message order by message_id"
    ).fetchall()


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
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1))
    task_id = account.start()
    assert hang.wait_arrived(20)
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
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1))
    task_id = account.start()
    assert hang.wait_arrived(20)
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
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1))
    task_id = account.start()
    assert hang.wait_arrived(20)

    assert functions.value("cancel_sync", task_id)

    assert account.run(task_id)["outcome"] == "cancelled"
    assert account.sync()["outcome"] == "succeeded"


def test_kill_9_in_the_middle_loses_nothing_and_fetches_hardly_anything_twice(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: psycopg.Connection[Row],
    short_lease: None,
    functions: Session,
) -> None:
    mailbox.load(generate(600))
    first = start_worker()
    task_id = account.start()
    wait_until(lambda: account.run(task_id)["current_stats"]["new"] > 150)
    first.signal(signal.SIGKILL)
    first.wait(10)
    left = account.run(task_id)
    assert left["is_syncing"]
    start_worker()

    wait_until(lambda: functions.rows("reap_zombie_syncs"), 10)
    run = account.finish(task_id)

    assert run["outcome"] == "succeeded"
    assert run["task_id"] != task_id
    assert run["current_stats"]["new"] == run["current_stats"]["found"] == 600
    crashed = contents(db)
    assert {row["message_id"] for row in crashed} == set(mailbox.message_ids())
    assert len(simulator.requests.fetched_twice()) <= 25


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
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1, after=30))
    late = start_worker()
    task_id = account.start()
    assert hang.wait_arrived(20)
    late.signal(signal.SIGSTOP)
    start_worker()
    wait_until(lambda: functions.rows("reap_zombie_syncs"), 10)
    assert account.finish(task_id)["outcome"] == "succeeded"
    before = all_rows(db)

    hang.release()
    late.signal(signal.SIGCONT)
    wait_until(lambda: "run dropped" in late.log.read_text(), 20)

    assert all_rows(db) == before
    assert {row["message_id"] for row in contents(db)} == set(mailbox.message_ids())


def test_sigterm_hands_the_run_over_and_charges_no_attempt(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(100))
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1, after=30))
    draining = start_worker()
    task_id = account.start()
    assert hang.wait_arrived(20)

    started_at = time.monotonic()
    draining.signal(signal.SIGTERM)
    assert draining.wait(10) == 0
    seconds = time.monotonic() - started_at

    assert seconds < 10
    ended = account.run(task_id)
    assert ended["outcome"] == "superseded"
    successor = account.run(ended["successor"])
    assert (successor["phase"], successor["attempt"]) == ("queued", 1)
    tries = db.execute("select max(attempts) as most from gmail_sync.fetch_queue").fetchone()
    assert tries == {"most": 0}
    assert db.execute("select * from gmail_sync.worker").fetchall() == []
    start_worker()
    assert account.finish(task_id)["outcome"] == "succeeded"


def test_a_broken_connection_to_postgres_is_survived(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(100))
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1, after=30))
    task_id = account.start()
    assert hang.wait_arrived(20)

    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name like 'gmail-sync %'"
    )
    hang.release()

    run = account.finish(task_id)
    assert (run["task_id"], run["outcome"]) == (task_id, "succeeded")
    assert {row["message_id"] for row in contents(db)} == set(mailbox.message_ids())


def test_a_refused_token_ends_in_words_and_in_the_account_with_no_successor(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    account.connect(token="revoked")

    run = account.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert "connect" in run["error_message"]
    status = db.execute("select status, status_reason from gmail_sync.account").fetchone()
    assert status == {"status": "reauth_required", "status_reason": run["error_message"]}
    account.connect()
    assert account.sync()["outcome"] == "succeeded"


def test_a_run_without_an_account_fails_in_words(
    mailbox: Mailbox, worker: Worker, functions: Session, account: Account
) -> None:
    task_id = functions.value("start_sync_idempotent", "nobody")

    run = account.finish(task_id)

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert "connect Gmail" in run["error_message"]


def test_a_wait_that_google_asks_for_is_shown_and_a_long_one_holds_no_worker(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(30))
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    simulator.faults.add(
        Fault(
            "messages.get",
            "error",
            status=429,
            reason="rateLimitExceeded",
            count=1,
            message=f"User-rate limit exceeded.  Retry after {until:%Y-%m-%dT%H:%M:%S.000Z}",
        )
    )
    task_id = account.start()

    ended = wait_until(lambda: (run := account.run(task_id))["outcome"] and run)

    assert ended["outcome"] == "superseded"
    successor = account.run(ended["successor"])
    assert successor["is_syncing"]
    assert successor["not_before"] == successor["waiting_until"] == until
    assert successor["attempt"] == 1
    # A click does not overrule Google.
    assert account.start() == successor["task_id"]
    assert account.run(successor["task_id"])["not_before"] == until


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
        "select message_id, dead, last_error from gmail_sync.fetch_queue"
    ).fetchall()
    assert (dead["message_id"], dead["dead"]) == (ids[7], True)
    assert "bad_request" in dead["last_error"]

    simulator.faults.remove(poison.number)
    assert functions.value("retry_failed_messages", USER) == 1
    wait_until(lambda: len(contents(db)) == 30)


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


def test_an_aged_page_token_starts_the_listing_again_and_fetches_nothing_twice(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(1200))
    simulator.faults.add(Fault("messages.list", "invalid_page_token", after=1, count=1))

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert run["current_stats"]["new"] == 1200
    assert simulator.requests.fetched_twice() == {}


def test_the_service_reaps_when_pg_cron_does_not(
    account: Account, worker: Worker, db: psycopg.Connection[Row], mailbox: Mailbox
) -> None:
    db.execute("update gmail_sync.reaper_beat set beat_at = now() - interval '1 min'")
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " values ('zombie', %s, now() - interval '5 min')",
        [USER],
    )

    wait_until(lambda: account.run("zombie")["outcome"] == "reaped", 20)

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
