import threading
from collections.abc import Callable

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, history, listed, message, record, store, together


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
