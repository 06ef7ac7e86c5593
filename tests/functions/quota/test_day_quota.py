"""The daily quota of a project: when it is renewed, who may spend it, and who waits."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    calls,
    claimed,
    connected,
    gets,
    only,
    queued,
    raises_sqlstate,
    run_of,
    set_run,
    set_settings,
    successor_of,
)

PACIFIC = ZoneInfo("America/Los_Angeles")
DAY_UNITS = 10_000
PROFILE = "google-standard"


@pytest.fixture
def task_id(functions: Session, db: Connection) -> str:
    """An incremental run that a person asked for."""
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set quota_profile = %s", [PROFILE])
    db.execute(
        "update gmail_sync.quota_profile set day_units = %s where name = %s", [DAY_UNITS, PROFILE]
    )
    set_run(db, task_id, sync_type="incremental", source="api")
    return task_id


def spend(db: Connection, units: int) -> None:
    """Let others of the project spend so much today."""
    db.execute(
        "insert into gmail_sync.quota_day values"
        " (%s, gmail_sync._quota_day(clock_timestamp()), %s)"
        " on conflict (profile, day) do update set units = excluded.units",
        [PROFILE, units],
    )


def get(functions: Session, task_id: str, number: int = 1) -> dict[str, Any] | None:
    return functions.row("reserve_run_quota", task_id, gets(number))


def reset_at(db: Connection) -> datetime:
    """A minute after the next midnight Pacific time, by Python's calendar."""
    now: datetime = only(db, "select clock_timestamp()")
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, 0, 1, tzinfo=PACIFIC)


@pytest.mark.parametrize(
    ("moment", "day", "renewed"),
    [
        ("2026-11-30 07:59:59Z", "2026-11-29", "2026-11-30 08:01Z"),
        ("2026-11-30 08:00:00Z", "2026-11-30", "2026-12-01 08:01Z"),
        ("2026-07-01 06:59:59Z", "2026-06-30", "2026-07-01 07:01Z"),
        # Daylight saving time begins and ends: days of 23 and 25 hours.
        ("2026-03-08 08:30:00Z", "2026-03-08", "2026-03-09 07:01Z"),
        ("2026-11-01 07:00:00Z", "2026-11-01", "2026-11-02 08:01Z"),
    ],
)
def test_a_day_is_a_day_of_pacific_time(
    db: Connection, moment: str, day: str, renewed: str
) -> None:
    assert only(db, "select gmail_sync._quota_day(%s)", moment) == date.fromisoformat(day)
    found = only(db, "select gmail_sync._quota_reset_at(%s) = %s::timestamptz", moment, renewed)
    assert found


def test_each_charge_counts_for_its_day(functions: Session, db: Connection, task_id: str) -> None:
    get(functions, task_id, 3)
    functions.row("reserve_run_quota", task_id, calls("messages.list"))
    rows = db.execute(
        "select profile, units, day = gmail_sync._quota_day(now()) as today"
        " from gmail_sync.quota_day"
    )
    assert rows.fetchall() == [{"profile": PROFILE, "units": 65, "today": True}]


def test_a_used_up_day_is_waited_for_and_reserves_nothing(
    functions: Session, db: Connection, task_id: str
) -> None:
    spend(db, DAY_UNITS - 20)
    assert get(functions, task_id) is None
    reset = reset_at(db)
    assert get(functions, task_id) == {"free_at": reset, "used_up": "day", "ask_at": reset}
    assert only(db, "select sum(units) from gmail_sync.quota_charge") == 20
    assert only(db, "select units from gmail_sync.quota_day") == DAY_UNITS


def test_no_cap_a_day_is_none(functions: Session, db: Connection, task_id: str) -> None:
    db.execute("update gmail_sync.quota_profile set day_units = null")
    spend(db, 10**12)
    assert get(functions, task_id) is None


def test_the_minute_is_named_when_only_it_is_used_up(functions: Session, task_id: str) -> None:
    assert get(functions, task_id, 300) is None
    wait = get(functions, task_id)
    assert wait is not None
    assert wait["used_up"] == "minute"


