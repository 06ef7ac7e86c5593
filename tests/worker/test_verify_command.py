"""gmail-sync verify as a shell sees it: output, exit status, and what it does without a worker."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from service.cli.context import actor
from service.postgres.calls import Row, Session
from service.simulator import Mailbox, Simulator
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import EMAIL, USER, Account

MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"
COMMAND = [sys.executable, "-m", "service.cli", "verify"]
Db = psycopg.Connection[Row]
Verify = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(service_url: str, simulator: Simulator, keys: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": service_url,
        "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
        "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
        "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
    }


@pytest.fixture
def verify(environment: dict[str, str]) -> Verify:
    def run(*options: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, USER, *options],
            env=environment | changed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def answer(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object a command printed."""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def ids(mailbox: Mailbox, account: Account, worker: Worker) -> list[str]:
    """A synced mailbox of 30 messages."""
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(30)]
    account.sync()
    return ids


def lose(db: Db, message_ids: list[str]) -> None:
    db.execute("delete from gmail_sync.message where message_id = any (%s)", [message_ids])
    db.execute("select gmail_sync._recount_mail(%s)", [USER])


def test_without_drift_the_status_is_0(ids: list[str], verify: Verify, functions: Session) -> None:
    result = verify()

    (event,) = functions.rows("list_audit_events", USER, 1)
    assert (event["act"], event["actor"]) == ("operator_read", actor())
    assert event["detail"] == {"view": "verify"}
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{EMAIL}: 30 messages in Gmail, 30 stored." in result.stdout
    assert "0 missing" in result.stdout
    assert "It took 3 requests and 0 units of quota." in result.stdout


def test_drift_is_listed_with_the_first_ids_and_the_status_is_1(
    ids: list[str], verify: Verify, db: Db
) -> None:
    lose(db, ids[:25])

    result = verify()

    assert (result.returncode, result.stderr) == (1, "")
    assert "25 missing" in result.stdout
    assert f"missing: {' '.join(sorted(ids[:25])[:20])} and 5 more" in result.stdout
    assert "--repair" in result.stdout


def test_json_is_one_object_with_all_ids(
    ids: list[str], mailbox: Mailbox, verify: Verify, functions: Session, db: Db
) -> None:
    functions.value("connect_account", USER, EMAIL, encrypted(functions), "google-standard", None)
    lose(db, ids[:25])
    late = mailbox.insert(MAIL % b"late", ["INBOX"])

    result = verify("--json")

    assert (result.returncode, result.stderr) == (1, "")
    # The history is read once more when something differs.
    assert answer(result) == {
        "user_id": USER,
        "email": EMAIL,
        "remote": 31,
        "local": 5,
        "missing": sorted(ids[:25]),
        "extra": [],
        "failed": [],
        "queued": [],
        "coming": [late],
        "full_sync_due": False,
        "requests": 4,
        "units": 1 + 5 + 2 + 2,
        "refetch": None,
    }


def encrypted(functions: Session) -> bytes:
    row = functions.row("get_account_credentials", USER)
    assert row is not None
    credentials: bytes = row["credentials"]
    return credentials


def test_repair_waits_for_its_run_and_the_status_is_0(
    ids: list[str], verify: Verify, db: Db, mailbox: Mailbox
) -> None:
    lose(db, ids[:25])

    result = verify("--repair")

    assert (result.returncode, result.stderr) == (0, "")
    assert "Refetch: 25 messages queued." in result.stdout
    assert "Up to date: 25 new." in result.stdout
    assert verify().returncode == 0


def test_repair_without_drift_starts_nothing(
    ids: list[str], verify: Verify, account: Account
) -> None:
    before = account.last_run()["task_id"]

    result = verify("--repair", "--json")

    assert (result.returncode, answer(result)["refetch"]) == (0, None)
    assert account.last_run()["task_id"] == before


