"""Gmail pushes, the service hears it, a worker syncs: nobody clicks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests

from service import logs
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Row, Session
from service.simulator import Fault, Mailbox, Publisher, Simulator, Subscription
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import EMAIL, USER, Account

TOPIC = "projects/my-project/topics/gmail"
SERVICE_ACCOUNT = "push@my-project.iam.gserviceaccount.com"
MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"
PROMISED_SECONDS = 2.0

Db = psycopg.Connection[Row]


@pytest.fixture
def worker(service_url: str, simulator: Simulator, keys: str) -> Iterator[Worker]:
    """A worker that has Gmail push."""
    google = Google(
        GmailApi(simulator.url),
        f"{simulator.url}/token",
        None,
        None,
        CredentialCipher([keys]),
        topic=TOPIC,
    )
    worker = Worker(service_url, google, 2, logs.configure("warning"))
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def serve(service_url: str, simulator: Simulator, keys: str, tmp_path: Path) -> Iterator[Publisher]:
    """`gmail-sync serve` with its worker, as a process, to which the simulator pushes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "DATABASE_URL": service_url,
        "PORT": str(port),
        "GMAIL_SYNC_JWT_SECRET": "s" * 32,
        "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
        "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
        "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
        "GMAIL_SYNC_PUBSUB_TOPIC": TOPIC,
        "GMAIL_SYNC_PUSH_AUDIENCE": f"{url}/api/gmail/push",
        "GMAIL_SYNC_PUSH_SERVICE_ACCOUNT": SERVICE_ACCOUNT,
    }
    with (tmp_path / "serve.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: answers(f"{url}/readyz"))
        yield simulator.push_to(
            Subscription(f"{url}/api/gmail/push", f"{url}/api/gmail/push", SERVICE_ACCOUNT)
        )
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).ok
    except requests.RequestException:
        return False


def ready(publisher: Publisher) -> None:
    """Gmail publishes no more than one change a second: wait until it will the next one."""
    wait_until(lambda: publisher.is_ready(EMAIL))


def has_mail(db: Db, message_id: str) -> bool:
    found = db.execute("select from gmail_sync.message where message_id = %s", [message_id])
    return found.fetchone() is not None


def is_idle(db: Db) -> bool:
    running = db.execute("select from gmail_sync.user_sync_status where is_syncing")
    return running.fetchone() is None


def account_row(db: Db) -> Row:
    row = db.execute("select * from gmail_sync.account where user_id = %s", [USER]).fetchone()
    assert row is not None
    return row


def age_watch(db: Db, interval: str) -> None:
    db.execute(
        "update gmail_sync.account set watched_at = now() - %(ago)s::interval,"
        " connected_at = now() - %(ago)s::interval - interval '1 hour'",
        {"ago": interval},
    )


@pytest.mark.serial
def test_mail_is_in_postgres_within_two_seconds_and_nobody_clicks(
    mailbox: Mailbox, account: Account, serve: Publisher, db: Db
) -> None:
    account.sync()
    clicks = len(
        db.execute("select from gmail_sync.user_sync_status where source = 'sql'").fetchall()
    )
    took = []
    for number in range(3):
        ready(serve)
        wait_until(lambda: is_idle(db))
        began = time.monotonic()
        message_id = mailbox.insert(MAIL % b"mail %d" % number)
        wait_until(lambda message_id=message_id: has_mail(db, message_id))
        took.append(time.monotonic() - began)
    print(f"from Gmail to Postgres by push, seconds: {[round(each, 3) for each in took]}")
    assert max(took) < PROMISED_SECONDS
    assert set(serve.answers) == {204}
    runs = db.execute("select source from gmail_sync.user_sync_status").fetchall()
    assert [run["source"] for run in runs].count("sql") == clicks


def test_mail_that_comes_while_a_run_goes_on_is_taken_by_exactly_one_more(
    mailbox: Mailbox, account: Account, serve: Publisher, db: Db, simulator: Simulator
) -> None:
    account.sync()
    ready(serve)
    wait_until(lambda: is_idle(db))
    before = len(db.execute("select from gmail_sync.user_sync_status").fetchall())
    # The run has read the history, without the late mail, and is not over yet.
    hang = simulator.faults.add(Fault("messages.get", "hang", count=1))
    mailbox.insert(MAIL % b"early")
    assert hang.wait_arrived(60)
    ready(serve)
    late = mailbox.insert(MAIL % b"late")
    wait_until(
        lambda: (
            db.execute(
                "select from gmail_sync.user_sync_status where is_syncing and follow_up is not null"
            ).fetchone()
            is not None
        )
    )
    hang.release()
    wait_until(lambda: has_mail(db, late))
    wait_until(lambda: is_idle(db))
    runs = db.execute("select from gmail_sync.user_sync_status").fetchall()
    assert len(runs) == before + 2


def test_duplicate_reordered_and_lost_pushes_lose_no_mail(
    mailbox: Mailbox, account: Account, serve: Publisher, db: Db, simulator: Simulator
) -> None:
    account.sync()
    sent = []
    for action in ("duplicate", "reorder", "drop", None):
        fault = action and simulator.faults.add(Fault("push", action, count=1))  # type: ignore[arg-type]
        ready(serve)
        sent.append(mailbox.insert(MAIL % str(action).encode()))
        if fault:
            assert fault.wait_arrived(0)
    # What was held back or lost is found by the run of whatever push comes next.
    wait_until(lambda: all(has_mail(db, message_id) for message_id in sent))
    wait_until(lambda: is_idle(db))
    assert simulator.requests.fetched_twice() == {}


