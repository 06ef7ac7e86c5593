"""Messages that are taken with their thread, where one call for it costs less."""

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    history,
    message,
    only,
    queue_of,
    record,
    store,
    taken,
)

PROFILE = "google-standard"


@pytest.fixture
def task_id(functions: Session, db: Connection) -> str:
    """A run of an account to which Google's prices apply: 40 units a thread, 20 a message."""
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set quota_profile = %s", [PROFILE])
    return task_id


def listed(functions: Session, task_id: str, *messages: str) -> None:
    """List messages, newest first, that are named thread.message."""
    functions.rows("begin_listing", task_id, 1000, len(messages))
    threads = [each.split(".")[0] for each in messages]
    functions.rows("store_listing_page", task_id, list(messages), None, threads)


def batch(functions: Session, task_id: str, limit: int = 12) -> dict[str, str | None]:
    """The messages of a batch in their order, each with the thread that brings it."""
    rows = functions.rows("take_messages", task_id, limit)
    return {row["message_id"]: row["thread_id"] for row in rows}


def set_price(db: Connection, method: str, units: int) -> None:
    db.execute(
        "update gmail_sync.quota_cost set units = %s where method = %s and format = 'full'",
        [units, method],
    )


def test_a_thread_comes_with_its_newest_message(functions: Session, task_id: str) -> None:
    listed(functions, task_id, "a.1", "b.1", "c.1", "b.2", "c.2", "b.3")
    assert list(batch(functions, task_id).items()) == [
        ("a.1", None), ("b.1", "b"), ("b.2", "b"), ("b.3", "b"), ("c.1", None), ("c.2", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("thread", "get", "pays_from"), [(40, 20, 3), (40, 60, 1), (40, 15, 3), (39, 20, 2)]
)
def test_the_prices_decide_from_how_many_messages_on_a_thread_pays(
    functions: Session, db: Connection, task_id: str, thread: int, get: int, pays_from: int
) -> None:
    set_price(db, "threads.get", thread)
    set_price(db, "messages.get", get)
    listed(functions, task_id, "a.1", "b.1", "b.2", "c.1", "c.2", "c.3")
    sizes = {"a": 1, "b": 2, "c": 3}
    for message_id, thread_id in batch(functions, task_id).items():
        name = message_id[0]
        assert thread_id == (name if sizes[name] >= pays_from else None)


@pytest.mark.parametrize(
    "statement",
    [
        "update gmail_sync.account set content_mode = 'raw'",
        "update gmail_sync.account set quota_profile = 'unlimited'",
        "delete from gmail_sync.quota_cost where method = 'threads.get'",
        "update gmail_sync.fetch_queue set attempts = 1",
    ],
)
def test_no_thread_is_asked_for_where_it_cannot_pay(
    functions: Session, db: Connection, task_id: str, statement: str
) -> None:
    listed(functions, task_id, "a.1", "b.1", "a.2", "a.3")
    db.execute(statement)
    assert set(batch(functions, task_id).values()) == {None}


def test_only_what_is_due_and_not_stored_counts(
    functions: Session, db: Connection, task_id: str
) -> None:
    store(functions, task_id, message("a.1"))
    listed(functions, task_id, "a.1", "a.2", "a.3", "b.1", "b.2", "b.3")
    db.execute(
        "update gmail_sync.fetch_queue set not_before = now() + interval '1 min'"
        " where message_id = 'b.3'"
    )
    db.execute("delete from gmail_sync.touched where message_id = 'b.3'")
    assert batch(functions, task_id) == dict.fromkeys(["a.1", "a.2", "a.3", "b.1", "b.2"])


def test_a_thread_without_room_begins_the_next_batch(functions: Session, task_id: str) -> None:
    listed(functions, task_id, "a.1", "b.1", "b.2", "b.3", "c.1")
    assert batch(functions, task_id, 3) == {"a.1": None}
    assert batch(functions, task_id, 3) == {"b.1": "b", "b.2": "b", "b.3": "b"}
    assert batch(functions, task_id, 3) == {"c.1": None}


def test_a_thread_larger_than_a_batch_is_taken_in_parts(functions: Session, task_id: str) -> None:
    names = [f"a.{n}" for n in range(10)]
    listed(functions, task_id, *names, "b.1")
    assert batch(functions, task_id, 4) == dict.fromkeys(names[:4], "a")
    assert batch(functions, task_id, 4) == dict.fromkeys(names[4:8], "a")
    # The two that are left cost no more singly.
    assert batch(functions, task_id, 4) == dict.fromkeys([*names[8:], "b.1"])


def test_a_batch_visits_few_rows_of_a_long_queue(
    functions: Session, db: Connection, task_id: str
) -> None:
    """Though its plans were made for an empty table, which nobody has analyzed since."""
    db.execute("set plan_cache_mode = force_generic_plan")
    listed(functions, task_id, *(f"{n % 700}.{n // 700}" for n in range(2_100)))
    visited = """
        select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables
        where relid = 'gmail_sync.fetch_queue'::regclass
    """
    with db.transaction():
        for _ in range(3):
            before = only(db, visited)
            rows = db.execute(
                "select * from gmail_sync._next_batch('ann', 0, '{}', 12, 3)"
            ).fetchall()
            assert [row["thread_id"] for row in rows] == [f"{n // 3}" for n in range(12)]
            # The next 12, and twice the three of each one's thread.
            assert only(db, visited) - before <= 12 + 2 * 36


def test_the_history_names_threads_too(functions: Session, db: Connection, task_id: str) -> None:
    history(functions, task_id, record(500, "messagesAdded", "m"))
    assert queue_of(db)["m"]["thread_id"] == "t-m"


def test_a_split_thread_is_fetched_singly_without_an_attempt(
    functions: Session, db: Connection, task_id: str
) -> None:
    names = ["a.1", "a.2", "a.3"]
    listed(functions, task_id, *names)
    assert batch(functions, task_id) == dict.fromkeys(names, "a")
    functions.rows("split_threads", task_id, names)
    assert batch(functions, task_id) == dict.fromkeys(names)
    assert {row["attempts"] for row in queue_of(db).values()} == {0}


def test_a_message_that_kills_its_worker_is_found_in_a_thread(
    functions: Session, db: Connection, task_id: str
) -> None:
    listed(functions, task_id, *(f"a.{n}" for n in range(12)))
    assert set(batch(functions, task_id).values()) == {"a"}
    db.execute("update gmail_sync.fetch_batch set task_id = 'another run'")
    assert len(taken(functions, task_id, 12)) == 6
    assert {row["attempts"] for row in queue_of(db).values()} == {1}
