"""store_messages and refresh_messages."""

import random

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    counts,
    history,
    listed,
    message,
    only,
    queue_of,
    record,
    run_of,
    store,
    stored_messages,
)


def again(functions: Session, task_id: str) -> str:
    """The user's next run, which counts from zero."""
    functions.value("release_sync", task_id)
    return claimed(functions)


def attachment(part_id: str, **columns: object) -> dict[str, object]:
    return {
        "part_id": part_id, "filename": f"{part_id}.pdf", "mime_type": "application/pdf",
        "size": 5, "content_id": None, "inline": False, **columns,
    }  # fmt: skip


def part_ids(db: Connection) -> list[str]:
    query = "select part_id from gmail_sync.attachment order by part_id"
    return [row["part_id"] for row in db.execute(query)]


def test_storing_a_message_visits_no_attachments_of_others(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", attachments=[attachment(str(n)) for n in range(50)]))
    visited = """
        select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
        where schemaname = 'gmail_sync' and relname = 'attachment'
    """

    with db.transaction():
        db.execute("set local plan_cache_mode = force_generic_plan")
        db.execute(
            "select gmail_sync.store_messages(%s, %s, array[null::bytea])",
            [task_id, Jsonb([message("n")])],
        )
        assert only(db, visited) == 0


def test_a_message_arrives_whole(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    given = message(
        "m", "UNREAD", "INBOX",
        cc="Cy", bcc="Di", reply_to="Ed", recipients="Ann", sent_at="2023-11-14T22:13:20Z",
        rfc822_message_id="<1@x>", in_reply_to="<0@x>", references="<0@x>",
        body_html="<p>hello</p>", defects=["no date"], attachments=[attachment("1")],
    )  # fmt: skip
    functions.rows("store_messages", task_id, Jsonb([given]), [b"raw\x00bytes"])
    row = stored_messages(db)["m"]
    assert row["label_ids"] == ["INBOX", "UNREAD"]
    assert row["internal_date"].isoformat() == "2023-11-14T22:13:20+00:00"
    assert row["sent_at"] == row["internal_date"]
    assert (row["history_id"], row["raw"], row["defects"]) == (100, b"raw\x00bytes", ["no date"])
    assert (row["reference_ids"], row["in_reply_to"]) == ("<0@x>", "<0@x>")
    assert (row["cc"], row["bcc"], row["reply_to"]) == ("Cy", "Di", "Ed")
    assert (row["body_text"], row["body_html"]) == ("hello", "<p>hello</p>")
    assert part_ids(db) == ["1"]


def test_content_that_changed_is_an_update_to_be_told(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX", body_text="as it was read before"))
    number = stored_messages(db)["m"]["change_number"]
    task_id = again(functions, task_id)

    store(functions, task_id, message("m", "INBOX", body_text="as it is read now"))

    assert counts(db, task_id) == {"found": 1, "updated": 1}
    assert len(functions.rows("changes_since", "ann", number)) == 1


def test_what_is_unchanged_is_not_told(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    number = stored_messages(db)["m"]["change_number"]

    store(functions, task_id, message("m", "INBOX"))

    assert functions.rows("changes_since", "ann", number) == []


def test_a_message_is_new_once_and_then_unchanged(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    assert counts(db, task_id) == {"found": 1, "new": 1}
    task_id = again(functions, task_id)
    store(functions, task_id, message("m", "INBOX"))
    assert counts(db, task_id) == {"found": 1, "unchanged": 1}


@pytest.mark.parametrize("labels", [[], ["INBOX", "STARRED"], ["SENT"]])
def test_other_labels_are_an_update(functions: Session, db: Connection, labels: list[str]) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    task_id = again(functions, task_id)
    store(functions, task_id, message("m", *labels))
    assert counts(db, task_id) == {"found": 1, "updated": 1}
    assert stored_messages(db)["m"]["label_ids"] == sorted(labels)


def test_labels_are_a_set(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "B", "A"))
    task_id = again(functions, task_id)
    store(functions, task_id, message("m", "A", "B", "A"))
    assert counts(db, task_id) == {"found": 1, "unchanged": 1}


def test_a_message_without_labels_arrives(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    without = message("m")
    del without["label_ids"]
    store(functions, task_id, without)
    assert stored_messages(db)["m"]["label_ids"] == []


def test_a_new_message_that_changes_in_the_same_run_stays_new(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    store(functions, task_id, message("m", "INBOX", "STARRED"))
    store(functions, task_id, message("m", "INBOX", "STARRED"))
    assert counts(db, task_id) == {"found": 1, "new": 1}


def test_the_raw_bytes_come_later_and_stay(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m"))
    task_id = again(functions, task_id)
    functions.rows("store_messages", task_id, Jsonb([message("m")]), [b"raw"])
    assert counts(db, task_id) == {"found": 1, "updated": 1}
    store(functions, task_id, message("m"))
    assert stored_messages(db)["m"]["raw"] == b"raw"


def test_each_message_gets_its_own_raw_bytes(functions: Session, db: Connection) -> None:
    given = Jsonb([message("z"), message("a")])
    functions.rows("store_messages", claimed(functions), given, [b"of z", b"of a"])
    raws = {message_id: row["raw"] for message_id, row in stored_messages(db).items()}
    assert raws == {"z": b"of z", "a": b"of a"}


def test_attachments_are_replaced(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", attachments=[attachment("1"), attachment("2")]))
    store(functions, task_id, message("m", attachments=[attachment("2", size=9), attachment("3")]))
    assert part_ids(db) == ["2", "3"]
    assert only(db, "select size from gmail_sync.attachment where part_id = '2'") == 9
    store(functions, task_id, message("m"))
    assert part_ids(db) == []


def test_a_stored_message_leaves_the_queue(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    store(functions, task_id, message("a"))
    assert set(queue_of(db)) == {"b"}
    assert counts(db, task_id) == {"found": 2, "new": 1, "pending": 1}


def test_a_deleted_message_that_is_there_after_all_comes_back(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m"))
    history(functions, task_id, record(500, "messagesDeleted", "m"))
    task_id = again(functions, task_id)
    store(functions, task_id, message("m"))
    assert stored_messages(db)["m"]["deleted_at"] is None
    assert counts(db, task_id) == {"found": 1, "updated": 1}


@pytest.mark.parametrize(
    ("milliseconds", "year"),
    [("0", 1970), ("-99999999999999999999", 1), ("99999999999999999999", 9999), (None, 1970)],
)
def test_absurd_dates_arrive(
    functions: Session, db: Connection, milliseconds: str | None, year: int
) -> None:
    store(functions, claimed(functions), message("m", internal_date=milliseconds))
    assert only(db, "select extract(year from internal_date)::int from gmail_sync.message") == year


def test_a_megabyte_of_distinct_words_arrives(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    letters = random.Random(1)
    words = " ".join(
        "".join(chr(letters.randrange(0x20000, 0x2A000)) for _ in range(4)) for _ in range(60_000)
    )
    assert len(words.encode()) > 1_000_000
    store(functions, task_id, message("m", body_text=words), message("h", body_html=words))
    assert stored_messages(db)["m"]["body_text"] == words
    assert set(stored_messages(db)) == {"m", "h"}


def test_a_huge_subject_and_a_huge_crowd_arrive(functions: Session, db: Connection) -> None:
    words = random.Random(2)
    subject = "".join(chr(words.randrange(0x20000, 0x2A000)) for _ in range(100_000))
    everybody = ", ".join(f"person{n}@mail.example" for n in range(20_000))
    task_id = claimed(functions)
    store(functions, task_id, message("m", subject=subject, recipients=everybody))
    assert stored_messages(db)["m"]["subject"] == subject
    assert functions.rows("search_messages", "ann")[0]["subject"] == subject


def test_one_long_word_arrives(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), message("m", body_text="x" * 2_000_000))
    assert only(db, "select length(body_text) from gmail_sync.message") == 2_000_000


def test_history_ids_beyond_a_uint64_arrive(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), message("m", history_id="123456789012345678901"))
    assert stored_messages(db)["m"]["history_id"] == 123456789012345678901


def test_two_users_may_have_the_same_message_id(functions: Session, db: Connection) -> None:
    for user in ("ann", "bo"):
        store(functions, claimed(functions, user), message("m", user))
    assert stored_messages(db, "ann")["m"]["label_ids"] == ["ann"]
    assert stored_messages(db, "bo")["m"]["label_ids"] == ["bo"]


def test_storing_nothing_is_a_beat(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    before = run_of(db, task_id)["updated_at"]
    store(functions, task_id)
    assert run_of(db, task_id)["updated_at"] > before
    assert counts(db, task_id) == {}


def refresh(functions: Session, task_id: str, message_id: str, *label_ids: str) -> None:
    minimal = {"message_id": message_id, "history_id": "200", "label_ids": list(label_ids)}
    functions.rows("refresh_messages", task_id, Jsonb([minimal]))


def test_a_refresh_changes_labels_and_no_content(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    task_id = again(functions, task_id)
    listed(functions, task_id, "m")
    refresh(functions, task_id, "m", "TRASH")
    row = stored_messages(db)["m"]
    assert (row["label_ids"], row["history_id"], row["body_text"]) == (["TRASH"], 200, "hello")
    assert counts(db, task_id) == {"found": 1, "updated": 1}
    assert queue_of(db) == {}


def test_a_refresh_that_finds_nothing_new_changes_nothing(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "B", "A"))
    before = stored_messages(db)
    task_id = again(functions, task_id)
    refresh(functions, task_id, "m", "A", "B")
    assert stored_messages(db) == before
    assert counts(db, task_id) == {"found": 1, "unchanged": 1}
