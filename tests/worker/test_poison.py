"""Mail that cannot be fetched, read or stored costs itself at most, and is not lost."""

from typing import Any

import psycopg
import pytest

from service.postgres.calls import Row, Session
from service.simulator import Fault, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account

MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"


def queue(db: psycopg.Connection[Row]) -> list[Row]:
    return db.execute("select * from gmail_sync.fetch_queue order by message_id").fetchall()


def message(db: psycopg.Connection[Row], message_id: str) -> Row:
    (row,) = db.execute(
        "select * from gmail_sync.message where message_id = %s", [message_id]
    ).fetchall()
    return row


@pytest.mark.parametrize("mode", ["full", "raw"])
def test_mail_that_no_parser_understands_is_kept_raw(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    mailbox.load(generate(20))
    broken = mailbox.insert(MAIL % b"broken", ["INBOX"])

    def broken_for(parse: Any) -> Any:
        def parse_or_break(given: dict[str, Any]) -> Any:
            if given["id"] == broken:
                raise RecursionError("too \ud800 deep")
            return parse(given)

        return parse_or_break

    for name in ("parse_full", "parse_raw"):
        parse = __import__("service.mime.parse", fromlist=[name]).__dict__[name]
        monkeypatch.setattr(f"service.worker.fetch_batch.{name}", broken_for(parse))
    account.connect(mode)

    run = account.sync()

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", 21)
    kept = message(db, broken)
    assert bytes(kept["raw"]) == mailbox.raw(broken)
    assert "RecursionError" in kept["defects"][0]
    assert (kept["label_ids"], kept["subject"], kept["body_text"]) == (["INBOX"], None, None)
    assert queue(db) == []


@pytest.mark.parametrize("mode", ["full", "raw"])
def test_mail_whose_texts_postgres_refuses_is_kept_raw_and_costs_no_other(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    mode: str,
) -> None:
    mailbox.load(generate(20))
    refused = mailbox.insert(MAIL % b"refused", ["INBOX"])
    db.execute("alter table gmail_sync.message add check (subject <> 'refused')")
    account.connect(mode)

    run = account.sync()

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", 21)
    kept = message(db, refused)
    assert bytes(kept["raw"]) == mailbox.raw(refused)
    assert "refused by Postgres" in kept["defects"][0]


def test_mail_that_cannot_be_stored_at_all_is_given_up_with_class_and_reason(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(20))
    refused = mailbox.insert(MAIL % b"refused", ["INBOX"])
    db.execute(
        f"alter table gmail_sync.message add constraint no check (message_id <> '{refused}')"
    )
    db.execute("update gmail_sync.settings set max_message_attempts = 1")

    run = account.sync()

    assert (run["outcome"], run["current_stats"]["failed"]) == ("succeeded", 1)
    assert run["current_stats"]["new"] == 20
    (row,) = queue(db)
    assert (row["message_id"], row["dead"], row["attempts"]) == (refused, True, 1)
    assert row["error_code"] == "store_failed"
    assert "violates check constraint" in row["error_message"]

    db.execute("alter table gmail_sync.message drop constraint no")
    assert functions.value("retry_failed_messages", USER) == 1
    (status,) = functions.rows("sync_status", USER)
    assert account.finish(status["task_id"])["current_stats"]["new"] == 1
    assert message(db, refused)["subject"] == "refused"


def test_a_message_that_gmail_fails_to_give_is_retried_with_backoff_and_given_up(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(20))
    poison = mailbox.message_ids()[7]
    simulator.faults.add(Fault("messages.get", "error", status=500, message_id=poison))
    db.execute("update gmail_sync.settings set max_message_attempts = 3")

    assert account.sync()["current_stats"]["failed"] == 1

    for attempt in (1, 2):
        (row,) = queue(db)
        assert (row["message_id"], row["attempts"], row["dead"]) == (poison, attempt, False)
        wait = (row["not_before"] - account.last_run()["finished_at"]).total_seconds()
        assert 5**attempt - 2 < wait <= 5**attempt
        db.execute("update gmail_sync.fetch_queue set not_before = now()")
        (task_id,) = [row["enqueue_due_syncs"] for row in functions.rows("enqueue_due_syncs")]
        assert account.finish(task_id)["current_stats"]["failed"] == 1
    (row,) = queue(db)
    assert (row["attempts"], row["dead"]) == (3, True)
    assert row["error_code"] == "transient"
    assert functions.rows("enqueue_due_syncs") == []


def test_a_large_text_that_gmail_hands_out_apart_arrives(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(20))
    text = b"long line\r\n" * 100_000
    large = mailbox.insert(b"Subject: long\r\n\r\n" + text, ["INBOX"])

    assert account.sync()["current_stats"]["new"] == 21

    kept = message(db, large)
    assert (kept["subject"], kept["body_text"], kept["raw"]) == ("long", text.decode(), None)
    assert simulator.requests.fetched_twice() == {large: 2}
    assert simulator.requests.methods["messages.attachments.get"] == 0


def test_a_batch_too_large_for_one_answer_is_asked_for_in_smaller_ones(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mails = [MAIL % str(number).encode() + bytes(range(33, 126)) * 21_500 for number in range(30)]
    ids = [mailbox.insert(mail, ["INBOX"]) for mail in mails]
    account.connect("raw")

    run = account.sync()

    assert run["current_stats"]["new"] == len(ids)
    assert all(bytes(message(db, each)["raw"]) == mailbox.raw(each) for each in ids)
    assert simulator.requests.methods["messages.get"] < 2 * len(ids)


def test_poison_that_kills_the_worker_is_not_waited_for_by_the_rest(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    """A batch that gets no answer at all is tried in halves, while the others go on."""
    mailbox.load(generate(60))
    poison = mailbox.message_ids()[30]
    simulator.faults.add(Fault("messages.get", "drop", message_id=poison))

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert (run["current_stats"]["new"], run["current_stats"]["failed"]) == (59, 1)
    wait_until(lambda: queue(db))
    assert [row["message_id"] for row in queue(db)] == [poison]