@pytest.mark.parametrize(
    ("sync_type", "source", "share"),
    [
        ("full", "api", 0.9),
        ("full", "schedule", 0.9),
        ("incremental", "schedule", 0.95),
        ("incremental", "push", 0.95),
        ("incremental", "resume", 0.95),
        ("incremental", "api", 1),
        ("incremental", "sql", 1),
    ],
)
def test_a_part_of_the_day_is_kept_for_what_people_ask_for(
    functions: Session, db: Connection, task_id: str, sync_type: str, source: str, share: float
) -> None:
    set_run(db, task_id, sync_type=sync_type, source=source)
    spend(db, int(DAY_UNITS * share) - 20)
    assert get(functions, task_id) is None
    assert get(functions, task_id) is not None
    attachment = functions.row("reserve_account_quota", "ann", calls("attachments.get"))
    assert (attachment is None) == (share < 1)


def test_calls_that_no_day_has_room_for_are_refused(
    functions: Session, db: Connection, task_id: str
) -> None:
    set_run(db, task_id, sync_type="full")
    db.execute("update gmail_sync.quota_profile set day_units = 100 where name = %s", [PROFILE])
    with pytest.raises(InvalidArgument):
        get(functions, task_id, 5)
    functions.rows("begin_listing", task_id, 1000, 30)
    functions.rows("store_listing_page", task_id, [f"m{n}" for n in range(30)], None)
    assert len(functions.rows("take_messages", task_id)) == 4


def test_a_click_starts_what_waits_for_the_share_of_schedules(
    functions: Session, db: Connection, task_id: str
) -> None:
    set_run(db, task_id, source="schedule")
    spend(db, int(DAY_UNITS * 0.95))
    wait = get(functions, task_id)
    assert wait is not None
    functions.value("report_progress", task_id, wait["free_at"])
    functions.value("handover_sync", task_id, "used up", wait["free_at"], False)
    waiting = successor_of(db, task_id)
    assert waiting["waiting_until"] == waiting["not_before"] == reset_at(db)

    assert queued(functions, p_source="api") == waiting["task_id"]
    assert run_of(db, waiting["task_id"])["not_before"] <= only(db, "select clock_timestamp()")


def test_a_click_does_not_start_a_full_sync_that_waits_for_the_day(
    functions: Session, db: Connection, task_id: str
) -> None:
    set_run(db, task_id, sync_type="full")
    functions.value("report_progress", task_id, reset_at(db))
    functions.value("handover_sync", task_id, "used up", reset_at(db), False)
    queued(functions, p_source="api")
    assert successor_of(db, task_id)["not_before"] == reset_at(db)


# Google says so itself, whatever the ledger has left.


@pytest.mark.parametrize("profile", [PROFILE, "unlimited"])
def test_google_s_own_word_is_asked_for_again_after_an_hour(
    functions: Session, db: Connection, task_id: str, profile: str
) -> None:
    db.execute("update gmail_sync.account set quota_profile = %s", [profile])
    before = only(db, "select clock_timestamp()")
    functions.value("record_daily_limit", "ann")
    reset = reset_at(db)
    wait = get(functions, task_id)
    assert wait is not None
    assert (wait["free_at"], wait["used_up"]) == (reset, "refused")
    hour = timedelta(hours=1)
    assert min(before + hour, reset) <= wait["ask_at"] <= only(db, "select now()") + hour
    # What people ask for waits too, and nothing is charged.
    assert functions.row("reserve_account_quota", "ann", calls("attachments.get")) == wait
    assert only(db, "select count(*) from gmail_sync.quota_charge") == 0

    for ago, is_asked in (("58 min", False), ("3 min", True)):
        db.execute("update gmail_sync.quota_day set refused_at = refused_at - %s::interval", [ago])
        assert (get(functions, task_id) is None) is is_asked


