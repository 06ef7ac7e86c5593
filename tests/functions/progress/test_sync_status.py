"""sync_status, sync_run and sync_progress."""

import re
import uuid
from datetime import UTC, datetime, timedelta

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    insert_run,
    listed,
    message,
    queued,
    run_of,
    shift,
    store,
    zombie,
)


def test_a_user_who_never_synced_has_no_run(functions: Session) -> None:
    assert functions.rows("sync_status", "ann") == []
    assert functions.rows("sync_status", None) == []


def test_the_running_run_is_the_latest(functions: Session, db: Connection) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    ended = {"is_syncing": False, "finished_at": later, "outcome": "cancelled"}
    insert_run(db, task_id="clock went back", started_at=later, **ended)
    task_id = queued(functions)
    assert functions.value("sync_status", "ann") == task_id


def test_the_run_started_last_stands_for_an_idle_user(functions: Session) -> None:
    for _ in range(2):
        task_id = claimed(functions)
        functions.value("release_sync", task_id)
    assert functions.value("sync_status", "ann") == task_id


def test_the_successor_of_a_reaped_run_is_shown(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    functions.rows("reap_zombie_syncs")
    status = functions.rows("sync_status", "ann")[0]
    assert status["resumes"] == dead
    assert functions.rows("sync_run", dead)[0]["successor"] == status["task_id"]


def test_a_run_shows_its_counts(functions: Session) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    store(functions, task_id, message("a"))
    run = functions.rows("sync_run", task_id)[0]
    assert run["progress_percentage"] == 50
    assert run["current_stats"] == {
        "found": 2, "new": 1, "updated": 0, "unchanged": 0,
        "deleted": 0, "gone": 0, "failed": 0, "pending": 1,
        "imported": 0,
    }  # fmt: skip


def test_a_queued_run_has_counts_too(functions: Session) -> None:
    stats = functions.rows("sync_run", queued(functions))[0]["current_stats"]
    assert len(stats) == 9
    assert set(stats.values()) == {0}


def test_an_unknown_task_is_no_run(functions: Session) -> None:
    assert functions.rows("sync_run", "unknown") == []


def test_the_public_shape_says_what_the_row_says(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    row, shown = run_of(db, task_id), functions.rows("sync_run", task_id)[0]
    assert shown.pop("successor") is None
    assert shown.pop("eta_seconds") is None
    assert shown.pop("messages_a_minute") is None
    assert shown.pop("waits_for") is None
    assert shown.pop("worker_missing") is False
    assert shown.items() <= row.items()
    assert re.match("sync_ann_", shown["task_id"])


def worker_is_missing(functions: Session, task_id: str) -> bool:
    missing: bool = functions.rows("sync_run", task_id)[0]["worker_missing"]
    return missing


def test_a_run_that_no_worker_takes_is_told(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    assert not worker_is_missing(functions, task_id)
    shift(db, task_id, "-11 s", "started_at", "not_before")
    assert worker_is_missing(functions, task_id)
    functions.value("worker_heartbeat", uuid.uuid4(), "1", 4)
    assert not worker_is_missing(functions, task_id)
    # Workers that are there and take nothing are of no use either.
    shift(db, task_id, "-31 min", "started_at", "not_before")
    assert worker_is_missing(functions, task_id)
    functions.rows("claim_sync", uuid.uuid4())
    assert not worker_is_missing(functions, task_id)


def test_a_run_that_is_not_due_yet_misses_no_worker(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    shift(db, task_id, "-1 h", "started_at")
    shift(db, task_id, "1 min", "not_before")
    assert not worker_is_missing(functions, task_id)


def test_many_users_at_once(functions: Session) -> None:
    tasks = {user: queued(functions, user) for user in ("ann", "bo")}
    shown = functions.rows("sync_progress", ["bo", "nobody", "ann"])
    assert {row["user_id"]: row["task_id"] for row in shown} == tasks
    assert functions.rows("sync_progress", []) == []
