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
        ("ann", "too_large", "larger than 50 MB", 3, "m0"),
        ("ann", None, "its parts cannot be read", 1, "n"),
        ("zoe", "too_large", "larger than 50 MB", 1, "o"),
        ("zoe", None, None, 1, "p"),
    ]


def test_a_page_is_no_longer_than_the_limit(functions: Session, db: Connection) -> None:
    for user in ("ann", "bob"):
        give_up(db, user, "m", "why")
    assert len(functions.rows("list_dead_letters", 1)) == 1


@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_limit_out_of_range_is_refused(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_dead_letters", limit)
