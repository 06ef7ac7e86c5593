"""take_messages, fail_messages and return_messages: the queue of messages to fetch."""

import uuid

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
    set_settings,
    shift,
    store,
    stored_messages,
    taken,
)


def fail(functions: Session, task_id: str, message_id: str, **answer: object) -> None:
    failure = {"message_id": message_id, "error_message": "backendError", **answer}
    functions.rows("fail_messages", task_id, Jsonb([failure]))


def successor(functions: Session, db: Connection, task_id: str) -> str:
    """The claimed successor of a run whose worker died."""
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")
    new: str = functions.value("claim_sync", uuid.uuid4())
    return new


def make_due(db: Connection) -> None:
    db.execute("update gmail_sync.fetch_queue set not_before = now()")


def test_only_storing_waits_for_the_disk(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "m")

    with db.transaction():
        db.execute("select gmail_sync.take_messages(%s)", [task_id])
        assert only(db, "show synchronous_commit") == "off"
    with db.transaction():
        db.execute(
            "select gmail_sync.store_messages(%s, %s, array[null::bytea])",
            [task_id, Jsonb([message("m")])],
        )
        assert only(db, "show synchronous_commit") == "on"


@pytest.mark.parametrize(
    ("user_units", "project_units", "most"),
    [(50, 1000, 2), (1000, 70, 3), (100, None, 5), (20, None, 1), (5, None, 1), (None, None, 6)],
)
def test_no_more_is_handed_out_than_the_caps_allow_at_once(
    functions: Session,
    db: Connection,
    user_units: int | None,
    project_units: int | None,
    most: int,
) -> None:
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set quota_profile = 'google-standard'")
    db.execute(
        "update gmail_sync.quota_profile set user_units = %s, project_units = %s",
        [user_units, project_units],
    )
    listed(functions, task_id, *"abcdef")
    assert len(taken(functions, task_id)) == most


def test_a_message_is_handed_to_a_task_once(functions: Session) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b", "c")
    assert taken(functions, task_id, 2) == ["a", "b"]
    assert taken(functions, task_id, 2) == ["c"]
    assert taken(functions, task_id, 2) == []


def test_a_message_comes_with_its_attempts(functions: Session) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    assert functions.rows("take_messages", task_id) == [
        {
            "message_id": "a",
            "attempts": 1,
            "known": False,
            "content_mode": "full",
            "thread_id": None,
        }
    ]


def test_known_messages_need_only_their_labels(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("whole"), message("tombstoned"))
    history(functions, task_id, record(500, "messagesDeleted", "tombstoned"))
    listed(functions, task_id, "whole", "tombstoned", "unknown")
    rows = functions.rows("take_messages", task_id)
    assert [(row["message_id"], row["known"]) for row in rows] == [
        ("whole", True), ("tombstoned", False), ("unknown", False),
    ]  # fmt: skip
    functions.rows("return_messages", task_id)
    db.execute("update gmail_sync.account set content_mode = 'raw'")
    assert [row["known"] for row in functions.rows("take_messages", task_id)] == 3 * [False]