def test_what_could_not_be_refetched_is_listed_with_its_reason(
    ids: list[str], verify: Verify, db: Db, simulator: Simulator
) -> None:
    lose(db, ids[:2])
    simulator.faults.add(
        Fault("messages.get", "error", status=400, reason="invalidArgument", message_id=ids[0])
    )

    result = verify("--repair")
    assert (result.returncode, result.stderr) == (1, "")
    assert "Up to date: 1 new, 1 failed." in result.stdout
    assert f"{ids[0]}: Gmail rejected the request" in result.stdout
    assert "(not retried)" in result.stdout

    result = verify("--repair", "--json")
    refetch = answer(result)["refetch"]
    assert (result.returncode, refetch["queued"], refetch["succeeded"]) == (1, 1, False)
    assert [row["error_code"] for row in refetch["left"]] == ["bad_request"]
    assert refetch["run"]["outcome"] == "succeeded"


def test_without_a_worker_the_messages_stay_queued(
    ids: list[str], verify: Verify, db: Db, worker: Worker, functions: Session
) -> None:
    worker.stop()
    lose(db, ids[:1])

    result = verify("--repair")

    assert result.returncode == 1
    assert "No worker is running" in result.stdout
    assert functions.rows("sync_status", USER)[0]["phase"] == "queued"


def test_no_wait_leaves_the_run_to_the_workers(
    ids: list[str], verify: Verify, db: Db, account: Account
) -> None:
    lose(db, ids[:1])

    result = verify("--repair", "--no-wait", "--json")

    assert result.returncode == 1
    refetch = answer(result)["refetch"]
    assert (refetch["queued"], refetch["run"], refetch["succeeded"]) == (1, None, False)
    account.finish(account.last_run()["task_id"])
    assert verify().returncode == 0


def test_it_reports_that_a_full_sync_is_due(
    ids: list[str], verify: Verify, mailbox: Mailbox
) -> None:
    mailbox.expire_history()

    result = verify()

    assert result.returncode == 0
    assert "a full sync is due" in result.stdout


def not_verified(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_what_cannot_be_verified_is_explained_and_the_status_is_2(
    mailbox: Mailbox,
    account: Account,
    verify: Verify,
    functions: Session,
    environment: dict[str, str],
) -> None:
    not_verified(verify(), "no full sync")
    not_verified(verify(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"), "does not answer")
    not_verified(verify(DATABASE_URL=""), "DATABASE_URL is not set")
    not_verified(verify(GMAIL_SYNC_CREDENTIALS_KEYS=""), "openssl rand")
    not_verified(verify(GMAIL_SYNC_CREDENTIALS_KEYS="A" * 43 + "="), "add the key that encrypted")
    result = subprocess.run(
        [*COMMAND, "nobody"], env=environment, capture_output=True, text=True, timeout=60
    )
    not_verified(result, "user nobody has no connected Gmail account")


def test_a_revoked_grant_is_explained_and_the_status_is_2(
    ids: list[str], verify: Verify, simulator: Simulator, functions: Session
) -> None:
    simulator.faults.add(Fault("*", "error", status=401, reason="authError"))

    not_verified(verify("--json"), "connect the Gmail account again")
    # From now on Gmail is not even called.
    simulator.requests.reset()
    not_verified(verify(), "connect the Gmail account again")
    assert not simulator.requests.methods


def test_a_wait_for_quota_is_shown(ids: list[str], verify: Verify, db: Db) -> None:
    db.execute("update gmail_sync.quota_profile set window_length = '1 s', user_units = 5")
    db.execute("update gmail_sync.account set quota_profile = 'google-standard'")

    result = verify()

    assert result.returncode == 0
    assert "Waiting until" in result.stderr
    assert "quota for this minute" in result.stderr


def test_a_terminal_shows_the_progress_and_ctrl_c_ends_it(
    ids: list[str], environment: dict[str, str], simulator: Simulator
) -> None:
    hang = simulator.faults.add(Fault("history.list", "hang"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, USER], env=environment | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    assert hang.wait_arrived(60)
    shown = b""

    def has_shown() -> bool:
        nonlocal shown
        shown += os.read(ours, 65536)
        return b"30 of about 30 messages" in shown

    wait_until(has_shown)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 2
    hang.release()
    os.close(ours)
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