def test_what_is_booked_for_after_midnight_counts_for_that_day(
    functions: Session, db: Connection, task_id: str
) -> None:
    tomorrow = reset_at(db)
    charge = "select gmail_sync._charge_quota(%s, 'ann', %s, 20, clock_timestamp())"
    db.execute(charge, [PROFILE, tomorrow])
    days = db.execute("select day, units from gmail_sync.quota_day").fetchall()
    assert [tuple(row.values()) for row in days] == [(tomorrow.date(), 20)]


def test_google_s_word_about_another_day_project_or_clock_binds_nobody(
    functions: Session, db: Connection, task_id: str
) -> None:
    claimed(functions, "bob")
    functions.value("record_daily_limit", "bob")
    assert get(functions, task_id) is None
    functions.value("record_daily_limit", "nobody")
    functions.value("record_daily_limit", "ann")
    assert get(functions, task_id) is not None
    db.execute("update gmail_sync.quota_day set refused_at = refused_at + interval '2 min'")
    assert get(functions, task_id) is None
    functions.value("record_daily_limit", "ann")
    db.execute("update gmail_sync.quota_day set day = day - 1")
    assert get(functions, task_id) is None


def test_a_refused_day_is_in_the_time_left_and_a_click_does_not_ask_again(
    functions: Session, db: Connection, task_id: str
) -> None:
    set_run(db, task_id, phase="fetching", found=100, pending=100)
    functions.value("record_daily_limit", "ann")
    reset, now = reset_at(db), only(db, "select clock_timestamp()")
    (run,) = functions.rows("sync_run", task_id)
    assert run["eta_seconds"] == pytest.approx((reset - now).total_seconds(), abs=8)

    functions.value("report_progress", task_id, reset)
    ask_at = only(db, "select clock_timestamp() + interval '10 min'")
    functions.value("handover_sync", task_id, "refused", ask_at, False)
    waiting = successor_of(db, task_id)["task_id"]
    queued(functions, p_source="api")
    (run,) = functions.rows("sync_run", waiting)
    assert (run["not_before"], run["waiting_until"]) == (ask_at, reset)
    assert run["waits_for"] == "day_quota"
    assert run["eta_seconds"] == pytest.approx((reset - now).total_seconds(), abs=8)


@pytest.mark.parametrize(("wait", "waits_for"), [("1 min", "gmail"), ("-1 min", None)])
def test_another_wait_is_for_gmail(
    functions: Session, db: Connection, task_id: str, wait: str, waits_for: str | None
) -> None:
    until = only(db, "select clock_timestamp() + %s::interval", wait)
    functions.value("report_progress", task_id, until)
    assert functions.rows("sync_run", task_id)[0]["waits_for"] == waits_for


def test_health_names_the_part_used(functions: Session, db: Connection, task_id: str) -> None:
    spend(db, 2_345)
    (day,) = functions.value("sync_health")["quota"]
    assert datetime.fromisoformat(day.pop("resets_at")) == reset_at(db)
    assert day == {
        "profile": PROFILE, "day_units": DAY_UNITS, "used_units": 2_345, "used_percent": 23.5,
    }  # fmt: skip


def test_days_older_than_the_history_are_pruned(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute(
        "insert into gmail_sync.quota_day"
        " select 'google-standard', gmail_sync._quota_day(now()) - n, 1"
        " from generate_series(0, 9) n"
    )
    functions.value("prune_sync_history", timedelta(days=2))
    assert only(db, "select count(*) from gmail_sync.quota_day") == 3


def test_a_node_spends_its_share_of_the_project_s_day(
    functions: Session, db: Connection, task_id: str
) -> None:
    set_settings(db, project_share="0.25")
    spend(db, 2_480)
    assert get(functions, task_id) is None
    assert (get(functions, task_id) or {})["used_up"] == "day"
    (day,) = functions.value("sync_health")["quota"]
    assert (day["day_units"], day["used_percent"]) == (2_500, 100)


def test_the_shares_of_a_project_are_parts_of_it(db: Connection) -> None:
    for share in ("-0.1", "1.1"):
        with raises_sqlstate("23514"):
            set_settings(db, project_share=share)
