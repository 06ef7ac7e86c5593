import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument


def give_up(
    db: Connection, user: str, message_id: str, message: str | None, code: str | None = None
) -> None:
    db.execute(
        "insert into gmail_sync.fetch_queue"
        " (user_id, message_id, reason, dead, error_message, error_code)"
        " values (%s, %s, 'listed', true, %s, %s)",
        [user, message_id, message, code],
    )


def test_dead_letters_are_counted_by_user_and_error(functions: Session, db: Connection) -> None:
    for number in range(3):
        give_up(db, "ann", f"m{number}", "larger than 50 MB", "too_large")
    give_up(db, "ann", "n", "its parts cannot be read")
    give_up(db, "zoe", "o", "larger than 50 MB", "too_large")
    give_up(db, "zoe", "p", None)
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, error_message)"
        " values ('zoe', 'to be tried again', 'listed', 'x')"
    )
    assert [tuple(row.values()) for row in functions.rows("list_dead_letters")] == [
        ("ann", "too_large", "larger than 50 MB", 3, False, "m0"),
        ("ann", None, "its parts cannot be read", 1, False, "n"),
        ("zoe", "too_large", "larger than 50 MB", 1, False, "o"),
        ("zoe", None, None, 1, False, "p"),
    ]


def test_pages_have_users_in_order(functions: Session, db: Connection) -> None:
    for user in ("ann", "bob", "cy"):
        for code in ("too_large", "unreadable"):
            give_up(db, user, code, "why", code)
    first = functions.rows("list_dead_letters", 2)
    assert [row["user_id"] for row in first] == ["ann", "ann", "bob", "bob"]
    second = functions.rows("list_dead_letters", 2, "bob")
    assert [row["user_id"] for row in second] == ["cy", "cy"]
    assert functions.rows("list_dead_letters", 2, "cy") == []
    assert functions.rows("list_dead_letters", p_user_id="bob") == first[2:]
    assert functions.rows("list_dead_letters", p_user_id="b") == []


def test_many_of_a_user_are_an_estimate(functions: Session, db: Connection) -> None:
    for user, count in (("ann", 999), ("bob", 1_500)):
        db.execute(
            "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
            " select %s, n, 'listed', true from generate_series(1, %s) n",
            [user, count],
        )
    ann, bob = functions.rows("list_dead_letters")
    assert (ann["messages"], ann["is_estimate"]) == (999, False)
    assert (bob["messages"], bob["is_estimate"]) == (1_000, True)


@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_limit_out_of_range_is_refused(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_dead_letters", limit)
