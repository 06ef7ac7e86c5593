"""What changes of messages and labels mean, and what a sync must make of them."""

import signal
from collections.abc import Callable

import psycopg
import pytest

from service.postgres.calls import Row
from service.simulator import Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import Account, WorkerProcess
from tests.worker.tables import account_row, messages, queue, stored
from tests.worker.test_pages import PAGE, in_one_run, make_history, set_cursor
from tests.worker.test_sync import MAIL, NOTHING

# Changes.


def test_added_and_deleted_on_two_pages_is_gone_and_never_fetched(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    known = mailbox.insert(MAIL % b"known")
    in_one_run(account)
    short_lived = mailbox.insert(MAIL % b"short-lived")
    make_history(mailbox, known, PAGE + 1)
    mailbox.delete(short_lived)

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": 2, "updated": 1, "gone": 1}
    assert simulator.requests.fetched[short_lived] == 0


def test_an_older_window_taken_again_changes_nothing(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode()) for number in range(4)]
    in_one_run(account)
    cursor = mailbox.history_id
    mailbox.modify(ids[0], add=["STARRED"])
    mailbox.trash(ids[1])
    mailbox.delete(mailbox.insert(MAIL % b"short-lived"))
    in_one_run(account)
    mailbox.insert(MAIL % b"news")
    # What follows comes on another page, when the window is taken again.
    make_history(mailbox, ids[2], PAGE + 1)
    mailbox.modify(ids[0], remove=["STARRED"])
    mailbox.delete(ids[1])
    mailbox.modify(ids[3], add=["TRASH"])
    mailbox.delete(ids[3])
    in_one_run(account)
    before = messages(db)
    set_cursor(db, cursor)
    simulator.requests.reset()

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING
    assert messages(db) == before
    assert dict(simulator.requests.fetched) == {}
    assert account_row(db)["history_id"] == mailbox.history_id


@pytest.mark.parametrize("synced_between", [False, True])
def test_of_a_draft_that_is_saved_again_and_again_the_last_one_lives(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    synced_between: bool,
) -> None:
    draft = mailbox.insert(MAIL % b"draft 0", ["DRAFT"])
    in_one_run(account)
    for number in range(1, 6):
        replaced, draft = draft, mailbox.insert(MAIL % b"draft %d" % number, ["DRAFT"])
        mailbox.delete(replaced)
        if synced_between:
            run = in_one_run(account)
            assert run["current_stats"] == NOTHING | {"found": 2, "new": 1, "deleted": 1}

    run = in_one_run(account)

    once = NOTHING | {"found": 2, "new": 1, "deleted": 1}
    assert run["current_stats"] == (NOTHING if synced_between else once)
    assert set(stored(db)) == {draft}
    assert stored(db)[draft]["subject"] == "draft 5"
    assert len(messages(db)) == (6 if synced_between else 2)
    assert queue(db) == []


def test_trash_and_spam_are_part_of_the_mailbox(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    spam = mailbox.insert(MAIL % b"spam", ["SPAM"])
    trashed = mailbox.insert(MAIL % b"trashed", ["TRASH"])
    kept = mailbox.insert(MAIL % b"kept", ["INBOX"])

    assert in_one_run(account)["current_stats"] == NOTHING | {"found": 3, "new": 3}

    mailbox.trash(kept)
    mailbox.modify(spam, remove=["SPAM"], add=["INBOX"])
    mailbox.untrash(trashed)
    assert in_one_run(account)["current_stats"] == NOTHING | {"found": 3, "updated": 3}
    found = stored(db)
    assert [found[each]["label_ids"] for each in (kept, spam, trashed)] == [
        ["TRASH"],
        ["INBOX"],
        [],
    ]

    mailbox.delete(kept)
    assert in_one_run(account)["current_stats"] == NOTHING | {"found": 1, "deleted": 1}
    assert set(stored(db)) == {spam, trashed}


# Labels.


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_a_message_without_labels_has_none(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    content_mode: str,
) -> None:
    account.connect(content_mode)
    archived = mailbox.insert(MAIL % b"archived", [])
    labelled = mailbox.insert(MAIL % b"labelled", ["INBOX", "UNREAD"])
    in_one_run(account)
    mailbox.modify(labelled, remove=["INBOX", "UNREAD"])
    news = mailbox.insert(MAIL % b"news", [])

    assert in_one_run(account)["current_stats"] == NOTHING | {"found": 2, "new": 1, "updated": 1}

    found = stored(db)
    assert [found[each]["label_ids"] for each in (archived, labelled, news)] == [[], [], []]
    assert in_one_run(account, force_full=True)["current_stats"] == NOTHING | {
        "found": 3,
        "unchanged": 3,
    }


def labels(db: psycopg.Connection[Row]) -> dict[str, str]:
    rows = db.execute("select label_id, name from gmail_sync.label where type = 'user'")
    return {row["label_id"]: row["name"] for row in rows.fetchall()}


@pytest.mark.parametrize("method", ["history.list", "messages.list"])
def test_a_label_made_during_a_sync_is_known_with_the_mail_that_has_it(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    method: str,
) -> None:
    message_id = mailbox.insert(MAIL % b"one")
    if method == "history.list":
        in_one_run(account)
    hang = simulator.faults.add(Fault(method, "hang", count=1))
    task_id = account.start()
    assert hang.wait_arrived(60)
    label_id = mailbox.create_label("Made a moment ago")
    mailbox.modify(message_id, add=[label_id])
    hang.release()

    assert account.finish(task_id)["outcome"] == "succeeded"

    assert label_id in stored(db)[message_id]["label_ids"]
    assert labels(db) == {label_id: "Made a moment ago"}


def test_a_renamed_label_is_renamed_and_touches_no_message(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    label_id = mailbox.create_label("Before")
    mailbox.insert(MAIL % b"one", [label_id])
    in_one_run(account)
    mailbox.update_label(label_id, {"name": "After"})
    before = messages(db)

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING
    assert labels(db) == {label_id: "After"}
    assert messages(db) == before


def test_a_deleted_label_is_dropped_and_its_message_stays(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    label_id = mailbox.create_label("Short-lived")
    message_id = mailbox.insert(MAIL % b"one", ["INBOX", label_id])
    in_one_run(account)
    mailbox.delete_label(label_id)

    run = in_one_run(account)

    assert labels(db) == {}
    assert stored(db)[message_id]["label_ids"] == ["INBOX"]
    assert (run["current_stats"]["found"], run["current_stats"]["updated"]) == (1, 1)
    assert in_one_run(account)["current_stats"]["found"] == 0


# Reconciling.


def test_a_listing_that_is_not_complete_deletes_nothing(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(PAGE + 100))
    first = start_worker()
    assert account.sync()["outcome"] == "succeeded"
    deleted = mailbox.message_ids()[0]
    mailbox.delete(deleted)
    hang = simulator.faults.add(Fault("messages.list", "hang", after=1, count=1))
    task_id = account.start(force_full=True)
    assert hang.wait_arrived(60)

    first.signal(signal.SIGKILL)
    first.wait(60)
    hang.release()

    assert len(stored(db)) == PAGE + 100
    assert account.run(task_id)["current_stats"]["deleted"] == 0
    db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '5 min'"
        " where task_id = %s",
        [task_id],
    )
    start_worker()
    wait_until(lambda: db.execute("select * from gmail_sync.reap_zombie_syncs()").fetchall())
    run = account.finish(task_id)
    assert run["outcome"] == "succeeded"
    assert run["current_stats"]["deleted"] == 1
    assert set(stored(db)) == set(mailbox.message_ids())
