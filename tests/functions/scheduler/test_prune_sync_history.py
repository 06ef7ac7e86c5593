from datetime import UTC, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import insert_run, queued, shift

NOW = datetime.now(UTC)


def ended(db: Connection, task_id: str, days: int) -> None:
    insert_run(
        db, task_id=task_id, is_syncing=False, outcome="cancelled",
        finished_at=NOW - timedelta(days=days),
    )  # fmt: skip


def tasks(db: Connection) -> set[str]:
    return {row["task_id"] for row in db.execute("select task_id from gmail_sync.user_sync_status")}


def test_ended_runs_go_after_the_retention(functions: Session, db: Connection) -> None:
    ended(db, "old", 91)
    ended(db, "recent", 89)
    assert functions.value("prune_sync_history") == 1
    assert functions.value("prune_sync_history") == 0
    assert tasks(db) == {"recent"}


def test_the_caller_may_keep_less(functions: Session, db: Connection) -> None:
    ended(db, "old", 8)
    ended(db, "recent", 6)
    assert functions.value("prune_sync_history", timedelta(days=7)) == 1
    assert tasks(db) == {"recent"}


def test_running_runs_stay_however_old(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    shift(db, task_id, "-400 days", "started_at", "updated_at")
    assert functions.value("prune_sync_history", timedelta()) == 0
    assert tasks(db) == {task_id}


def test_a_pass_is_bounded_and_takes_the_oldest(functions: Session, db: Connection) -> None:
    for days in (100, 101, 102):
        ended(db, str(days), days)
    assert functions.value("prune_sync_history", None, 2) == 2
    assert tasks(db) == {"100"}


@pytest.mark.parametrize(("age", "left"), [("25 hours", 0), ("23 hours", 1)])
def test_workers_long_gone_go_too(functions: Session, db: Connection, age: str, left: int) -> None:
    functions.rows("worker_heartbeat", "00000000-0000-0000-0000-000000000001", "1", 4)
    db.execute("update gmail_sync.worker set seen_at = now() - %s::interval", [age])
    functions.value("prune_sync_history")
    assert len(db.execute("select from gmail_sync.worker").fetchall()) == left
