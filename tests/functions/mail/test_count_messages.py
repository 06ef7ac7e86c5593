"""Each write of mail counts, and the counts are always those of the mail that is stored."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import LeaseLost
from tests.functions.conftest import (
    claimed,
    history,
    listed,
    message,
    only,
    record,
    set_settings,
    store,
    together,
)
from tests.model.profile import LONG, search_settings

messages = st.sampled_from("abcd")


def counted(functions: Session, user: str = "ann") -> tuple[int, int]:
    row = functions.row("count_messages", user)
    assert row is not None
    return row["messages"], row["with_raw"]


def store_raw(functions: Session, task_id: str, message_id: str) -> None:
    functions.rows("store_messages", task_id, Jsonb([message(message_id)]), [b"raw"])


class Writes(RuleBasedStateMachine):
    def __init__(self, db: Connection, functions: Session) -> None:
        super().__init__()
        self.db, self.functions = db, functions
        functions.value("delete_account", "ann")
        self.begin()

    def begin(self) -> None:
        self.task_id = claimed(self.functions)
        listed(self.functions, self.task_id, *"abcd")
        self.number = 0

    @rule(message_id=messages, label=st.sampled_from(["X", "Y"]))
    def stores(self, message_id: str, label: str) -> None:
        store(self.functions, self.task_id, message(message_id, label))

    @rule(message_id=messages)
    def stores_raw(self, message_id: str) -> None:
        store_raw(self.functions, self.task_id, message_id)

    @rule(message_id=messages)
    def refreshes(self, message_id: str) -> None:
        labels = [{"message_id": message_id, "history_id": "9", "label_ids": ["Z"]}]
        self.functions.rows("refresh_messages", self.task_id, Jsonb(labels))

    @rule(message_ids=st.lists(messages, unique=True, min_size=1))
    def finds_gone(self, message_ids: list[str]) -> None:
        failures = [{"message_id": each, "gone": True} for each in message_ids]
        self.functions.rows("fail_messages", self.task_id, Jsonb(failures))

    @rule(message_id=messages, kind=st.sampled_from(["messagesAdded", "messagesDeleted"]))
    def follows(self, message_id: str, kind: str) -> None:
        self.number += 1
        history(self.functions, self.task_id, record(10**6 + self.number, kind, message_id))

    @rule()
    def reconciles(self) -> None:
        self.functions.rows("restart_listing", self.task_id)
        listed(self.functions, self.task_id, "a", "b")
        with suppress(Exception):
            self.functions.rows("reconcile_listing", self.task_id)

    @rule(delete_mail=st.booleans())
    def disconnects(self, delete_mail: bool) -> None:
        self.functions.value("disconnect_account", "ann", delete_mail)
        self.begin()

    @rule()
    def deletes_some(self) -> None:
        self.functions.value("begin_disconnect", "ann")
        self.functions.value("delete_mail_step", "ann", 1)
        self.begin()

    @invariant()
    def counts_are_right(self) -> None:
        assert self.db.execute("select * from gmail_sync._miscounted_mail()").fetchall() == []


def test_counts_are_right_after_any_writes(db: Connection, functions: Session) -> None:
    set_settings(db, max_connects_a_minute=1_000_000, max_starts_a_minute=1_000_000)

    class WritesHere(Writes):
        def __init__(self) -> None:
            super().__init__(db, functions)

    run_state_machine_as_test(
        WritesHere, settings=search_settings(200 if LONG else 15, 60 if LONG else 25)
    )


def test_a_message_that_comes_back_counts_once_more(functions: Session) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"), message("b"))
    store_raw(functions, task_id, "a")
    store(functions, task_id, message("a"))
    assert counted(functions) == (2, 1)
    functions.rows("fail_messages", task_id, Jsonb([{"message_id": "a", "gone": True}]))
    assert counted(functions) == (1, 0)
    store(functions, task_id, message("a"))
    # Its raw copy was kept.
    assert counted(functions) == (2, 1)


def test_a_write_that_is_undone_does_not_count(
    functions: Session, locked: Callable[[str], Connection]
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"))
    killed = locked("select 1")
    killed.execute(
        "select gmail_sync.store_messages(%s, %s, %s)", [task_id, Jsonb([message("b")]), [None]]
    )
    assert counted(functions) == (1, 0)
    killed.close()
    functions.value("cancel_sync", task_id)
    with pytest.raises(LeaseLost):
        store(functions, task_id, message("c"))
    assert counted(functions) == (1, 0)


def test_writers_at_once_lose_no_count(
    functions: Session, sessions: Callable[[int], list[Session]]
) -> None:
    task_id = claimed(functions)
    writers = sessions(8)

    def write(number: int) -> None:
        for each in range(5):
            store(writers[number], task_id, message(f"{number}-{each}"), message("same"))

    together(8, write)
    assert counted(functions) == (41, 0)


def test_a_repair_counts_again(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), message("a"), message("b"))
    db.execute("update gmail_sync.mail_count set messages = 7, with_raw = 1")
    (found,) = functions.rows("check_sync_consistency")
    assert (found["user_id"], found["task_id"], found["rule"]) == ("ann", None, "mail_is_counted")
    assert found["explanation"] == "7 messages are counted, 1 with a raw copy; 2 and 0 are stored"
    (repaired,) = functions.rows("repair_sync_consistency")
    assert (repaired["user_id"], repaired["action"]) == ("ann", "counted again")
    assert counted(functions) == (2, 0)
    assert functions.rows("check_sync_consistency") == []


def test_a_repair_adds_and_removes_counts(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), message("a"))
    db.execute("delete from gmail_sync.mail_count")
    db.execute("insert into gmail_sync.mail_count values ('nobody', 1, 0)")
    assert len(functions.rows("repair_sync_consistency")) == 2
    assert counted(functions) == (1, 0)
    assert only(db, "select count(*) from gmail_sync.mail_count") == 1
