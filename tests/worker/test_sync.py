"""What a sync brings, and what it counts."""

import psycopg
import pytest

from service.postgres.calls import Row
from service.simulator import Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.worker.conftest import USER, Account, start_held

NOTHING = dict.fromkeys(
    ("found", "new", "updated", "unchanged", "deleted", "gone", "failed", "pending", "imported"), 0
)
MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"


def stored(db: psycopg.Connection[Row]) -> dict[str, Row]:
    """The messages that are there, by id."""
    rows = db.execute("select * from gmail_sync.message where deleted_at is null").fetchall()
    return {row["message_id"]: row for row in rows}


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_a_first_sync_brings_the_whole_mailbox(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    content_mode: str,
) -> None:
    mailbox.load(generate(120))
    account.connect(content_mode)

    run = account.sync()

    assert (run["outcome"], run["sync_type"], run["progress_percentage"]) == (
        "succeeded",
        "full",
        100,
    )
    assert run["current_stats"] == NOTHING | {"found": 120, "new": 120}
    messages = stored(db)
    assert set(messages) == set(mailbox.message_ids())
    for message_id, message in messages.items():
        served = mailbox.get(message_id)
        assert set(message["label_ids"]) == set(served.label_ids)
        assert round(message["internal_date"].timestamp() * 1000) == served.internal_date
        assert message["raw"] == (mailbox.raw(message_id) if content_mode == "raw" else None)
        assert message["thread_id"] == served.thread_id
    labels = db.execute("select label_id from gmail_sync.label").fetchall()
    assert {row["label_id"] for row in labels} == {label.id for label in mailbox.labels()}


def test_a_second_sync_is_incremental_and_finds_nothing(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(30))
    account.sync()
    simulator.requests.reset()

    run = account.sync()

    assert (run["sync_type"], run["current_stats"]) == ("incremental", NOTHING)
    assert dict(simulator.requests.methods) == {"labels.list": 1, "history.list": 1}


def test_counts_of_known_changes_are_exact(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(10)]
    account.sync()
    mailbox.insert(MAIL % b"new", ["INBOX"])
    mailbox.modify(ids[0], add=["STARRED"])
    mailbox.modify(ids[1], add=["STARRED"])
    mailbox.modify(ids[1], remove=["STARRED"], add=["UNREAD"])
    mailbox.trash(ids[2])
    mailbox.delete(ids[3])
    short_lived = mailbox.insert(MAIL % b"gone", ["INBOX"])
    mailbox.delete(short_lived)

    run = account.sync()

    assert run["current_stats"] == NOTHING | {"found": 5, "new": 1, "updated": 3, "deleted": 1}
    messages = stored(db)
    assert messages[ids[0]]["label_ids"] == ["INBOX", "STARRED"]
    assert messages[ids[1]]["label_ids"] == ["INBOX", "UNREAD"]
    assert messages[ids[2]]["label_ids"] == ["TRASH"]
    assert ids[3] not in messages
    assert short_lived not in messages
    assert account.sync()["current_stats"] == NOTHING


def test_a_forced_full_sync_fetches_labels_only_and_drops_what_is_absent(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    simulator: Simulator,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(10)]
    account.sync()
    mailbox.modify(ids[0], add=["STARRED"])
    mailbox.delete(ids[1])
    mailbox.expire_history()

    run = account.sync(force_full=True)

    assert run["current_stats"] == NOTHING | {
        "found": 10,
        "updated": 1,
        "unchanged": 8,
        "deleted": 1,
    }
    assert stored(db)[ids[0]]["label_ids"] == ["INBOX", "STARRED"]


def test_an_expired_history_turns_the_same_run_into_a_full_one(
    mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(5)]
    account.sync()
    mailbox.delete(ids[0])
    mailbox.insert(MAIL % b"new", ["INBOX"])
    mailbox.expire_history()

    run = account.sync()

    assert (run["outcome"], run["sync_type"]) == ("succeeded", "full")
    assert run["current_stats"] == NOTHING | {
        "found": 6,
        "new": 1,
        "unchanged": 4,
        "deleted": 1,
    }
    assert account.sync()["sync_type"] == "incremental"


def test_messages_stay_new_when_history_expires_during_their_first_sync(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(20))
    simulator.faults.add(Fault("history.list", "error", status=404, reason="notFound", count=1))

    run = account.sync()

    assert run["current_stats"] == NOTHING | {"found": 20, "new": 20}


def test_history_that_expires_again_and_again_fails_the_run_in_words(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.insert(MAIL % b"one", ["INBOX"])
    simulator.faults.add(
        Fault("history.list", "error", status=404, reason="notFound", message="Not found.")
    )

    run = account.sync()

    assert run["outcome"] == "failed"
    assert "history id" in run["error_message"]
    assert simulator.requests.methods["history.list"] == 2


def test_changes_made_during_a_full_sync_are_taken_by_it(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    simulator: Simulator,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(40)]
    task_id, hang = start_held(simulator, account, Fault("messages.get", "hang", count=1, after=20))
    late = mailbox.insert(MAIL % b"late", ["INBOX"])
    mailbox.delete(ids[-1])
    mailbox.modify(ids[0], add=["STARRED"])
    hang.release()

    run = account.finish(task_id)

    assert run["outcome"] == "succeeded"
    messages = stored(db)
    assert set(messages) == set(mailbox.message_ids())
    assert late in messages
    assert "STARRED" in messages[ids[0]]["label_ids"]


@pytest.mark.parametrize("synced_before", [False, True])
def test_a_mailbox_that_is_another_than_the_accounts_is_refused(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    synced_before: bool,
) -> None:
    mailbox.insert(MAIL % b"mine", ["INBOX"])
    if synced_before:
        account.sync()
    before = stored(db)
    other = simulator.add_mailbox("other@example.com", "other-token", messages=generate(3))
    other.insert(MAIL % b"secret", ["INBOX"])
    account.connect(token="other-token")

    run = account.sync()

    assert run["outcome"] == "failed"
    assert "other@example.com" in run["error_message"]
    assert stored(db) == before
    state = db.execute("select status from gmail_sync.account where user_id = %s", [USER])
    assert state.fetchone() == {"status": "reauth_required"}


def test_an_empty_mailbox_succeeds_with_nothing(
    mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    run = account.sync()

    assert (run["outcome"], run["current_stats"]) == ("succeeded", NOTHING)
