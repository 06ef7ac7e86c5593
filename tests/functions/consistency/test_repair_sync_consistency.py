"""Broken runs are mended, their rows as they were are kept, and nothing is left to do."""

from service.postgres.calls import Connection, Row, Session
from tests.functions.conftest import (
    claimed,
    insert_run,
    only,
    run_of,
    shift,
    successor_of,
    zombie,
)
from tests.functions.consistency.test_check_sync_consistency import drop_rules, found
from tests.functions.runs.test_constraints import BAD_RUNS, ENDED

ADD_RULES = r"""
    alter domain gmail_sync.user_key add constraint user_id_is_readable check (
      char_length(value) between 1 and 255
      and value ~ '\S'
      and value !~ '[\x01-\x1f\x7f-\x9f]'
    );
    alter table gmail_sync.user_sync_status
      alter task_id set not null, alter user_id set not null;
    create unique index uniq_user_running_sync
      on gmail_sync.user_sync_status (user_id) where is_syncing
"""
RULES = """
    select format('alter table gmail_sync.user_sync_status add constraint %I %s', conname,
      pg_get_constraintdef(oid)) as statement
    from pg_constraint
    where conrelid = 'gmail_sync.user_sync_status'::regclass
"""


def repair(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.repair_sync_consistency()").fetchall()


def actions(db: Connection) -> dict[str | None, str]:
    return {row["task_id"]: row["action"] for row in repair(db)}


def originals(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.repair_log order by id").fetchall()


def all_runs(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.user_sync_status order by task_id").fetchall()


def test_where_all_is_well_nothing_is_done(db: Connection, functions: Session) -> None:
    claimed(functions)
    functions.value("release_sync", claimed(functions, "bo"))
    before = all_runs(db)
    assert functions.rows("repair_sync_consistency") == []
    assert (all_runs(db), originals(db)) == (before, [])


def test_a_zombie_ends_with_a_successor(db: Connection, functions: Session) -> None:
    task_id = zombie(functions, db)
    original = only(db, "select to_jsonb(r) from gmail_sync.user_sync_status r")
    (row,) = functions.rows("repair_sync_consistency")
    assert (row["user_id"], row["task_id"], row["action"]) == ("ann", task_id, "reaped")
    assert "last heartbeat" in row["problem"]
    assert run_of(db, task_id)["outcome"] == "reaped"
    assert successor_of(db, task_id)["is_syncing"]
    (log,) = originals(db)
    assert log["original"] == original
    assert (log["source"], log["action"], log["rules"]) == ("repair", "repaired", ["zombie"])
    assert functions.rows("repair_sync_consistency") == []


def test_a_hanging_run_ends_with_a_successor(db: Connection, functions: Session) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-31 min", "claimed_at", "progressed_at")
    assert actions(db) == {task_id: "reaped"}
    assert successor_of(db, task_id)["is_syncing"]


def test_a_dba_repairs(db: Connection, functions: Session) -> None:
    task_id = zombie(functions, db)
    db.execute("set role gmail_sync_dba")
    assert actions(db) == {task_id: "reaped"}


def test_after_a_repair_every_rule_can_be_made_again(db: Connection) -> None:
    rules = [row["statement"] for row in db.execute(RULES)]
    drop_rules(db)
    for number, (_, columns) in enumerate(BAD_RUNS):
        insert_run(db, **{"task_id": f"t{number}", "user_id": f"u{number}", **columns})
        insert_run(db, **{"task_id": "twin", **columns})
        insert_run(db, **{"task_id": f"heir{number}", "resumes": "one", **columns})
    for task_id, user_id in (("no user", None), (None, "bo"), (None, None), (" ", "bo")):
        insert_run(db, task_id=task_id, user_id=user_id)
    before = [row["row"] for row in db.execute(
        "select to_jsonb(r) as row from gmail_sync.user_sync_status r"
    )]  # fmt: skip
    broken = found(db)

    repaired = repair(db)

    assert {row["task_id"] for row in repaired} == broken.keys()
    assert found(db) == {}
    after = all_runs(db)
    assert repair(db) == []
    assert all_runs(db) == after
    kept = [row["original"] for row in originals(db)]
    gone = [row for row in before if row["task_id"] not in {run["task_id"] for run in after}]
    assert [row for row in gone if row not in kept] == []
    for statement in [ADD_RULES, *rules]:
        db.execute(statement.encode())


def test_an_impossible_run_ends_and_keeps_its_error(db: Connection) -> None:
    drop_rules(db)
    insert_run(db, error_message="任务被管理员手动清理（修复后）", progress_percentage=45)
    assert actions(db) == {"t": "replaced by one that is reaped"}
    run = run_of(db, "t")
    assert run["error_message"] == "任务被管理员手动清理（修复后）"
    assert (run["is_syncing"], run["progress_percentage"]) == (False, 0)
    assert originals(db)[0]["original"]["progress_percentage"] == 45


def test_of_several_running_rows_the_one_that_beat_last_stays(db: Connection) -> None:
    drop_rules(db)
    insert_run(db, task_id="a", progress_percentage=40)
    insert_run(db, task_id="b", error_message="died")
    insert_run(db, task_id="c")
    shift(db, "c", "-10 s", "updated_at")
    kept = run_of(db, "a")
    assert actions(db) == {
        "a": "none: it is in order now",
        "b": "replaced by one that is reaped",
        "c": "replaced by one that is reaped",
    }
    assert run_of(db, "a") == kept
    assert run_of(db, "c")["error_message"] == (
        "Found running and ended: its user has another running sync."
    )
    assert [row["task_id"] for row in originals(db)] == ["b", "c"]


def test_of_rows_with_one_task_id_the_latest_stays(db: Connection) -> None:
    drop_rules(db)
    insert_run(db, user_id="ann", **ENDED, updated_at="2025-07-21")
    insert_run(db, user_id="bo", **ENDED, updated_at="2025-07-22")
    assert len(repair(db)) == 2
    assert run_of(db, "t")["user_id"] == "bo"
    assert len(originals(db)) == 2


def test_what_cannot_be_a_run_is_kept_in_the_log_alone(db: Connection) -> None:
    drop_rules(db)
    insert_run(db, task_id="x", user_id=None)
    insert_run(db, task_id=None)
    assert actions(db) == {
        "x": "removed: it cannot be a run", None: "removed: it cannot be a run"
    }  # fmt: skip
    assert all_runs(db) == []
    assert [row["original"]["user_id"] for row in originals(db)] == ["ann", None]
