import uuid
from decimal import Decimal

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    counts,
    history,
    listed,
    message,
    queue_of,
    record,
    run_of,
    store,
    stored_messages,
)


@pytest.fixture
def task_id(functions: Session, db: Connection) -> str:
    """A claimed run of a user who has message `m` in INBOX, fetched at history id 100."""
    first = claimed(functions)
    store(functions, first, message("m", "INBOX"))
    db.execute("update gmail_sync.account set history_id = 100")
    functions.value("release_sync", first)
    return claimed(functions)


def labels(db: Connection) -> list[str]:
    found: list[str] = stored_messages(db)["m"]["label_ids"]
    return found


def cursor(db: Connection) -> Decimal:
    row = db.execute("select history_id from gmail_sync.account").fetchone()
    assert row is not None
    value: Decimal = row["history_id"]
    return value


def test_an_empty_page_moves_the_cursor_only(
    functions: Session, db: Connection, task_id: str
) -> None:
    before = stored_messages(db)
    functions.rows("apply_history", task_id, Jsonb([]), 107)
    assert cursor(db) == 107
    assert (stored_messages(db), queue_of(db)) == (before, {})


def test_an_added_message_is_queued(functions: Session, db: Connection, task_id: str) -> None:
    history(functions, task_id, record(101, "messagesAdded", "n", "INBOX"))
    assert queue_of(db)["n"]["reason"] == "history"
    assert counts(db, task_id) == {"found": 1, "pending": 1}
    assert cursor(db) == 101


def test_newer_messages_are_queued_first(functions: Session, task_id: str) -> None:
    history(
        functions, task_id,
        record(101, "messagesAdded", "old"), record(102, "messagesAdded", "new"),
    )  # fmt: skip
    rows = functions.rows("take_messages", task_id)
    assert [row["message_id"] for row in rows] == ["new", "old"]


def test_a_deleted_message_is_tombstoned(functions: Session, db: Connection, task_id: str) -> None:
    history(functions, task_id, record(101, "messagesDeleted", "m"))
    assert stored_messages(db)["m"]["deleted_at"] is not None
    assert counts(db, task_id) == {"found": 1, "deleted": 1}


def test_an_unknown_deleted_message_is_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(101, "messagesDeleted", "unknown"))
    assert counts(db, task_id) == {}
    assert cursor(db) == 101


def test_a_deleted_message_still_to_be_fetched_is_gone(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(101, "messagesAdded", "n"))
    history(functions, task_id, record(102, "messagesDeleted", "n"))
    assert queue_of(db) == {}
    assert counts(db, task_id) == {"found": 1, "gone": 1}


def test_added_and_deleted_in_one_page_is_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(
        functions, task_id,
        record(101, "messagesAdded", "n"), record(102, "labelsAdded", "n", "SENT"),
        record(103, "messagesDeleted", "n"),
    )  # fmt: skip
    assert queue_of(db) == {}
    assert counts(db, task_id) == {}


@pytest.mark.parametrize(
    ("records", "left"),
    [
        ([(101, "labelsAdded", "STARRED")], ["INBOX", "STARRED"]),
        ([(101, "labelsRemoved", "INBOX")], []),
        ([(101, "labelsAdded", "X"), (102, "labelsRemoved", "X")], ["INBOX"]),
        ([(101, "labelsRemoved", "INBOX"), (102, "labelsAdded", "INBOX")], ["INBOX"]),
        ([(102, "labelsAdded", "X"), (101, "labelsRemoved", "X")], ["INBOX", "X"]),
        ([(101, "labelsAdded", "TRASH"), (101, "labelsRemoved", "INBOX")], ["TRASH"]),
        ([(101, "labelsRemoved", "unknown")], ["INBOX"]),
        ([(9, "labelsAdded", "nine"), (101, "labelsAdded", "ten")], ["INBOX", "ten"]),
    ],
)
def test_label_changes_are_applied_in_order(
    functions: Session, db: Connection, task_id: str,
    records: list[tuple[int, str, str]], left: list[str],
) -> None:  # fmt: skip
    history(functions, task_id, *(record(n, kind, "m", label) for n, kind, label in records))
    assert labels(db) == left
    changed = left != ["INBOX"]
    assert counts(db, task_id) == ({"found": 1, "updated": 1} if changed else {})
    assert queue_of(db) == {}


def test_a_record_with_many_labels_applies_all(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(101, "labelsAdded", "m", "Z", "A"))
    assert labels(db) == ["A", "INBOX", "Z"]


def test_trashing_is_an_update(functions: Session, db: Connection, task_id: str) -> None:
    history(functions, task_id, record(101, "labelsAdded", "m", "TRASH"))
    assert counts(db, task_id) == {"found": 1, "updated": 1}
    assert stored_messages(db)["m"]["deleted_at"] is None


def test_a_label_added_to_an_unknown_message_fetches_it(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(101, "labelsAdded", "unknown", "INBOX"))
    assert set(queue_of(db)) == {"unknown"}


def test_a_label_removed_from_an_unknown_message_is_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(101, "labelsRemoved", "unknown", "INBOX"))
    assert queue_of(db) == {}
    assert counts(db, task_id) == {}


def test_records_older_than_the_fetched_message_are_ignored(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(100, "labelsRemoved", "m", "INBOX"))
    history(functions, task_id, record(99, "labelsAdded", "m", "STARRED"))
    assert labels(db) == ["INBOX"]
    assert cursor(db) == 100


