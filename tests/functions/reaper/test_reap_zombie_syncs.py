import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from service.postgres.calls import Connection, Row, Session
from tests.functions.conftest import (
    claimed,
    counts,
    listed,
    message,
    only,
    queued,
    run_of,
    set_run,
    set_settings,
    shift,
    store,
    successor_of,
    together,
    zombie,
)

Locked = Callable[[str], psycopg.Connection[Row]]


def test_reaps_a_run_whose_lease_lapsed_and_no_other(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db, "dead")
    alive = claimed(functions, "alive")
    waiting = queued(functions, "waiting")
    shift(db, alive, "-45 s", "updated_at")
    shift(db, waiting, "-10 days", "updated_at", "started_at", "not_before")
    (row,) = functions.rows("reap_zombie_syncs")
    assert (row["task_id"], row["user_id"], row["cause"]) == (dead, "dead", "silent")
    silent_since = run_of(db, dead)["updated_at"]
    most = only(db, "select clock_timestamp() - %s", silent_since)
    assert timedelta(seconds=61) <= row["silent_for"] <= most
    assert row["successor"] == successor_of(db, dead)["task_id"]
    assert run_of(db, alive)["is_syncing"]
    assert run_of(db, waiting)["is_syncing"]
    assert functions.rows("reap_zombie_syncs") == []


