"""changes_since and latest_changes."""

import threading
from collections.abc import Callable

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import ChangesUnknown, InvalidArgument
from tests.functions.conftest import (
    claimed,
    connected,
    history,
    listed,
    message,
    record,
    store,
    together,
)


def read_all(functions: Session, user: str = "ann", after: int = 0) -> list[tuple[str, bool]]:
    rows = functions.rows("changes_since", user, after)
    return [(row["message_id"], row["deleted"]) for row in rows]


def test_changes_come_in_order_and_deletions_among_them(functions: Session) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"), message("b"))
    history(functions, task_id, record(500, "labelsAdded", "a", "X"))
    history(functions, task_id, record(501, "messagesDeleted", "b"))
    store(functions, task_id, message("c"))
    assert read_all(functions) == [("a", False), ("b", True), ("c", False)]


def test_reading_goes_on_after_the_last_number(functions: Session) -> None:
    task_id = claimed(functions)
    store(functions, task_id, *(message(f"m{n}") for n in range(5)))
    seen: list[str] = []
    after = 0
    while rows := functions.rows("changes_since", "ann", after, 2):
        seen += [row["message_id"] for row in rows]
        after = rows[-1]["change_number"]
    assert seen == [f"m{n}" for n in range(5)]
    assert read_all(functions, after=after) == []


@pytest.mark.parametrize("change", ["store", "refresh", "label", "delete", "gone", "reconcile"])
def test_every_kind_of_change_is_seen(functions: Session, change: str) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    after = functions.rows("changes_since", "ann")[-1]["change_number"]
    if change == "store":
        store(functions, task_id, message("m"))
    elif change == "refresh":
        minimal = {"message_id": "m", "history_id": "9", "label_ids": []}
        functions.rows("refresh_messages", task_id, Jsonb([minimal]))
    elif change == "label":
        history(functions, task_id, record(500, "labelsRemoved", "m", "INBOX"))
    elif change == "delete":
        history(functions, task_id, record(500, "messagesDeleted", "m"))
    elif change == "gone":
        gone = {"message_id": "m", "error_message": "notFound", "gone": True}
        functions.rows("fail_messages", task_id, Jsonb([gone]))
    else:
        listed(functions, task_id)
        functions.rows("reconcile_listing", task_id)
    deleted = change in ("delete", "gone", "reconcile")
    assert read_all(functions, after=after) == [("m", deleted)]


def test_a_users_changes_are_his_own(functions: Session) -> None:
    store(functions, claimed(functions, "bo"), message("m"))
    assert read_all(functions) == []


def test_an_absurd_page_size_is_refused(functions: Session) -> None:
    for limit in [0, -1, 10_001, None]:
        with pytest.raises(InvalidArgument):
            functions.rows("changes_since", "ann", 0, limit)


def test_a_reader_beside_many_writers_misses_nothing(
    functions: Session, sessions: Callable[[int], list[Session]]
) -> None:
    """Two threads write one user's mail, another that of a second user; a third reads."""
    ann, bo = claimed(functions, "ann"), claimed(functions, "bo")
    *writers, reader = sessions(4)
    done = threading.Event()
    batches = 40

    def write(index: int) -> None:
        task_id = bo if index == 2 else ann
        for batch in range(batches):
            names = [f"w{index} {batch} {n}" for n in range(1 + batch % 7)]
            store(writers[index], task_id, *(message(name) for name in names))

    def read() -> list[str]:
        seen: list[str] = []
        after, last = 0, False
        while not last:
            last = done.is_set()
            while rows := reader.rows("changes_since", "ann", after, 50):
                seen += [row["message_id"] for row in rows]
                after = rows[-1]["change_number"]
        return seen

    def act(index: int) -> list[str]:
        if index == 3:
            return read()
        if index == 0:
            together(3, write)
            done.set()
        return []

    seen = together(4, act)[3]
    assert len(seen) == len(set(seen))
    assert set(seen) == {name for name, _ in read_all(functions)}
    assert len(seen) == 2 * sum(1 + batch % 7 for batch in range(batches))


def refused(functions: Session, after: int) -> bool:
    try:
        functions.rows("changes_since", "ann", after)
    except ChangesUnknown:
        return True
    return False


def test_mail_deleted_as_a_whole_sends_its_readers_to_the_start(functions: Session) -> None:
    store(functions, claimed(functions), message("a"), message("b"))
    first, last = (row["change_number"] for row in functions.rows("changes_since", "ann"))
    assert not refused(functions, first)
    functions.value("delete_account", "ann")
    assert [refused(functions, number) for number in (0, first, last)] == [False, True, True]

    store(functions, claimed(functions), message("a"))
    assert [refused(functions, number) for number in (0, first, last)] == [False, True, True]
    (row,) = functions.rows("changes_since", "ann")
    assert not refused(functions, row["change_number"])


def test_each_step_of_a_deletion_sends_readers_to_the_start(
    functions: Session, db: Connection
) -> None:
    store(functions, claimed(functions), message("a"), message("b"))
    # As while an expired history is being replaced by a new listing.
    db.execute("update gmail_sync.account set listing_history_id = null, history_id = null")
    last = functions.rows("changes_since", "ann")[-1]["change_number"]
    functions.row("begin_disconnect", "ann")
    assert not refused(functions, last)
    functions.value("delete_mail_step", "ann", 1)
    assert refused(functions, last)


def test_mail_that_stays_keeps_its_readers(functions: Session) -> None:
    store(functions, claimed(functions), message("a"))
    last = functions.rows("changes_since", "ann")[-1]["change_number"]
    functions.rows("disconnect_account", "ann")
    connected(functions, "ann")
    assert not refused(functions, last)


def test_a_database_restored_to_an_earlier_time_sends_its_readers_to_the_start(
    functions: Session, db: Connection
) -> None:
    store(functions, claimed(functions), message("a"))
    last = functions.rows("changes_since", "ann")[-1]["change_number"]
    db.execute("select setval('gmail_sync.message_change', %s)", [last - 1])
    assert refused(functions, last)


def test_the_latest_change_of_each_user_is_known(functions: Session) -> None:
    store(functions, claimed(functions), message("a"), message("b"))
    last = functions.rows("changes_since", "ann")[-1]["change_number"]
    assert functions.rows("latest_changes", ["ann", "nobody"]) == [
        {"user_id": "ann", "change_number": last},
        {"user_id": "nobody", "change_number": 0},
    ]