def test_taking_is_a_beat_but_no_progress(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    before = run_of(db, task_id)
    taken(functions, task_id)
    after = run_of(db, task_id)
    assert after["progressed_at"] == before["progressed_at"]
    assert after["updated_at"] > before["updated_at"]


def test_a_successor_gets_what_the_dead_one_had(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    assert taken(functions, task_id) == ["a", "b"]
    store(functions, task_id, message("a"))
    new = successor(functions, db, task_id)
    rows = functions.rows("take_messages", new)
    assert [(row["message_id"], row["attempts"]) for row in rows] == [("b", 2)]
    assert counts(db, new) == {"found": 2, "new": 1, "pending": 1}


def test_what_was_tried_before_comes_last_and_in_halved_batches(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, *(f"m{n}" for n in range(8)), token="page 2")
    assert len(taken(functions, task_id, 8)) == 8
    new = successor(functions, db, task_id)
    listed(functions, new, "fresh")
    assert taken(functions, new, 8) == ["fresh"]
    assert [len(taken(functions, new, 8)) for _ in range(3)] == [4, 4, 0]
    third = successor(functions, db, new)
    assert taken(functions, third, 8) == ["fresh"]
    assert [len(taken(functions, third, 8)) for _ in range(5)] == [2, 2, 2, 2, 0]


def test_mail_that_kills_its_worker_is_found_and_given_up(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    messages = {f"m{n}" for n in range(10)}
    listed(functions, task_id, *messages)
    set_settings(db, max_attempts=100)
    deaths = 0
    while batch := taken(functions, task_id, 8):
        if "m3" in batch:
            deaths += 1
            task_id = successor(functions, db, task_id)
        else:
            store(functions, task_id, *(message(message_id) for message_id in batch))
    assert set(stored_messages(db)) == messages - {"m3"}
    dead = queue_of(db)["m3"]
    assert (dead["dead"], dead["error_code"]) == (True, "worker_lost")
    assert dead["error_message"] == "no answer in 8 tries"
    assert deaths == 8
    assert counts(db, task_id) == {"found": 10, "new": 9, "failed": 1}
    functions.rows("reconcile_listing", task_id)
    assert functions.value("release_sync", task_id) is True


def test_a_failed_message_waits_longer_each_time(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    waits: list[float] = []
    for _ in range(7):
        assert taken(functions, task_id) == ["a"]
        fail(functions, task_id, "a")
        assert taken(functions, task_id) == []
        wait = queue_of(db)["a"]["not_before"] - run_of(db, task_id)["updated_at"]
        waits.append(wait.total_seconds())
        make_due(db)
    assert waits == pytest.approx([5, 25, 125, 600, 600, 600, 600], abs=4)
    assert taken(functions, task_id) == ["a"]
    fail(functions, task_id, "a", error_code="parse", error_message="still broken")
    make_due(db)
    assert taken(functions, task_id) == []
    row = queue_of(db)["a"]
    assert (row["dead"], row["attempts"]) == (True, 8)
    assert (row["error_code"], row["error_message"]) == ("parse", "still broken")


def test_a_message_in_backoff_counts_as_failed_until_it_is_found_again(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    taken(functions, task_id)
    fail(functions, task_id, "a")
    assert counts(db, task_id) == {"found": 1, "failed": 1}
    make_due(db)
    taken(functions, task_id)
    assert counts(db, task_id) == {"found": 1, "pending": 1}
    store(functions, task_id, message("a"))
    assert counts(db, task_id) == {"found": 1, "new": 1}


def test_a_permanent_failure_is_given_up_at_once(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    taken(functions, task_id)
    fail(functions, task_id, "a", permanent=True)
    assert queue_of(db)["a"]["dead"]
    assert counts(db, task_id) == {"found": 1, "failed": 1}


def test_a_message_that_is_gone_is_no_failure(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("known"))
    listed(functions, task_id, "known", "unknown")
    taken(functions, task_id)
    functions.rows(
        "fail_messages",
        task_id,
        Jsonb(
            [
                {"message_id": name, "error_message": "notFound", "gone": True}
                for name in ("known", "unknown")
            ]
        ),
    )
    assert queue_of(db) == {}
    assert counts(db, task_id) == {"found": 2, "deleted": 1, "gone": 1}
    assert stored_messages(db)["known"]["deleted_at"] is not None


def test_failing_nothing_is_a_beat(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    functions.rows("fail_messages", task_id, Jsonb([]))
    assert counts(db, task_id) == {}


def test_a_returned_message_was_not_tried(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    taken(functions, task_id)
    assert functions.value("return_messages", task_id, ["a"]) == 1
    assert queue_of(db)["a"]["attempts"] == 0
    assert taken(functions, task_id) == ["a"]
    assert functions.value("return_messages", task_id) == 2
    assert taken(functions, task_id) == ["a", "b"]


def test_only_what_the_task_has_is_returned(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    other = claimed(functions, "bo")
    assert functions.value("return_messages", task_id, ["a", "unknown"]) == 0
    taken(functions, task_id)
    assert functions.value("return_messages", other, ["a"]) == 0
    assert only(db, "select task_id from gmail_sync.fetch_batch") == task_id


def test_a_take_reads_little_of_a_long_queue(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, *(f"m{n}" for n in range(20_000)))
    db.execute("analyze gmail_sync.fetch_queue")
    # As in a queue of a million rows that have moved: the table seems to cost less than an index.
    db.execute("set random_page_cost = 40")
    db.execute("set plan_cache_mode = force_generic_plan")
    read = """
        select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
        where relid = 'gmail_sync.fetch_queue'::regclass
    """

    with db.transaction():
        before = only(db, read)
        taken = db.execute("select * from gmail_sync.take_messages(%s)", [task_id]).fetchall()
        assert only(db, read) - before <= 2 * len(taken) + 5