def test_a_reaped_run_says_what_happened(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    silent_since = run_of(db, dead)["updated_at"]
    functions.rows("reap_zombie_syncs")
    run = run_of(db, dead)
    assert (run["outcome"], run["progress_percentage"], run["phase"]) == ("reaped", 0, "done")
    assert re.fullmatch(r"No heartbeat for \d+ s: the worker is gone\.", run["error_message"])
    assert run["error_code"] == "silent"
    assert run["updated_at"] == silent_since


def test_reaps_a_run_that_beats_in_the_future(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "59 s", "updated_at")
    assert functions.rows("reap_zombie_syncs") == []
    shift(db, task_id, "2 min", "updated_at")
    assert functions.rows("reap_zombie_syncs")[0]["cause"] == "clock_skew"


def test_the_message_of_a_beat_in_the_future_makes_sense(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "2 min", "updated_at")
    functions.rows("reap_zombie_syncs")
    assert "for -" not in run_of(db, task_id)["error_message"]


def test_reaps_a_run_that_beats_but_gets_nowhere(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-31 min", "claimed_at", "progressed_at")
    functions.value("heartbeat", task_id)
    assert functions.rows("reap_zombie_syncs")[0]["cause"] == "stalled"
    assert run_of(db, task_id)["error_message"].startswith("No progress since ")
    assert run_of(db, task_id)["error_code"] == "stalled"


@pytest.mark.parametrize("column", ["claimed_at", "progressed_at", "waiting_until"])
def test_a_claim_progress_or_wait_keeps_a_run_from_stalling(
    functions: Session, db: Connection, column: str
) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-31 min", "claimed_at", "progressed_at", "waiting_until")
    shift(db, task_id, "-29 min", column)
    assert functions.rows("reap_zombie_syncs") == []


def test_a_run_that_waits_for_google_is_not_stalled(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-5 hours", "claimed_at")
    shift(db, task_id, "1 s", "waiting_until")
    assert functions.rows("reap_zombie_syncs") == []


def test_a_run_that_waits_for_google_beats_all_the_same(functions: Session, db: Connection) -> None:
    task_id = zombie(functions, db)
    shift(db, task_id, "1 hour", "waiting_until")
    assert functions.rows("reap_zombie_syncs")[0]["cause"] == "silent"


def test_waiting_long_for_a_worker_is_no_end(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    shift(db, task_id, "-2 days", "started_at", "updated_at", "not_before")
    assert functions.rows("reap_zombie_syncs") == []
    assert run_of(db, task_id)["attempt"] == 1


def test_a_successor_starts_where_the_zombie_stopped(functions: Session, db: Connection) -> None:
    dead = claimed(functions)
    listed(functions, dead, "a", "b", "c", "d")
    store(functions, dead, message("a"), message("b"), message("c"))
    set_run(db, dead, follow_up="incremental")
    shift(db, dead, "-61 s", "updated_at")
    shift(db, dead, "1 hour", "waiting_until")
    functions.rows("reap_zombie_syncs")
    new = successor_of(db, dead)
    assert counts(db, new["task_id"]) == {"found": 4, "new": 3, "pending": 1}
    assert (new["progress_percentage"], new["follow_up"]) == (75, "incremental")
    assert new["waiting_until"] == run_of(db, dead)["waiting_until"]
    assert (new["source"], new["sync_type"]) == ("resume", "full")


def test_tries_in_a_row_without_progress_are_charged(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    set_run(db, dead, attempt=2)
    functions.rows("reap_zombie_syncs")
    new = successor_of(db, dead)
    assert new["attempt"] == 3
    assert functions.rows("claim_sync", uuid.uuid4()) == []
    delay = new["not_before"] - new["started_at"]
    assert delay.total_seconds() == pytest.approx(30, abs=1)


def test_the_first_successor_is_due_at_once(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    functions.rows("reap_zombie_syncs")
    assert functions.value("claim_sync", uuid.uuid4()) == successor_of(db, dead)["task_id"]


def test_progress_starts_the_tries_anew(functions: Session, db: Connection) -> None:
    dead = claimed(functions)
    set_run(db, dead, attempt=11)
    store(functions, dead, message("a"))
    shift(db, dead, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    assert successor_of(db, dead)["attempt"] == 1


def test_the_last_try_fails_without_a_successor(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    set_run(db, dead, attempt=12)
    (row,) = functions.rows("reap_zombie_syncs")
    assert row["successor"] is None
    assert run_of(db, dead)["outcome"] == "failed"


def test_two_reapers_at_once_reap_each_zombie_once(
    sessions: Callable[[int], list[Session]], functions: Session, db: Connection
) -> None:
    dead = {zombie(functions, db, f"user {index}") for index in range(20)}
    reapers = sessions(4)
    reaped = together(4, lambda i: reapers[i].rows("reap_zombie_syncs"))
    rows = [row for batch in reaped for row in batch]
    assert len(rows) == 20
    assert {row["task_id"] for row in rows} == dead
    assert len({row["successor"] for row in rows}) == 20


def test_a_locked_zombie_is_left_to_whoever_ends_it(
    functions: Session, db: Connection, locked: Locked
) -> None:
    zombie(functions, db, "locked")
    free = zombie(functions, db, "free")
    locked("select from gmail_sync.user_sync_status where user_id = 'locked' for update")
    assert [row["task_id"] for row in functions.rows("reap_zombie_syncs")] == [free]


def test_a_reaper_does_not_lock_the_settings(
    functions: Session, db: Connection, locked: Locked
) -> None:
    zombie(functions, db)
    first = locked("select * from gmail_sync.reap_zombie_syncs()")
    set_settings(db, stall_timeout="31 min")
    later = zombie(functions, db, "bo")
    assert [row["task_id"] for row in functions.rows("reap_zombie_syncs")] == [later]
    first.rollback()


def test_a_reaper_locks_zombies_alone(functions: Session, db: Connection, locked: Locked) -> None:
    zombie(functions, db, "dead")
    alive = claimed(functions, "alive")
    locked("select * from gmail_sync.reap_zombie_syncs()")
    db.execute(
        "select from gmail_sync.user_sync_status where task_id = %s for update nowait", [alive]
    )


def test_a_locked_settings_row_does_not_stop_a_reaper(
    functions: Session, db: Connection, locked: Locked
) -> None:
    dead = zombie(functions, db)
    locked("select from gmail_sync.settings for update")
    assert functions.value("reap_zombie_syncs") == dead


def test_a_beat_that_comes_first_saves_its_run(
    functions: Session, db: Connection, locked: Locked
) -> None:
    task_id = zombie(functions, db)
    beat = locked("select gmail_sync.heartbeat(task_id) from gmail_sync.user_sync_status")
    assert functions.rows("reap_zombie_syncs") == []
    beat.commit()
    assert functions.rows("reap_zombie_syncs") == []
    assert run_of(db, task_id)["is_syncing"]


def test_a_start_meets_a_reap_that_is_not_committed(
    functions: Session, db: Connection, locked: Locked
) -> None:
    dead = zombie(functions, db)
    reap = locked("select * from gmail_sync.reap_zombie_syncs()")
    assert queued(functions) == dead
    reap.commit()
    assert queued(functions) == successor_of(db, dead)["task_id"]


def test_other_users_do_not_notice(functions: Session, db: Connection) -> None:
    alive = claimed(functions, "bo")
    zombie(functions, db, "ann")
    before = run_of(db, alive)
    functions.rows("reap_zombie_syncs")
    assert run_of(db, alive) == before
    assert functions.rows("sync_history", "bo")[0]["task_id"] == alive


def test_settings_say_when_a_run_is_a_zombie(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-50 s", "updated_at")
    set_settings(db, heartbeat_timeout="45 s")
    assert functions.value("reap_zombie_syncs") == task_id


def test_a_reaped_user_syncs_again_at_once(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    functions.rows("reap_zombie_syncs")
    new = successor_of(db, dead)["task_id"]
    assert queued(functions) == new
    assert functions.value("claim_sync", uuid.uuid4()) == new
    listed(functions, new, "a")
    store(functions, new, message("a"))
    functions.rows("reconcile_listing", new)
    assert functions.value("release_sync", new) is True


def test_zombies_are_shown_to_the_dba_before_they_are_reaped(
    functions: Session, db: Connection
) -> None:
    dead = zombie(functions, db)
    seen = db.execute("select task_id, cause from gmail_sync.zombie_syncs").fetchall()
    assert seen == [{"task_id": dead, "cause": "silent"}]
    functions.rows("reap_zombie_syncs")
    assert db.execute("select * from gmail_sync.zombie_syncs").fetchall() == []
