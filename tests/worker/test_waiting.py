"""Waits that Google asks for: shown, kept, in nobody's way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from service import logs
from service.gmail.client import BATCH_SIZE
from service.google.cipher import CredentialCipher
from service.postgres.calls import Row, Session
from service.simulator import Limits, Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.run import Google
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker import answers
from tests.worker.answers import Answer, each
from tests.worker.conftest import EMAIL, Account

NEIGHBOUR = "neighbour"
# Google's pages in HTML name no time.
TIMED = [answer for answer in answers.LIMITS if answer.action == "error"]


def later(**ahead: float) -> tuple[datetime, str]:
    """A time from now, and as Google writes it."""
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(**ahead)
    return moment, f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def waiting(account: Account, task_id: str) -> Row:
    return wait_until(lambda: (run := account.run(task_id))["phase"] == "waiting" and run)


def ended(account: Account, task_id: str) -> Row:
    return wait_until(lambda: (run := account.run(task_id))["outcome"] and run)


@pytest.fixture
def slot(service_url: str, google: Google) -> Iterator[Worker]:
    """A worker that carries out one run at a time."""
    worker = Worker(service_url, google, 1, logs.configure("warning"))
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def fast_beats(db: psycopg.Connection[Row]) -> None:
    db.execute("update gmail_sync.settings set heartbeat_interval = '200 ms'")


@each(TIMED)
def test_a_limit_with_a_time_is_waited_out_until_then_in_sight(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    answer: Answer,
) -> None:
    moment, text = later(minutes=2)
    simulator.faults.add(answer.fault(retry_after=text))

    task_id = account.start()
    run = waiting(account, task_id)

    assert run["waiting_until"] == moment
    assert (run["is_syncing"], run["error_message"]) == (True, None)
    assert simulator.requests.methods["messages.list"] == 1
    assert functions.value("cancel_sync", task_id)


@each(answers.LIMITS)
def test_a_limit_without_a_time_is_waited_out_for_some_seconds(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    answer: Answer,
) -> None:
    simulator.faults.add(answer.fault())

    task_id = account.start()
    run = waiting(account, task_id)

    assert 5 < (run["waiting_until"] - run["updated_at"]).total_seconds() < 120
    assert simulator.requests.methods["messages.list"] == 1
    assert functions.value("cancel_sync", task_id)


@each(TIMED)
def test_a_long_wait_is_handed_over_and_charges_no_attempt(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator, answer: Answer
) -> None:
    moment, text = later(minutes=10)
    simulator.faults.add(answer.fault(retry_after=text))

    run = ended(account, account.start())

    assert run["outcome"] == "superseded"
    assert run["error_message"].startswith(answer.kind.advice)
    successor = account.run(run["successor"])
    assert (successor["is_syncing"], successor["phase"]) == (True, "queued")
    assert successor["not_before"] == successor["waiting_until"] == moment
    assert successor["attempt"] == 1
    assert simulator.requests.methods["messages.list"] == 1


def test_who_waits_long_holds_no_slot(
    mailbox: Mailbox,
    account: Account,
    slot: Worker,
    simulator: Simulator,
    functions: Session,
    keys: str,
) -> None:
    other = "neighbour@example.com"
    simulator.add_mailbox(other, "other", messages=generate(20))
    sealed = CredentialCipher([keys]).encrypt({"token": "other"})
    functions.value("connect_account", NEIGHBOUR, other, sealed, "unlimited", "full")
    _, text = later(hours=3)
    simulator.faults.add(answers.LIMITS[0].fault(email=EMAIL, retry_after=text))
    task_id = ended(account, account.start())["successor"]

    run = account.finish(functions.value("start_sync_idempotent", NEIGHBOUR))

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", 20)
    assert account.run(task_id)["phase"] == "queued"


def test_nobody_who_waits_for_google_is_reaped(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    _, text = later(minutes=4)
    simulator.faults.add(answers.LIMITS[0].fault(retry_after=text))
    task_id = account.start()
    waiting(account, task_id)
    long_ago = (
        "update gmail_sync.user_sync_status"
        " set claimed_at = now() - interval '1 h', progressed_at = now() - interval '1 h'{}"
        " where task_id = %s"
    )

    db.execute(long_ago.format(""), [task_id])
    assert functions.rows("reap_zombie_syncs") == []

    # It is the wait that keeps it.
    db.execute(long_ago.format(", waiting_until = now() - interval '31 min'"), [task_id])
    assert [row["task_id"] for row in functions.rows("reap_zombie_syncs")] == [task_id]


def test_a_cancelled_wait_ends_at_once_and_frees_its_slot(
    mailbox: Mailbox, account: Account, slot: Worker, simulator: Simulator, functions: Session
) -> None:
    mailbox.load(generate(3))
    _, text = later(minutes=4)
    simulator.faults.add(answers.LIMITS[0].fault(retry_after=text))
    task_id = account.start()
    waiting(account, task_id)
    simulator.faults.clear()

    assert functions.value("cancel_sync", task_id)

    assert account.run(task_id)["outcome"] == "cancelled"
    assert account.sync(seconds=5)["outcome"] == "succeeded"


def test_nothing_is_asked_during_a_wait_and_the_heart_goes_on_beating(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    fast_beats: None,
) -> None:
    _, text = later(minutes=4)
    simulator.faults.add(answers.LIMITS[0].fault(retry_after=text))
    task_id = account.start()
    since = waiting(account, task_id)["updated_at"]
    asked = dict(simulator.requests.methods)

    wait_until(lambda: account.run(task_id)["updated_at"] > since + timedelta(seconds=1.5))

    assert account.run(task_id)["phase"] == "waiting"
    assert dict(simulator.requests.methods) == asked
    assert functions.value("cancel_sync", task_id)


def test_too_many_at_once_goes_on_with_fewer(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(60))
    simulator.set_limits(Limits(max_in_flight=6))

    task_id = account.start()
    run = account.finish(task_id)

    assert (run["task_id"], run["outcome"]) == (task_id, "succeeded")
    assert (run["current_stats"]["new"], run["current_stats"]["failed"]) == (60, 0)
    # Only what was in flight at first is refused, and not all of that.
    assert simulator.requests.statuses["messages.get 429"] < BATCH_SIZE
    assert simulator.requests.fetched_twice() == {}


def test_a_time_to_retry_that_has_passed_makes_nobody_hammer(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(5))
    simulator.faults.add(
        Fault(
            "messages.get",
            "error",
            status=429,
            reason="rateLimitExceeded",
            message="User-rate limit exceeded.  Retry after 2020-01-01T00:00:00.000Z",
        )
    )
    task_id = account.start()
    wait_until(lambda: account.run(task_id)["phase"] == "waiting")

    waiting = account.run(task_id)

    assert (waiting["waiting_until"] - waiting["updated_at"]).total_seconds() > 5
    assert simulator.requests.statuses["messages.get 429"] <= 24


def test_a_click_does_not_overrule_google(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    moment, text = later(hours=2)
    simulator.faults.add(answers.LIMITS[0].fault(count=1, retry_after=text))
    successor = ended(account, account.start())["successor"]

    assert account.start() == successor

    assert account.run(successor)["not_before"] == moment
