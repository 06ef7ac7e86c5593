"""A task that holds no lease writes nothing, whatever it calls and whenever it lost it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import LeaseLost
from tests.functions.conftest import (
    claimed,
    connected,
    gets,
    listed,
    message,
    queued,
    record,
    run_of,
    shift,
    somebody_waits_for_a_lock,
    store,
    stored_messages,
    taken,
)
from tests.waiting import wait_until

Locked = Callable[[str], psycopg.Connection[Row]]

CALLS: dict[str, list[Any]] = {
    "apply_history": [Jsonb([record(500, "messagesAdded", "n")]), 501],
    "begin_listing": [1000, 5],
    "reserve_run_quota": [gets()],
    "expire_history": [],
    "fail_messages": [Jsonb([{"message_id": "a", "error_message": "x", "gone": True}])],
    "prepare_sync": [""],
    "database_time": [],
    "get_cursor": [],
    "has_imported_messages": [],
    "join_imported_messages": [],
    "list_unmatched_imports": [],
    "match_imported_messages": [["a"], ["a"], ["t-a"]],
    "plan_label_lists": [],
    "reconcile_listing": [],
    "refresh_messages": [Jsonb([{"message_id": "s", "history_id": "9", "label_ids": ["X"]}])],
    "report_progress": ["2030-01-01"],
    "restart_listing": [],
    "return_messages": [["a"]],
    "confirm_mailbox_identity": ["ann@mail.example"],
    "settle_label_lists": [],
    "split_threads": [["a"]],
    "store_label_page": ["L", ["s"], True],
    "store_labels": [Jsonb([{"id": "L", "name": "L"}])],
    "store_listing_page": [["n"], None],
    "store_watch": ["2030-01-01"],
    "watch_is_due": [],
    "store_messages": [Jsonb([message("n")]), [None]],
    "take_messages": [],
}
# They answer false, NULL or nothing where there is no lease.
ANSWER_WITHOUT_A_LEASE = {
    "cancel_sync", "handover_sync", "heartbeat", "release_sync", "sync_run",
}  # fmt: skip


def everything(db: Connection) -> dict[str, list[str]]:
    """All rows of all tables of the schema, as text."""
    tables = db.execute("select tablename from pg_tables where schemaname = 'gmail_sync'")
    query = sql.SQL("select t::text as row from gmail_sync.{} t order by 1")
    return {
        table["tablename"]: [
            row["row"] for row in db.execute(query.format(sql.Identifier(table["tablename"])))
        ]
        for table in tables
    }


def cancelled(functions: Session, db: Connection) -> str:
    task_id = busy(functions, db)
    functions.value("cancel_sync", task_id)
    return task_id


def reaped(functions: Session, db: Connection) -> str:
    task_id = busy(functions, db)
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    return task_id


def unclaimed(functions: Session, db: Connection) -> str:
    busy(functions, db)
    functions.value("cancel_sync", functions.value("sync_status", "ann"))
    return queued(functions)


def unknown(functions: Session, db: Connection) -> str:
    busy(functions, db)
    return "sync_ann_00000000_1"


def busy(functions: Session, db: Connection) -> str:
    """A claimed run with a stored message, a listing, and a message taken."""
    connected(functions, profile="google-standard")
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set quota_profile = 'google-standard', history_id = 7")
    listed(functions, task_id, "s", "a")
    store(functions, task_id, message("s"))
    taken(functions, task_id)
    return task_id


@pytest.mark.parametrize("state", [cancelled, reaped, unclaimed, unknown])
def test_a_call_without_a_lease_is_refused_and_leaves_nothing_behind(
    functions: Session, db: Connection, state: Callable[..., str]
) -> None:
    task_id = state(functions, db)
    for function, arguments in CALLS.items():
        before = everything(db)
        with pytest.raises(LeaseLost):
            functions.rows(function, task_id, *arguments)
        assert everything(db) == before, function


def test_every_function_of_a_task_is_covered(db: Connection) -> None:
    rows = db.execute(
        "select proname from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
        " and proargnames[1] = 'p_task_id' and proname not like E'\\\\_%'"
    )
    assert {row["proname"] for row in rows} == CALLS.keys() | ANSWER_WITHOUT_A_LEASE


def test_with_a_lease_each_of_them_works(functions: Session, db: Connection) -> None:
    task_id = busy(functions, db)
    for function in sorted(CALLS, key=lambda name: name == "reconcile_listing"):
        functions.rows(function, task_id, *CALLS[function])


def late_store(functions: Session, task_id: str) -> None:
    store(functions, task_id, message("late"), message("later"))


def test_a_writer_that_loses_its_lease_halfway_is_undone_as_a_whole(
    functions: Session, db: Connection, locked: Locked
) -> None:
    task_id = claimed(functions)
    lock = locked("select gmail_sync._lock_user_mail('ann')")
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(late_store, functions, task_id)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        db.execute("select gmail_sync.cancel_sync(%s)", [task_id])
        before = everything(db)
        lock.commit()
        with pytest.raises(LeaseLost):
            late.result(60)
    assert everything(db) == before


def test_a_writer_that_is_reaped_as_it_ends_is_undone_as_a_whole(
    functions: Session, db: Connection, locked: Locked
) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-61 s", "updated_at")
    reaper = locked("select * from gmail_sync.reap_zombie_syncs()")
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(late_store, functions, task_id)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        reaper.commit()
        with pytest.raises(LeaseLost):
            late.result(60)
    assert stored_messages(db) == {}
    assert run_of(db, task_id)["found"] == 0


def test_a_writer_that_dies_in_the_middle_leaves_nothing(
    functions: Session, db: Connection, locked: Locked
) -> None:
    task_id = claimed(functions)
    before = everything(db)
    writer = locked("select 1")
    writer.execute(
        "select gmail_sync.store_messages(%s, %s, array[null]::bytea[])",
        [task_id, Jsonb([message("n")])],
    )
    writer.close()
    wait_until(lambda: everything(db) == before)
    store(functions, task_id, message("n"))


def test_a_batch_with_one_bad_message_is_undone_as_a_whole(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    before = everything(db)
    bad = message("bad", snippet=None)
    with pytest.raises(psycopg.errors.NotNullViolation):
        store(functions, task_id, message("good"), bad)
    assert everything(db) == before
