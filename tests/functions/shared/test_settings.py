"""Each duration of settings is the one that its function waits for."""

import uuid

import psycopg
import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, gets, insert_run, only, queued, set_settings, shift

RESERVED = "select count(*) from gmail_sync.quota_charge where charged_at > clock_timestamp()"


def reasons(functions: Session) -> str:
    return " ".join(functions.value("sync_health")["reasons"])


@pytest.mark.parametrize(("timeout", "missing"), [("1 hour", False), ("1 us", True)])
def test_a_run_without_a_worker_says_so_after_pickup_timeout(
    functions: Session, db: Connection, timeout: str, missing: bool
) -> None:
    set_settings(db, pickup_timeout=timeout)
    run = functions.row("sync_run", queued(functions))
    assert run is not None
    assert run["worker_missing"] is missing


@pytest.mark.parametrize(("alert", "alarmed"), [("1 hour", False), ("1 us", True)])
def test_health_misses_workers_after_pickup_alert(
    functions: Session, db: Connection, alert: str, alarmed: bool
) -> None:
    set_settings(db, pickup_alert=alert)
    shift(db, queued(functions), "-2 s", "started_at", "not_before")
    assert ("no worker picks up" in reasons(functions)) is alarmed


@pytest.mark.parametrize(("timeout", "reaped"), [("1 hour", None), ("1 us", 0)])
def test_the_service_reaps_after_reaper_timeout(
    functions: Session, db: Connection, timeout: str, reaped: int | None
) -> None:
    db.execute("update gmail_sync.reaper_beat set beat_at = clock_timestamp() - interval '1 s'")
    set_settings(db, reaper_timeout=timeout)
    assert functions.value("run_fallback_reaper") == reaped


@pytest.mark.parametrize(("alert", "alarmed"), [("1 hour", False), ("1 us", True)])
def test_health_misses_pg_cron_after_reaper_alert(
    functions: Session, db: Connection, alert: str, alarmed: bool
) -> None:
    db.execute("update gmail_sync.reaper_beat set beat_at = clock_timestamp() - interval '1 s'")
    set_settings(db, reaper_alert=alert)
    assert ("pg_cron has not reaped" in reasons(functions)) is alarmed


@pytest.mark.parametrize(("aging", "first"), [("1 hour", "pushed"), ("1 us", "scheduled")])
def test_a_schedule_has_the_rank_of_a_push_after_schedule_aging(
    functions: Session, db: Connection, aging: str, first: str
) -> None:
    set_settings(db, schedule_aging=aging)
    for user, source in (("scheduled", "schedule"), ("pushed", "push")):
        insert_run(db, task_id=user, user_id=user, source=source, phase="queued", claimed_at=None)
    assert functions.value("claim_sync", uuid.uuid4()) == first


@pytest.mark.parametrize(("longest", "reserved"), [("1 hour", 1), ("1 us", 0)])
def test_a_run_reserves_no_wait_over_longest_wait(
    functions: Session, db: Connection, longest: str, reserved: int
) -> None:
    task_id = claimed(functions, "ann")
    db.execute("update gmail_sync.account set quota_profile = 'google-standard'")
    set_settings(db, longest_wait=longest)
    assert functions.value("reserve_run_quota", task_id, gets(300)) is None
    assert functions.value("reserve_run_quota", task_id, gets()) is not None
    assert only(db, RESERVED) == reserved


@pytest.mark.parametrize(
    "name",
    ["pickup_timeout", "pickup_alert", "reaper_timeout", "reaper_alert", "schedule_aging",
     "longest_wait"],
)  # fmt: skip
def test_a_duration_is_positive(db: Connection, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="durations_are_positive"):
        set_settings(db, **{name: "0 s"})


def test_no_duration_is_too_long_to_reckon_with(functions: Session, db: Connection) -> None:
    names = db.execute(
        "select column_name from information_schema.columns"
        " where table_schema = 'gmail_sync' and table_name = 'settings' and data_type = 'interval'"
    ).fetchall()
    for name in (row["column_name"] for row in names):
        for longest in ("1001 years", "100000 years"):
            with pytest.raises(psycopg.errors.CheckViolation):
                set_settings(db, **{name: longest})
    set_settings(db, **dict.fromkeys(("history_retention", "stall_timeout"), "1000 years"))
    assert functions.value("prune_sync_history") == 0
    assert functions.rows("reap_zombie_syncs") == []
