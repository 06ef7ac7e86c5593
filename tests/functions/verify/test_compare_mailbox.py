"""compare_mailbox, store_compared_page, end_comparison."""

import uuid

from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, connected, listed, message, only, store, taken


def drift(functions: Session, remote: list[str], user: str = "ann") -> object:
    comparison = uuid.uuid4()
    for start in range(0, len(remote), 500):
        functions.value("store_compared_page", user, comparison, remote[start : start + 500])
    rows = functions.rows("compare_mailbox", user, comparison)
    functions.value("end_comparison", user, comparison)
    return sorted((row["drift"], row["message_id"]) for row in rows)


def a_mailbox(functions: Session) -> None:
    """Of ann: `s` and `x` stored, `d` deleted, `q` queued, `f` given up."""
    task_id = claimed(functions)
    listed(functions, task_id, "s", "x", "d", "q", "f")
    taken(functions, task_id)
    store(functions, task_id, message("s"), message("x"), message("d"))
    gone = {"message_id": "d", "error_message": "gone", "gone": True}
    failed = {
        "message_id": "f",
        "error_code": "bad_request",
        "error_message": "no",
        "permanent": True,
    }
    functions.rows("fail_messages", task_id, Jsonb([gone, failed]))


def test_what_agrees_is_no_drift(functions: Session) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"), message("b"))
    assert drift(functions, ["b", "a"]) == []


def test_each_way_to_differ_has_its_name(functions: Session) -> None:
    a_mailbox(functions)
    assert drift(functions, ["s", "d", "q", "f", "new"]) == [
        ("extra", "x"),
        ("failed", "f"),
        ("missing", "d"),
        ("missing", "new"),
        ("queued", "q"),
    ]


def test_a_stored_message_that_was_given_up_later_is_told(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"), message("b"))
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead, error_message)"
        " values ('ann', 'a', 'listed', true, 'y'), ('ann', 'b', 'listed', false, null)"
    )
    assert drift(functions, ["a", "b"]) == [("failed", "a")]


def test_what_was_given_up_and_is_in_gmail_no_more_is_no_drift(functions: Session) -> None:
    a_mailbox(functions)
    assert drift(functions, ["s", "x", "q"]) == [("queued", "q")]


def test_other_users_mail_is_not_looked_at(functions: Session) -> None:
    a_mailbox(functions)
    connected(functions, "bo")
    assert drift(functions, ["s"], "bo") == [("missing", "s")]
    assert drift(functions, [], "nobody") == []


def test_ids_named_twice_count_once(functions: Session) -> None:
    a_mailbox(functions)
    comparison = uuid.uuid4()
    pages = [["new", "new", "s"], ["s", "x", "q"]]
    new = [functions.value("store_compared_page", "ann", comparison, page) for page in pages]
    assert new == [2, 2]
    rows = functions.rows("compare_mailbox", "ann", comparison)
    assert [row["drift"] for row in rows] == ["missing", "queued"]


def test_comparisons_of_a_user_do_not_meet(functions: Session, db: Connection) -> None:
    a_mailbox(functions)
    other = uuid.uuid4()
    functions.value("store_compared_page", "ann", other, ["elsewhere"])

    assert drift(functions, ["s", "x", "q"]) == [("queued", "q")]
    left = db.execute("select comparison, message_id from gmail_sync.compared_message").fetchall()
    assert left == [{"comparison": other, "message_id": "elsewhere"}]


def test_the_ids_of_an_interrupted_comparison_go_after_a_day(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    for age in ("23 h", "25 h"):
        functions.value("store_compared_page", "ann", uuid.uuid4(), [age])
        db.execute(
            "update gmail_sync.compared_message set stored_at = now() - %s::interval"
            " where message_id = %s",
            [age, age],
        )

    functions.value("prune_sync_history")

    assert only(db, "select string_agg(message_id, ' ') from gmail_sync.compared_message") == "23 h"


def test_stored_messages_are_counted_without_deleted_ones(functions: Session) -> None:
    a_mailbox(functions)
    assert functions.row("count_messages", "ann") == {"messages": 2, "with_raw": 0}
    assert functions.row("count_messages", "nobody") == {"messages": 0, "with_raw": 0}


def test_a_hundred_thousand_ids_are_compared_within_seconds(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    db.execute(
        "insert into gmail_sync.message (user_id, message_id, thread_id, history_id,"
        " internal_date, label_ids, headers, snippet, size_estimate, change_number)"
        " select 'ann', 'm' || n, 't', 1, now(), '{}', '[]', '', 1, n"
        " from generate_series(1, 100000) n"
    )
    remote = [f"m{n}" for n in range(2, 100_002)]
    # A plan that compares each with each would run into the session's statement_timeout.
    assert drift(functions, remote) == [("extra", "m1"), ("missing", "m100001")]
