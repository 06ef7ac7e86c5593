"""When Google no longer takes the sign-in, or keeps us away: the account's state, not the run's."""

import psycopg
import pytest

from service.gmail.client import BATCH_SIZE
from service.google.cipher import CredentialCipher
from service.postgres.calls import Row, Session
from service.simulator import Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.worker import answers
from tests.worker.answers import Answer, each
from tests.worker.conftest import EMAIL, REFRESH_TOKEN, USER, Account
from tests.worker.tables import account_row, queue

MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"


@pytest.fixture
def refresh_only(functions: Session, account: Account, keys: str) -> Account:
    """The account, for which a token has to be fetched first."""
    sealed = CredentialCipher([keys]).encrypt(
        {"refresh_token": REFRESH_TOKEN, "client_id": "id", "client_secret": "secret"}
    )
    functions.value("connect_account", USER, EMAIL, sealed, "unlimited", "full")
    return account


@pytest.fixture
def half_synced(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> Account:
    """An account that has a cursor, mail, one message left in its queue, and news to come."""
    ids = [mailbox.insert(MAIL % str(number).encode()) for number in range(5)]
    poison = Fault("messages.get", "error", status=400, message_id=ids[2])
    armed = simulator.faults.add(poison)
    assert account.sync()["current_stats"]["failed"] == 1
    simulator.faults.remove(armed.number)
    mailbox.insert(MAIL % b"news")
    return account


def assert_stopped(
    account: Account, simulator: Simulator, db: psycopg.Connection[Row], status: str, answer: Answer
) -> None:
    """A sync fails in words, leaves no successor, and keeps cursor and queue."""
    before = account_row(db)["history_id"], queue(db)
    assert before[1]
    simulator.requests.reset()

    run = account.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert run["error_message"].startswith(answer.kind.advice)
    after = account_row(db)
    assert (after["status"], after["status_reason"]) == (status, run["error_message"])
    assert (after["history_id"], queue(db)) == before
    assert sum(simulator.requests.methods.values()) <= 2


def assert_asks_no_more(account: Account, simulator: Simulator) -> None:
    simulator.requests.reset()
    run = account.sync()
    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert dict(simulator.requests.methods) == {}


@each(answers.REAUTH)
def test_a_refused_sign_in_ends_in_the_account_and_nothing_more_is_asked(
    half_synced: Account, simulator: Simulator, db: psycopg.Connection[Row], answer: Answer
) -> None:
    simulator.faults.add(answer.fault())

    assert_stopped(half_synced, simulator, db, "reauth_required", answer)

    assert_asks_no_more(half_synced, simulator)


@each(answers.TOKEN_REAUTH)
def test_a_refused_refresh_ends_in_the_account_and_nothing_more_is_asked(
    half_synced: Account,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    request: pytest.FixtureRequest,
    answer: Answer,
) -> None:
    request.getfixturevalue("refresh_only")
    simulator.faults.add(answer.fault())

    assert_stopped(half_synced, simulator, db, "reauth_required", answer)

    assert_asks_no_more(half_synced, simulator)


def test_a_withdrawn_consent_ends_in_the_account(
    half_synced: Account,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue("refresh_only")
    simulator.tokens.revoke(EMAIL)

    assert_stopped(half_synced, simulator, db, "reauth_required", answers.TOKEN_REAUTH[0])

    assert_asks_no_more(half_synced, simulator)


def test_a_token_that_is_refused_after_its_refresh_is_refreshed_once(
    mailbox: Mailbox,
    refresh_only: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    simulator.faults.add(Fault("getProfile", "error", status=401))

    run = refresh_only.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert account_row(db)["status"] == "reauth_required"
    assert simulator.requests.methods == {"token": 2, "getProfile": 2}


def test_a_token_that_ran_out_is_refreshed_and_the_run_goes_on(
    mailbox: Mailbox, refresh_only: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(30))
    simulator.faults.add(Fault("messages.list", "error", status=401, count=1))

    run = refresh_only.sync()

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", 30)
    assert simulator.requests.methods["token"] == 2


def test_a_grant_that_lists_but_may_not_read_makes_a_handful_of_requests(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(600))
    simulator.faults.add(
        Fault("messages.get", "error", status=403, reason="insufficientPermissions")
    )

    run = account.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert account_row(db)["status"] == "reauth_required"
    assert len(queue(db)) == 600
    assert simulator.requests.methods["messages.get"] <= BATCH_SIZE
    assert_asks_no_more(account, simulator)


@each(answers.BLOCKED)
def test_a_blocked_account_is_suspended_at_once(
    half_synced: Account, simulator: Simulator, db: psycopg.Connection[Row], answer: Answer
) -> None:
    simulator.faults.add(answer.fault())

    assert_stopped(half_synced, simulator, db, "suspended", answer)

    # The labels are asked for beside it.
    assert simulator.requests.methods["history.list"] == 1
    assert sum(simulator.requests.methods.values()) <= 2


def test_an_account_that_was_connected_again_goes_on(
    half_synced: Account, simulator: Simulator
) -> None:
    simulator.faults.add(answers.REAUTH[0].fault())
    assert half_synced.sync()["outcome"] == "failed"
    simulator.faults.clear()

    half_synced.connect()

    run = half_synced.sync()
    assert (run["outcome"], run["sync_type"]) == ("succeeded", "incremental")
    assert run["current_stats"]["new"] == 1


def test_a_suspended_account_is_tried_again_and_found_to_be_back(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    fault = simulator.faults.add(Fault("*", "error", status=403, reason="domainPolicy"))
    assert account.sync()["outcome"] == "failed"
    assert db.execute("select status from gmail_sync.account").fetchone() == {"status": "suspended"}
    simulator.faults.remove(fault.number)

    assert account.sync()["outcome"] == "succeeded"

    assert db.execute("select status from gmail_sync.account").fetchone() == {"status": "connected"}


# The token endpoint.


@each(answers.TOKEN_PASSING)
def test_a_passing_failure_of_the_token_endpoint_is_tried_again_by_the_same_run(
    mailbox: Mailbox,
    refresh_only: Account,
    worker: Worker,
    simulator: Simulator,
    answer: Answer,
) -> None:
    mailbox.load(generate(3))
    fault = simulator.faults.add(answer.fault(count=1))

    task_id = refresh_only.start()
    run = refresh_only.finish(task_id)

    assert (run["task_id"], run["outcome"], run["attempt"]) == (task_id, "succeeded", 1)
    assert run["current_stats"]["new"] == 3
    assert (fault.struck, fault.seen) == (1, 2)


def test_an_unknown_refusal_of_the_token_endpoint_leaves_the_account(
    mailbox: Mailbox,
    refresh_only: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    simulator.faults.add(answers.TOKEN_REFUSED.fault())

    run = refresh_only.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert "of_tomorrow: No" in run["error_message"]
    assert account_row(db)["status"] == "connected"
    assert dict(simulator.requests.methods) == {"token": 1}


def test_a_rotated_token_is_kept_and_serves_all_clients(
    mailbox: Mailbox,
    refresh_only: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    keys: str,
) -> None:
    mailbox.load(generate(60))

    assert refresh_only.sync()["outcome"] == "succeeded"

    assert simulator.requests.methods["token"] == 1
    row = db.execute("select credentials from gmail_sync.account").fetchone()
    assert row is not None
    assert CredentialCipher([keys]).decrypt(row["credentials"])["token"]
