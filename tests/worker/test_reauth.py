"""A grant that died: a state of the account, in words; nothing is asked, and nothing is lost."""

from collections import Counter

import psycopg
import pytest

from service.google.cipher import CredentialCipher
from service.postgres.calls import Row, Session
from service.simulator import Fault, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, REFRESH_TOKEN, USER, Account, start_held

Database = psycopg.Connection[Row]
CLIENT = {"client_id": "client", "client_secret": "secret"}
MESSAGES = 120


@pytest.fixture
def account(functions: Session, keys: str) -> Account:
    """Connected with a grant, as the consent page leaves it."""
    connect(functions, keys)
    return Account(functions, CredentialCipher([keys]))


def connect(
    functions: Session, keys: str, token: str = ACCESS_TOKEN, refresh_token: str = REFRESH_TOKEN
) -> None:
    stored = {"token": token, "refresh_token": refresh_token, **CLIENT}
    functions.value(
        "connect_account", USER, EMAIL, CredentialCipher([keys]).encrypt(stored), "unlimited"
    )


def reconnect(functions: Session, simulator: Simulator, keys: str) -> None:
    """Consent was given again."""
    tokens = simulator.tokens
    connect(functions, keys, tokens.allow(EMAIL), tokens.allow_refresh(EMAIL))


def state(db: Database) -> Row:
    row = db.execute(
        "select status, status_reason, history_id, listing_history_id, listing_page_token,"
        " listing_complete from gmail_sync.account"
    ).fetchone()
    assert row is not None
    return row


def queue(db: Database) -> Counter[tuple[int, str | None, bool]]:
    """How many messages are queued, by attempts, run, and whether they were given up."""
    rows = db.execute(
        "select q.attempts, b.task_id, q.dead from gmail_sync.fetch_queue q"
        " left join gmail_sync.fetch_batch b"
        " on b.user_id = q.user_id and q.message_id = any (b.message_ids)"
    ).fetchall()
    return Counter((row["attempts"], row["task_id"], row["dead"]) for row in rows)


def count(db: Database) -> int:
    row = db.execute("select count(*) as n from gmail_sync.message").fetchone()
    assert row is not None
    number: int = row["n"]
    return number


def test_not_one_fetch_more_is_sent_on_a_dead_grant(
    simulator: Simulator, mailbox: Mailbox, account: Account, worker: Worker, db: Database
) -> None:
    mailbox.load(generate(MESSAGES))
    task_id, held = start_held(simulator, account, Fault("batch", "hang", after=2, count=2))
    simulator.tokens.revoke(EMAIL)
    before = Counter(simulator.requests.methods)
    held.release()

    run = account.finish(task_id)

    assert (run["outcome"], run["successor"]) == ("failed", None)
    # What was on its way, and one question for a new token. Nothing else.
    after = Counter(simulator.requests.methods) - before
    assert after == {"batch": 2, "messages.get": 24, "token": 1}
    assert state(db)["status"] == "reauth_required"
    assert "connect the Gmail account again" in state(db)["status_reason"]
    assert state(db)["status_reason"] == run["error_message"]
    # No message is to blame: all that were not stored wait as if never tried.
    assert queue(db) == {(0, None, False): MESSAGES - count(db)}


def test_after_reconnecting_the_sync_goes_on_with_nothing_fetched_twice(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    keys: str,
    db: Database,
) -> None:
    mailbox.load(generate(MESSAGES))
    task_id, held = start_held(simulator, account, Fault("batch", "hang", after=2, count=2))
    simulator.tokens.revoke(EMAIL)
    held.release()
    account.finish(task_id)
    stored, listing = count(db), state(db)["listing_history_id"]
    assert 0 < stored < MESSAGES
    db.execute("update gmail_sync.settings set retry_delay = '1 ms', max_retry_delay = '1 ms'")

    # Its messages are due, but schedules and pushes pass it over.
    assert functions.rows("enqueue_due_syncs") == []
    assert functions.rows("receive_push", EMAIL, 10**12) == []
    reconnect(functions, simulator, keys)
    assert state(db)["listing_history_id"] == listing
    listed = simulator.requests.methods["messages.list"]
    (task,) = functions.rows("enqueue_due_syncs")
    run = account.finish(task["enqueue_due_syncs"])

    assert run["outcome"] == "succeeded"
    assert count(db) == MESSAGES
    assert simulator.requests.fetched_twice() == {}
    assert simulator.requests.methods["messages.list"] == listed


