"""The scheduled reapers: run_reaper, the service's fallback, and reap_loop for pg_cron 1.4."""

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import only, raises_sqlstate, run_of, zombie


def beat_age(db: Connection, reaper: str) -> float | None:
    rows = db.execute(
        "select extract(epoch from clock_timestamp() - beat_at)::float as age"
        " from gmail_sync.reaper_beat where reaper = %s",
        [reaper],
    ).fetchall()
    return rows[0]["age"] if rows else None


def silence_pg_cron(db: Connection) -> None:
    db.execute(
        "update gmail_sync.reaper_beat set beat_at = now() - interval '31 s'"
        " where reaper = 'pg_cron'"
    )


@pytest.mark.parametrize("reaper", ["pg_cron", "service"])
def test_a_pass_beats_and_reaps(functions: Session, db: Connection, reaper: str) -> None:
    dead = zombie(functions, db)
    silence_pg_cron(db)
    assert functions.value("run_reaper", reaper) == 1
    assert functions.value("run_reaper", reaper) == 0
    assert run_of(db, dead)["outcome"] == "reaped"
    age = beat_age(db, reaper)
    assert age is not None
    assert age < 31


def test_a_pass_of_nobody_known_reaps_nothing(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    with raises_sqlstate("23514", "known_reaper"):
        functions.value("run_reaper", "crontab")
    assert run_of(db, dead)["is_syncing"]


def test_the_service_leaves_the_reaping_to_a_living_pg_cron(
    functions: Session, db: Connection
) -> None:
    dead = zombie(functions, db)
    functions.value("run_reaper", "pg_cron")
    assert functions.value("run_fallback_reaper") is None
    assert beat_age(db, "service") is None
    assert run_of(db, dead)["outcome"] == "reaped"


def test_the_service_reaps_and_enqueues_when_pg_cron_is_dead(
    functions: Session, db: Connection
) -> None:
    zombie(functions, db)
    functions.value("connect_account", "bo", "bo@mail.example", b"sealed")
    db.execute("update gmail_sync.account set sync_interval = '1 min' where user_id = 'bo'")
    silence_pg_cron(db)
    assert functions.value("run_fallback_reaper") == 1
    assert beat_age(db, "service") is not None
    assert functions.rows("sync_status", "bo")[0]["source"] == "schedule"


def note_each_beat(db: Connection) -> None:
    db.execute(
        "create table public.beats (at timestamptz, transaction xid8);"
        "create function public.note_beat() returns trigger language plpgsql as $$ begin"
        " insert into public.beats values (clock_timestamp(), pg_current_xact_id());"
        " return null; end $$;"
        "create trigger note_beat after insert or update on gmail_sync.reaper_beat"
        " for each row execute function public.note_beat();"
        "grant insert on public.beats to public"
    )


@pytest.mark.serial
def test_loops_of_fifty_seconds_a_minute_leave_no_gap_and_do_not_overlap(db: Connection) -> None:
    note_each_beat(db)
    started = only(db, "select clock_timestamp()")
    db.execute("call gmail_sync.reap_loop('2.0 s', '0.4 s')")
    lasted = only(db, "select clock_timestamp()") - started
    # At 0, 0.4, 0.8, 1.2, 1.6 and 2.0: as 0, 10 … 50 s of pg_cron's minute.
    assert only(db, "select count(distinct transaction) from public.beats") == 6
    assert lasted.total_seconds() < 2.4


def test_a_loop_reaps(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    db.execute("call gmail_sync.reap_loop('0 s', '0.1 s')")
    assert run_of(db, dead)["outcome"] == "reaped"