def test_a_page_replayed_changes_nothing(functions: Session, db: Connection, task_id: str) -> None:
    page = [
        record(101, "messagesAdded", "n"),
        record(102, "labelsAdded", "m", "STARRED"),
        record(103, "labelsAdded", "unknown", "X"),
        record(104, "messagesDeleted", "never seen"),
        record(105, "labelsRemoved", "m", "INBOX"),
    ]
    history(functions, task_id, *page)
    before = stored_messages(db), queue_of(db), counts(db, task_id), cursor(db)
    history(functions, task_id, *page)
    assert (stored_messages(db), queue_of(db), counts(db, task_id), cursor(db)) == before


def test_a_deletion_replayed_changes_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    page = [record(101, "labelsAdded", "m", "TRASH"), record(102, "messagesDeleted", "m")]
    history(functions, task_id, *page)
    before = stored_messages(db), counts(db, task_id)
    history(functions, task_id, *page)
    assert (stored_messages(db), counts(db, task_id)) == before


def test_pages_replayed_from_an_older_cursor_bring_nothing_back(
    functions: Session, db: Connection, task_id: str
) -> None:
    pages = [
        [record(101, "messagesAdded", "m"), record(102, "labelsAdded", "m", "STARRED")],
        [record(103, "messagesDeleted", "m")],
    ]
    for page in pages:
        history(functions, task_id, *page)
    before = stored_messages(db), counts(db, task_id)
    history(functions, task_id, *pages[0])
    assert queue_of(db) == {}
    assert (stored_messages(db), counts(db, task_id)) == before


def test_labels_replayed_after_a_fetch_change_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    store(functions, task_id, message("m", "SENT", history_id="200"))
    history(functions, task_id, record(150, "labelsAdded", "m", "INBOX"))
    assert labels(db) == ["SENT"]


def test_the_cursor_only_moves_forward(functions: Session, db: Connection, task_id: str) -> None:
    history(functions, task_id, record(300, "messagesAdded", "n"), p_history_id=250)
    assert cursor(db) == 300
    history(functions, task_id, record(200, "messagesAdded", "n"), p_history_id=250)
    assert cursor(db) == 300
    history(functions, task_id, p_history_id=400)
    assert cursor(db) == 400


def test_an_empty_page_is_a_beat_but_no_progress(
    functions: Session, db: Connection, task_id: str
) -> None:
    before = run_of(db, task_id)["updated_at"]
    history(functions, task_id)
    run = run_of(db, task_id)
    assert run["updated_at"] > before
    assert run["progressed_at"] is None
    assert cursor(db) == 100
    assert counts(db, task_id) == {}


def test_only_a_page_that_changes_a_message_is_progress(
    functions: Session, db: Connection, task_id: str
) -> None:
    """So the stall timeout ends a run that Gmail sends round and round."""
    history(functions, task_id, record(101, "messagesAdded", "n"))
    before = run_of(db, task_id)
    for number in (101, 102):
        history(functions, task_id, record(number, "messagesAdded", "n"))
    repeated = run_of(db, task_id)
    assert repeated["progressed_at"] == before["progressed_at"]
    assert repeated["updated_at"] > before["updated_at"]
    assert cursor(db) == 102
    history(functions, task_id, record(103, "labelsAdded", "m", "STARRED"))
    assert run_of(db, task_id)["progressed_at"] > before["progressed_at"]


def test_a_page_says_whether_it_is_newer_than_the_cursor(functions: Session, task_id: str) -> None:
    def newer(*numbers: int) -> bool:
        records = [record(number, "messagesAdded", "n") for number in numbers]
        answer: bool = functions.value("apply_history", task_id, Jsonb(records), 200)
        return answer

    assert newer(100, 101)
    assert [newer(101), newer(), newer(200), newer(201)] == [False, False, False, True]


def test_the_last_page_moves_the_cursor_though_nothing_changed(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, p_history_id="123456789012345678901")
    assert cursor(db) == 123456789012345678901


def test_ids_of_21_digits_are_compared_as_numbers(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(10**20 + 2, "labelsAdded", "m", "X"))
    history(functions, task_id, record(10**20 + 1, "labelsRemoved", "m", "X"))
    assert labels(db) == ["INBOX", "X"]
    assert cursor(db) == 10**20 + 2


def test_a_record_with_several_kinds_is_taken_whole(
    functions: Session, db: Connection, task_id: str
) -> None:
    both = record(101, "messagesAdded", "n") | record(101, "labelsAdded", "m", "X")
    history(functions, task_id, both)
    assert set(queue_of(db)) == {"n"}
    assert labels(db) == ["INBOX", "X"]


def test_history_of_another_user_touches_nobody_else(
    functions: Session, db: Connection, task_id: str
) -> None:
    other = claimed(functions, "bo")
    history(functions, other, record(101, "messagesDeleted", "m"))
    assert stored_messages(db)["m"]["deleted_at"] is None
    assert run_of(db, task_id)["found"] == 0


def test_a_successor_counts_on_after_a_crash_between_pages(
    functions: Session, db: Connection, task_id: str
) -> None:
    history(functions, task_id, record(101, "messagesAdded", "n"))
    successor = functions.value("handover_sync", task_id, "drain")
    assert functions.value("claim_sync", uuid.uuid4()) == successor
    assert functions.value("get_cursor", successor) == 101
    history(functions, successor, record(101, "messagesAdded", "n"))
    assert counts(db, successor) == {"found": 1, "pending": 1}


def test_a_message_listed_and_in_history_is_found_once(
    functions: Session, db: Connection, task_id: str
) -> None:
    listed(functions, task_id, "n")
    history(functions, task_id, record(1001, "messagesAdded", "n"))
    assert counts(db, task_id) == {"found": 1, "pending": 1}


def test_an_event_without_a_message_costs_itself_only(
    functions: Session, db: Connection, task_id: str
) -> None:
    nameless = {"id": "102", "messagesDeleted": [{"message": {}}]}
    history(functions, task_id, record(101, "messagesAdded", "n"), nameless)
    assert set(queue_of(db)) == {"n"}