def test_what_is_on_its_way_when_another_batch_is_refused_is_kept(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    keys: str,
    db: Database,
) -> None:
    mailbox.load(generate(MESSAGES))
    connect(functions, keys, refresh_token="dead")
    refused = mailbox.message_ids()[0]
    simulator.faults.add(Fault("messages.get", "error", status=401, message_id=refused, count=1))
    # Both are sent before either is answered.
    simulator.faults.add(Fault("batch", "latency", seconds=0.5))

    run = account.sync()

    assert run["outcome"] == "failed"
    assert state(db)["status"] == "reauth_required"
    # The rest of the batch that was refused and the whole of the other; of one more, where the
    # refused one was the slower.
    assert count(db) in (23, 35)
    simulator.faults.clear()
    reconnect(functions, simulator, keys)
    assert account.sync()["outcome"] == "succeeded"
    assert count(db) == MESSAGES
    assert simulator.requests.fetched_twice() == {}


def test_a_token_that_ran_out_is_renewed_once_for_all_threads(
    simulator: Simulator, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    """The first that an incremental sync sends are two requests at once."""
    mailbox.load(generate(10))
    assert account.sync()["outcome"] == "succeeded"
    simulator.tokens.expire(ACCESS_TOKEN)
    simulator.faults.add(Fault("token", "latency", seconds=1))

    assert account.sync()["outcome"] == "succeeded"

    assert simulator.requests.methods["token"] == 1


def test_an_incremental_sync_goes_on_from_its_cursor(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    keys: str,
    db: Database,
) -> None:
    mailbox.load(generate(10))
    assert account.sync()["outcome"] == "succeeded"
    before = state(db)
    simulator.tokens.revoke(EMAIL)
    for _ in range(5):
        mailbox.insert(b"Subject: new\r\n\r\n", ["INBOX"])

    assert account.sync()["outcome"] == "failed"
    assert state(db)["history_id"] == before["history_id"]
    reconnect(functions, simulator, keys)
    run = account.sync()

    assert (run["outcome"], run["sync_type"]) == ("succeeded", "incremental")
    assert run["current_stats"]["new"] == 5
    assert simulator.requests.fetched_twice() == {}


def test_a_grant_that_is_dead_from_the_start_is_asked_for_once(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    keys: str,
    db: Database,
) -> None:
    simulator.tokens.revoke(EMAIL)
    connect(functions, keys, token="")

    assert account.sync()["outcome"] == "failed"

    assert simulator.requests.methods == {"token": 1}
    assert state(db)["status"] == "reauth_required"


def test_runs_that_are_started_all_the_same_ask_google_nothing(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    db: Database,
) -> None:
    simulator.tokens.revoke(EMAIL)
    first = account.sync()
    asked = dict(simulator.requests.methods)

    for force_full in (False, True):
        run = account.sync(force_full)
        assert (run["outcome"], run["successor"]) == ("failed", None)
        assert run["error_message"] == first["error_message"]
    assert simulator.requests.methods == asked
    acts = [row["act"] for row in functions.rows("list_audit_events", USER)]
    assert acts.count("reauth_required") == 1


def test_rights_that_are_too_few_need_a_new_consent_too(
    simulator: Simulator, mailbox: Mailbox, account: Account, worker: Worker, db: Database
) -> None:
    simulator.faults.add(
        Fault("labels.list", "error", status=403, reason="insufficientPermissions")
    )

    assert account.sync()["outcome"] == "failed"

    assert state(db)["status"] == "reauth_required"


def test_a_token_endpoint_that_fails_for_a_moment_ends_no_grant(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    keys: str,
    db: Database,
) -> None:
    mailbox.load(generate(5))
    connect(functions, keys, token="")
    simulator.faults.add(Fault("token", "html", status=503, count=1))

    assert account.sync()["outcome"] == "succeeded"

    assert state(db)["status"] == "connected"
    assert count(db) == 5
