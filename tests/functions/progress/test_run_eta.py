"""The time a run has left: from what is left, its speed, the quota, and its wait."""

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, run_of, set_run, shift, successor_of


@pytest.fixture
def task_id(functions: Session) -> str:
    return claimed(functions)


def quota(db: Connection, profile: str) -> None:
    db.execute("update gmail_sync.account set quota_profile = %s", [profile])


def eta(functions: Session, task_id: str) -> int | None:
    (run,) = functions.rows("sync_run", task_id)
    seconds: int | None = run["eta_seconds"]
    return seconds


def test_what_is_left_takes_as_long_as_what_was_done(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "unlimited")
    set_run(db, task_id, phase="fetching", found=100, pending=100)
    assert eta(functions, task_id) is None
    set_run(db, task_id, new=25, pending=75)
    shift(db, task_id, "-10 s", "claimed_at")
    shift(db, task_id, "0 s", "progressed_at")
    assert eta(functions, task_id) == pytest.approx(30, abs=1)


def test_a_successor_counts_its_own_speed_only(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "unlimited")
    set_run(db, task_id, phase="fetching", found=100, new=50, pending=50)
    functions.value("handover_sync", task_id, "goes on")
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")
    successor = successor_of(db, task_id)["task_id"]
    functions.row("claim_sync", "6d016c4a-0000-4000-8000-000000000000")
    assert run_of(db, successor)["done_at_claim"] == 50
    assert eta(functions, successor) is None
    set_run(db, successor, new=60, pending=40)
    shift(db, successor, "-10 s", "claimed_at")
    shift(db, successor, "0 s", "progressed_at")
    assert eta(functions, successor) == pytest.approx(40, abs=1)


def test_no_run_is_promised_to_be_faster_than_its_quota(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "google-standard")
    # 300 messages a minute.
    set_run(db, task_id, phase="fetching", found=100_000, new=300, pending=99_700)
    shift(db, task_id, "-1 s", "claimed_at")
    shift(db, task_id, "0 s", "progressed_at")
    assert eta(functions, task_id) == pytest.approx(99_700 / 5, abs=2)


def test_the_time_left_follows_the_price_of_the_format(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "google-standard")
    set_run(db, task_id, phase="fetching", found=3000, pending=3000)
    assert eta(functions, task_id) == pytest.approx(3000 / 5, abs=2)
    db.execute("update gmail_sync.quota_cost set units = 60 where format = 'full'")
    assert eta(functions, task_id) == pytest.approx(3 * 3000 / 5, abs=2)
    functions.rows("set_content_mode", "ann", "raw")
    assert eta(functions, task_id) == pytest.approx(3000 / 5, abs=2)


def test_the_time_left_counts_the_nights_that_the_day_s_quota_demands(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "google-standard")
    # A full sync may spend 90 % of it: 900 messages a day.
    db.execute("update gmail_sync.quota_profile set day_units = 20000")
    set_run(db, task_id, sync_type="full", phase="fetching", found=900, pending=900)
    assert eta(functions, task_id) == pytest.approx(900 / 5, abs=2)
    until_renewed = db.execute(
        "select extract(epoch from gmail_sync._quota_reset_at(now()) - now())::int as seconds"
    ).fetchone()
    assert until_renewed is not None
    set_run(db, task_id, found=3000, pending=3000)
    # Today, two whole days, and 300 messages.
    expected = until_renewed["seconds"] + 2 * 86_400 + 300 / 5
    assert eta(functions, task_id) == pytest.approx(expected, abs=3)


def test_what_is_not_listed_yet_is_left_too(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "google-standard")
    functions.rows("begin_listing", task_id, 1000, 3000)
    functions.rows("store_listing_page", task_id, [f"m{n}" for n in range(500)], "next")
    assert eta(functions, task_id) == pytest.approx(3000 / 5, abs=2)


def test_a_wait_comes_before_the_work(functions: Session, db: Connection, task_id: str) -> None:
    quota(db, "google-standard")
    set_run(db, task_id, phase="fetching", found=600, pending=600)
    shift(db, task_id, "2 h", "waiting_until")
    functions.value("handover_sync", task_id, "Google says wait")
    successor = successor_of(db, task_id)["task_id"]
    assert eta(functions, successor) == pytest.approx(7200 + 120, abs=2)


def test_an_ended_run_has_no_time_left(functions: Session, db: Connection, task_id: str) -> None:
    set_run(db, task_id, phase="fetching", found=10, pending=10)
    functions.value("cancel_sync", task_id)
    assert eta(functions, task_id) is None
