"""plan_label_lists, store_label_page, settle_label_lists: labels of stored mail without a fetch."""

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument, LeaseLost
from tests.functions.conftest import (
    claimed,
    counts,
    listed,
    message,
    only,
    queue_of,
    store,
    stored_messages,
)

STORED = [f"m{number:02}" for number in range(40)]


@pytest.fixture
def task_id(functions: Session, db: Connection) -> str:
    """A full sync of a user with 40 messages in the inbox, all listed, and one to fetch."""
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set quota_profile = 'google-standard'")
    labels = [{"id": label} for label in ("INBOX", "SENT", "Label_1")]
    functions.rows("store_labels", task_id, Jsonb(labels))
    listed(functions, task_id, *STORED, "new")
    store(functions, task_id, *(message(each, "INBOX") for each in STORED))
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason)"
        " select 'ann', unnest(%s::text[]), 'listed'",
        [STORED],
    )
    return task_id


def plan(functions: Session, task_id: str) -> list[str]:
    return [row["label_id"] for row in functions.rows("plan_label_lists", task_id)]


def settle(functions: Session, task_id: str, limit: int = 7) -> None:
    after: str | None = ""
    while after is not None:
        after = functions.value("settle_label_lists", task_id, after, limit)


def list_all(functions: Session, task_id: str) -> None:
    """The first message has no label, the second has two; the others stay in the inbox."""
    functions.rows("store_label_page", task_id, "INBOX", STORED[1:20], False)
    functions.rows("store_label_page", task_id, "INBOX", [*STORED[20:], "new"], True)
    functions.rows("store_label_page", task_id, "Label_1", STORED[1:2], True)
    functions.rows("store_label_page", task_id, "SENT", [], True)


def test_lists_settle_the_labels_of_stored_messages(
    functions: Session, db: Connection, task_id: str
) -> None:
    before = counts(db, task_id)
    assert plan(functions, task_id) == ["INBOX", "Label_1", "SENT"]
    list_all(functions, task_id)
    assert plan(functions, task_id) == []
    settle(functions, task_id)

    assert set(queue_of(db)) == {"new"}
    labels = {key: row["label_ids"] for key, row in stored_messages(db).items()}
    assert labels == {each: ["INBOX"] for each in STORED} | {
        STORED[0]: [],
        STORED[1]: ["INBOX", "Label_1"],
    }
    # Each is new in this run, so none moves to another count.
    assert counts(db, task_id) == before
    assert only(db, "select count(*) from gmail_sync.label_listing") == 0


def test_what_changed_is_as_new_as_the_listing(
    functions: Session, db: Connection, task_id: str
) -> None:
    list_all(functions, task_id)
    changes = "select array_agg(change_number order by message_id) from gmail_sync.message"
    before = only(db, changes)
    settle(functions, task_id)
    after = only(db, changes)
    assert [old != new for old, new in zip(before, after, strict=True)] == [
        True,
        True,
        *[False] * 38,
    ]
    histories = "select array_agg(history_id::int order by message_id) from gmail_sync.message"
    assert only(db, histories) == [1000, 1000, *[100] * 38]


@pytest.mark.parametrize(
    ("change", "planned"),
    [
        # Three lists of one page each, at 5 units, beside 40 messages.
        ("update gmail_sync.quota_cost set units = 1 where format = 'minimal'", True),
        ("update gmail_sync.quota_cost set units = 14 where method = 'messages.list'", True),
        ("update gmail_sync.quota_cost set units = 300 where method = 'messages.list'", False),
        ("update gmail_sync.account set quota_profile = 'unlimited'", False),
        ("update gmail_sync.account set content_mode = 'raw'", False),
        ("delete from gmail_sync.fetch_queue where message_id <> 'new'", False),
        ("update gmail_sync.fetch_queue set dead = true", False),
        ("delete from gmail_sync.listing", False),
    ],
)
def test_the_prices_decide(
    functions: Session, db: Connection, task_id: str, change: str, planned: bool
) -> None:
    db.execute(change.encode())
    assert bool(plan(functions, task_id)) is planned


def test_incomplete_lists_settle_nothing(functions: Session, db: Connection, task_id: str) -> None:
    functions.rows("store_label_page", task_id, "INBOX", STORED, True)
    functions.rows("store_label_page", task_id, "SENT", [], True)
    assert plan(functions, task_id) == ["Label_1"]
    settle(functions, task_id)
    assert len(queue_of(db)) == 41
    assert only(db, "select count(*) from gmail_sync.label_listing") == 0


def test_without_lists_nothing_is_settled_even_where_no_label_exists(
    functions: Session, db: Connection, task_id: str
) -> None:
    db.execute("delete from gmail_sync.label")
    db.execute("update gmail_sync.message set label_ids = '{}'")
    settle(functions, task_id)
    assert len(queue_of(db)) == 41


def test_a_message_with_a_label_that_gmail_does_not_list_is_fetched(
    functions: Session, db: Connection, task_id: str
) -> None:
    store(functions, task_id, message("m05", "INBOX", "HIDDEN"))
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason)"
        " values ('ann', 'm05', 'listed')"
    )
    list_all(functions, task_id)
    settle(functions, task_id)
    assert set(queue_of(db)) == {"m05", "new"}


def test_pages_that_come_twice_change_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    list_all(functions, task_id)
    list_all(functions, task_id)
    settle(functions, task_id)
    labels = only(db, "select label_ids from gmail_sync.message where message_id = 'm01'")
    assert labels == ["INBOX", "Label_1"]


def test_the_lists_belong_to_one_listing(functions: Session, db: Connection, task_id: str) -> None:
    list_all(functions, task_id)
    while not functions.value("reconcile_listing", task_id):
        pass
    functions.rows("begin_listing", task_id, 2000, 41)
    assert only(db, "select count(*) from gmail_sync.label_listing") == 0


def test_lists_that_settle_nothing_are_dropped_in_steps(
    functions: Session, db: Connection, task_id: str
) -> None:
    functions.rows("store_label_page", task_id, "INBOX", STORED, True)

    assert functions.value("settle_label_lists", task_id, "", 30) == ""
    assert functions.value("settle_label_lists", task_id, "", 30) is None
    assert len(queue_of(db)) == 41


def test_what_is_left_of_dropped_lists_settles_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    list_all(functions, task_id)
    assert functions.value("settle_label_lists", task_id, "z", 1) == "z"
    settle(functions, task_id)
    assert len(queue_of(db)) == 41


@pytest.mark.parametrize("limit", [0, 10_001])
def test_only_possible_page_sizes(functions: Session, task_id: str, limit: int) -> None:
    list_all(functions, task_id)
    with pytest.raises(InvalidArgument):
        functions.value("settle_label_lists", task_id, "", limit)


def test_a_lost_lease_ends_it(functions: Session, task_id: str) -> None:
    functions.value("cancel_sync", task_id)
    for name, arguments in {
        "plan_label_lists": [],
        "store_label_page": ["INBOX", [], True],
        "settle_label_lists": [],
    }.items():
        with pytest.raises(LeaseLost):
            functions.rows(name, task_id, *arguments)