def test_the_first_run_has_gmail_push(
    mailbox: Mailbox, account: Account, worker: Worker, db: Db, simulator: Simulator
) -> None:
    account.sync()
    account.sync()
    assert simulator.requests.methods["watch"] == 1
    row = account_row(db)
    assert row["watched_at"] is not None
    days = (row["watch_expires_at"] - row["watched_at"]).total_seconds() / 86_400
    assert days == pytest.approx(7, abs=0.01)


def test_without_a_topic_nothing_is_watched(
    mailbox: Mailbox, account: Account, service_url: str, keys: str, simulator: Simulator
) -> None:
    google = Google(
        GmailApi(simulator.url), f"{simulator.url}/token", None, None, CredentialCipher([keys])
    )
    worker = Worker(service_url, google, 1, logs.configure("warning"))
    worker.start()
    account.sync()
    worker.stop()
    assert simulator.requests.methods["watch"] == 0


@pytest.mark.parametrize(("ago", "watches"), [("23 hours", 0), ("25 hours", 1)])
def test_a_watch_is_renewed_when_a_day_has_passed(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: Db,
    simulator: Simulator,
    ago: str,
    watches: int,
) -> None:
    account.sync()
    age_watch(db, ago)
    simulator.requests.reset()
    account.sync()
    assert simulator.requests.methods["watch"] == watches


def test_an_account_that_is_connected_again_is_watched_again(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    account.sync()
    account.connect()
    account.sync()
    assert simulator.requests.methods["watch"] == 2


def test_the_schedule_renews_the_watch_of_an_idle_account(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: Db,
    functions: Session,
    simulator: Simulator,
) -> None:
    task_id = account.sync()["task_id"]
    assert functions.rows("enqueue_due_syncs") == []
    age_watch(db, "25 hours")
    db.execute(
        "alter table gmail_sync.user_sync_status disable trigger user;"
        "update gmail_sync.user_sync_status set started_at = now() - interval '25 hours';"
        "alter table gmail_sync.user_sync_status enable trigger user"
    )
    (started,) = functions.rows("enqueue_due_syncs")
    assert started["enqueue_due_syncs"] != task_id
    account.finish(started["enqueue_due_syncs"])
    assert simulator.requests.methods["watch"] == 2
    assert functions.rows("enqueue_due_syncs") == []


def test_another_topic_is_stopped_first(
    mailbox: Mailbox, account: Account, worker: Worker, db: Db, simulator: Simulator
) -> None:
    mailbox.watch("projects/other/topics/other")
    assert account.sync()["outcome"] == "succeeded"
    assert simulator.requests.methods["stop"] == 1
    assert simulator.requests.statuses["watch 200"] == 1
    assert account_row(db)["watch_expires_at"] is not None


@pytest.mark.parametrize(
    "fault",
    [
        Fault("watch", "error", status=403, reason="forbidden", message="User not authorized."),
        Fault("watch", "error", status=404, message="Resource not found (resource=gmail)."),
        Fault("watch", "error", status=400, message="Invalid topicName"),
        Fault("watch", "error", status=429),
        Fault("watch", "error", status=500),
        Fault("watch", "html", status=502),
        Fault("watch", "drop"),
    ],
    ids=lambda fault: f"{fault.action} {fault.status}",
)
def test_a_refused_watch_fails_no_sync_and_is_asked_for_again(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: Db,
    simulator: Simulator,
    fault: Fault,
) -> None:
    message_id = mailbox.insert(MAIL % b"mail")
    simulator.faults.add(fault)
    assert account.sync()["outcome"] == "succeeded"
    assert has_mail(db, message_id)
    assert account_row(db)["watch_expires_at"] is None
    simulator.faults.clear()
    assert account.sync()["outcome"] == "succeeded"
    assert account_row(db)["watch_expires_at"] is not None


def test_a_refused_watch_is_asked_for_again_though_nobody_clicks(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: Db,
    simulator: Simulator,
    functions: Session,
) -> None:
    simulator.faults.add(Fault("watch", "error", status=500, count=1))
    assert account.sync()["outcome"] == "succeeded"
    assert functions.rows("enqueue_due_syncs") == []
    db.execute("update gmail_sync.account set watched_at = watched_at - interval '25 hours'")
    db.execute(
        "delete from gmail_sync.user_sync_status where not is_syncing;"
        "update gmail_sync.account set sync_interval = null"
    )

    (task_id,) = [row["enqueue_due_syncs"] for row in functions.rows("enqueue_due_syncs")]

    assert account.finish(task_id)["outcome"] == "succeeded"
    assert account_row(db)["watch_expires_at"] is not None


def test_a_dead_grant_found_by_the_watch_is_an_account_state(
    mailbox: Mailbox, account: Account, worker: Worker, db: Db, simulator: Simulator
) -> None:
    simulator.faults.add(
        Fault("watch", "error", status=403, reason="insufficientPermissions", count=1)
    )
    assert account.sync()["outcome"] == "failed"
    assert account_row(db)["status"] == "reauth_required"


def test_watching_is_charged(mailbox: Mailbox, account: Account, worker: Worker, db: Db) -> None:
    db.execute("update gmail_sync.account set quota_profile = 'google-standard'")
    mailbox.watch("projects/other/topics/other")
    account.sync()
    units = db.execute("select array_agg(units) as units from gmail_sync.quota_charge").fetchone()
    assert units is not None
    assert sorted(units["units"], reverse=True)[:3] == [100, 100, 50]
