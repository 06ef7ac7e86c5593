"""A thread that is fetched in one call brings the same rows as single calls for its messages."""

import json
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from service.postgres.calls import Connection, Session
from service.simulator import Fault, Mail, Mailbox, Simulator, generate, load
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import (
    PATIENCE_SECONDS,
    USER,
    Account,
    WorkerProcess,
    start_held,
)
from tests.worker.tables import differences, messages, queue, stored

HAM = Path(__file__).parents[3] / "shared" / "mail" / "ham-2002.mbox.xz"
PROFILE = "google-standard"
REPLY = b"Subject: Re: %d\r\n\r\ntext %d"


@pytest.fixture
def priced(db: Connection, functions: Session, account: Account) -> None:
    """Google's prices, but no caps that a test would wait for."""
    db.execute(
        "update gmail_sync.quota_profile set user_units = null, project_units = null,"
        " day_units = null where name = %s",
        [PROFILE],
    )
    functions.value("set_quota_profile", USER, PROFILE)


def thread_of(mailbox: Mailbox, count: int) -> list[str]:
    """The ids of a thread's messages, oldest first."""
    first = mailbox.insert(REPLY % (0, 0))
    thread = mailbox.get(first).thread_id
    replies = [mailbox.insert(REPLY % (n, n), thread_id=thread) for n in range(1, count)]
    return [first, *replies]


def calls(simulator: Simulator) -> dict[str, int]:
    methods = simulator.requests.methods
    return {name: methods[name] for name in ("threads.get", "messages.get") if methods[name]}


@pytest.mark.parametrize(
    ("mails", "share"),
    [
        pytest.param(
            lambda: load(HAM),
            0.75,
            marks=[
                pytest.mark.gate,
                pytest.mark.skipif(not HAM.exists(), reason="the optional folder ../shared/mail"),
            ],
        ),
        (partial(generate, 200), 0.97),
    ],
    ids=["real", "generated"],
)
def test_mail_is_stored_as_if_it_was_fetched_singly(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
    db: Connection,
    mails: Callable[[], Iterable[Mail]],
    share: float,
) -> None:
    mailbox.load(mails())
    run = account.sync()
    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", mailbox.totals()[0])
    made = calls(simulator)
    units = 40 * made["threads.get"] + 20 * made["messages.get"]
    assert units <= share * 20 * mailbox.totals()[0]

    assert account.sync_another("single")["outcome"] == "succeeded"

    assert calls(simulator)["threads.get"] == made["threads.get"]
    assert differences(db, USER, "single") == []


def test_messages_that_are_not_due_are_left_as_they_are(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
    db: Connection,
) -> None:
    old = thread_of(mailbox, 2)
    account.sync()
    before = stored(db)
    # The database does not know of a message that another client has deleted by hand.
    db.execute("delete from gmail_sync.message where message_id = %s", [old[0]])
    thread = mailbox.get(old[0]).thread_id
    new = [mailbox.insert(REPLY % (n, n), thread_id=thread) for n in range(3)]

    run = account.sync()

    assert run["current_stats"]["new"] == 3
    assert calls(simulator) == {"messages.get": 2, "threads.get": 1}
    rows = stored(db)
    assert rows.keys() == {old[1], *new}
    assert rows[old[1]] == before[old[1]]


