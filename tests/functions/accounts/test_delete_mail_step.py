"""delete_mail_step."""

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    claimed,
    listed,
    message,
    only,
    queue_of,
    store,
    stored_messages,
)

TABLES = ("message", "message_words", "index_queue", "attachment", "fetch_queue", "listing")


def left(db: Connection, user: str = "ann") -> dict[str, int]:
    counts = {
        table: only(db, f"select count(*) from gmail_sync.{table} where user_id = '{user}'")
        for table in TABLES
    }
    return {table: count for table, count in counts.items() if count}


def closed(functions: Session, user: str = "ann") -> None:
    """A user with seven stored messages and three to fetch, whose account is closed."""
    task_id = claimed(functions, user)
    listed(functions, task_id, *"abcdefghij")
    store(functions, task_id, *map(message, "abcdefg"))
    functions.value("begin_disconnect", user)


def test_mail_is_deleted_in_steps(functions: Session, db: Connection) -> None:
    closed(functions, "bo")
    closed(functions)
    others = left(db, "bo")

    steps = [functions.value("delete_mail_step", "ann", 4) for _ in range(3)]

    assert steps == [False, False, True]
    assert left(db) == {}
    assert left(db, "bo") == others


def test_a_step_deletes_no_more_than_asked(functions: Session, db: Connection) -> None:
    closed(functions)
    before = left(db)

    functions.value("delete_mail_step", "ann", 2)

    assert {table: before[table] - count for table, count in left(db).items()} == dict.fromkeys(
        before, 2
    )


def test_an_account_in_use_keeps_its_mail(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"))

    assert functions.value("delete_mail_step", "ann") is True
    assert set(stored_messages(db)) == {"a"}


def test_after_a_step_a_new_connection_begins_with_a_full_sync(
    functions: Session, db: Connection
) -> None:
    closed(functions)
    functions.value("delete_mail_step", "ann", 1)

    task_id = claimed(functions)

    assert only(db, "select sync_type from gmail_sync.user_sync_status where is_syncing") == "full"
    listed(functions, task_id, "a", "b")
    assert {"a", "b"} <= set(queue_of(db))


@pytest.mark.parametrize("limit", [0, 10_001])
def test_other_numbers_at_a_time_are_refused(functions: Session, limit: int) -> None:
    with pytest.raises(InvalidArgument):
        functions.value("delete_mail_step", "ann", limit)


def test_a_user_without_mail_needs_no_step(functions: Session) -> None:
    assert functions.value("delete_mail_step", "nobody") is True