def test_the_calls_of_a_batch_are_charged_together(
    mailbox: Mailbox, account: Account, priced: None, worker: Worker, db: Connection
) -> None:
    """So all of them count in the minute in which they are sent."""
    db.execute("update gmail_sync.quota_profile set user_units = 6000 where name = %s", [PROFILE])
    thread_of(mailbox, 3)
    thread_of(mailbox, 2)
    assert account.sync()["current_stats"]["new"] == 5
    dear = db.execute("select units from gmail_sync.quota_charge where units >= 20").fetchall()
    assert [row["units"] for row in dear] == [40 + 2 * 20]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("threads.get", "error", status=404),
        Fault("threads.get", "error", status=500),
        Fault("threads.get", "drop"),
        Fault("threads.get", "cut"),
        Fault("threads.get", "mangle", body=json.dumps({"id": "another"})),
    ],
    ids=["gone", "failed", "missing", "broken off", "another"],
)
def test_a_thread_that_does_not_come_is_fetched_singly(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
    db: Connection,
    fault: Fault,
) -> None:
    ids = thread_of(mailbox, 5)
    mailbox.insert(REPLY % (9, 9))
    simulator.faults.add(fault)

    run = account.sync()

    stats = {name: count for name, count in run["current_stats"].items() if count}
    assert (run["outcome"], stats) == ("succeeded", {"found": 6, "new": 6})
    assert calls(simulator) == {"threads.get": 1, "messages.get": 6}
    assert stored(db).keys() >= set(ids)
    assert queue(db) == []


@pytest.mark.parametrize(
    "brought",
    [None, "messages", [], [None, 7, {}], [{"id": ["x"]}]],
    ids=["none", "text", "empty", "no messages", "no ids"],
)
def test_messages_that_a_thread_lacks_are_fetched_singly(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
    db: Connection,
    brought: object,
) -> None:
    ids = thread_of(mailbox, 3)
    thread = {"id": mailbox.get(ids[0]).thread_id, "messages": brought}
    simulator.faults.add(Fault("threads.get", "mangle", body=json.dumps(thread)))

    assert account.sync()["current_stats"]["new"] == 3
    assert calls(simulator) == {"threads.get": 1, "messages.get": 3}
    assert stored(db).keys() == set(ids)


def test_only_a_single_call_says_that_a_message_is_gone(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
    db: Connection,
) -> None:
    ids = thread_of(mailbox, 4)
    task_id, held = start_held(simulator, account, Fault("threads.get", "hang", count=1))
    mailbox.delete(ids[1])
    held.release()

    run = account.finish(task_id)

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", 3)
    assert calls(simulator)["threads.get"] == 1
    assert messages(db).keys() == set(ids) - {ids[1]}


def test_a_thread_that_is_too_large_is_fetched_singly(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
    db: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.gmail.client.BATCH_BYTES", 30_000)
    ids = thread_of(mailbox, 2)
    thread = mailbox.get(ids[0]).thread_id
    noise = b"".join(b"%d\r\n" % (number * number) for number in range(10_000))
    ids.append(mailbox.insert(b"Subject: long\r\n\r\n" + noise, thread_id=thread))

    assert account.sync()["current_stats"]["new"] == 3
    assert calls(simulator)["threads.get"] == 1
    assert stored(db).keys() == set(ids)


def test_a_limit_on_threads_is_waited_for_and_splits_nothing(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    worker: Worker,
    simulator: Simulator,
) -> None:
    thread_of(mailbox, 4)
    simulator.faults.add(
        Fault("threads.get", "error", status=429, reason="rateLimitExceeded", count=1)
    )
    assert account.sync()["current_stats"]["new"] == 4
    assert calls(simulator) == {"threads.get": 2}


def test_kill_9_in_a_thread_loses_nothing(
    mailbox: Mailbox,
    account: Account,
    priced: None,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: Connection,
) -> None:
    """Its messages are charged an attempt, so they come singly: one of them may be the cause."""
    ids = thread_of(mailbox, 30)
    worker = start_worker()
    task_id, held = start_held(simulator, account, Fault("threads.get", "hang", after=1, count=1))
    # The batch after it may be stored as well.
    wait_until(lambda: len(stored(db)) >= 12, PATIENCE_SECONDS)
    worker.signal(signal.SIGKILL)
    worker.wait(60)
    held.release()
    db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '1 h'"
        " where is_syncing"
    )
    account.reap(task_id)
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")
    start_worker()

    run = account.finish(task_id)

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", 30)
    # 12 were in the lost batch.
    assert calls(simulator)["messages.get"] >= 12
    assert stored(db).keys() == set(ids)
