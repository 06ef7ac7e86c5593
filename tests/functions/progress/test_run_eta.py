"""The time a run has left: from what is left, its speed, the quota, and its wait."""

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    listed,
    message,
    only,
    run_of,
    set_run,
    shift,
    store,
    successor_of,
    taken,
)

PROFILE = "google-standard"
# Seconds in which Google allows 6,000 units: 300 messages. Our ledger adds 2 % for what is under
# way.
WINDOW, MESSAGES = 61.2, 300


@pytest.fixture
def task_id(functions: Session) -> str:
    return claimed(functions)


def quota(db: Connection, profile: str) -> None:
    db.execute("update gmail_sync.account set quota_profile = %s", [profile])


def price(db: Connection, units: int, method: str = "messages.get", answer: str = "full") -> None:
    db.execute(
        "update gmail_sync.quota_cost set units = %s where method = %s and format = %s",
        [units, method, answer],
    )


def spend(db: Connection, units: int, ago: str) -> None:
    db.execute(
        "insert into gmail_sync.quota_charge (profile, user_id, charged_at, units)"
        " values (%s, 'ann', clock_timestamp() - %s::interval, %s)",
        [PROFILE, ago, units],
    )


def until_renewed(db: Connection) -> float:
    """Seconds until the day's quota is renewed."""
    seconds = only(
        db, "select extract(epoch from gmail_sync._quota_reset_at(now()) - now())::float8"
    )
    return float(seconds)


def eta(functions: Session, task_id: str) -> int | None:
    (run,) = functions.rows("sync_run", task_id)
    seconds: int | None = run["eta_seconds"]
    return seconds


def fetch_for(db: Connection, task_id: str, seconds: int, since: int = 0) -> None:
    """As if the run had fetched for so long, and then stood still for `since` seconds."""
    db.execute(
        "update gmail_sync.user_sync_status set"
        " progressed_at = clock_timestamp() - make_interval(secs => %s),"
        " fetching_at = clock_timestamp() - make_interval(secs => %s) where task_id = %s",
        [since, since + seconds, task_id],
    )


def test_what_is_left_takes_as_long_as_what_was_done(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "unlimited")
    set_run(db, task_id, phase="fetching", found=100, pending=100)
    assert eta(functions, task_id) is None
    set_run(db, task_id, new=25, pending=75)
    fetch_for(db, task_id, 10)
    assert eta(functions, task_id) == pytest.approx(30, abs=1)


def test_a_run_that_stands_still_keeps_the_speed_that_it_had(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "unlimited")
    set_run(db, task_id, phase="fetching", found=100, new=25, pending=75)
    fetch_for(db, task_id, 10, since=100)
    assert eta(functions, task_id) == pytest.approx(30, abs=1)
    # Unless it says until when it waits.
    set_run(db, task_id, phase="waiting")
    shift(db, task_id, "500 s", "waiting_until")
    assert eta(functions, task_id) == pytest.approx(500, abs=8)


def test_a_successor_counts_its_own_speed_only(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "unlimited")
    set_run(db, task_id, phase="fetching", found=100, new=50, pending=50)
    functions.value("handover_sync", task_id, "goes on")
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")
    successor = successor_of(db, task_id)["task_id"]
    functions.row("claim_sync", "6d016c4a-0000-4000-8000-000000000000")
    listed(functions, successor, "a")
    taken(functions, successor)
    run = run_of(db, successor)
    assert (run["done_at_fetch"], run["found"]) == (50, 101)
    assert eta(functions, successor) is None
    set_run(db, successor, new=60, pending=41)
    fetch_for(db, successor, 10)
    assert eta(functions, successor) == pytest.approx(41, abs=1)


def test_the_time_of_the_listing_is_not_that_of_the_fetches(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, "unlimited")
    shift(db, task_id, "-10 min", "claimed_at")
    ids = [f"m{number}" for number in range(100)]
    listed(functions, task_id, *ids)
    assert run_of(db, task_id)["fetching_at"] is None
    taken(functions, task_id)
    shift(db, task_id, "-10 s", "fetching_at")
    store(functions, task_id, *(message(each) for each in ids[:10]))
    assert eta(functions, task_id) == pytest.approx(90, abs=70)


def test_no_run_is_promised_to_be_faster_than_its_quota(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=100_000, new=100, pending=99_900)
    fetch_for(db, task_id, 1)
    # The burst of a window is not expected again when a new day of the quota begins meanwhile.
    assert eta(functions, task_id) == pytest.approx(99_600 / MESSAGES * WINDOW, rel=0.01)


def test_a_run_slower_than_its_quota_is_not_promised_to_become_faster(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=100_000, new=100, pending=99_900)
    shift(db, task_id, "-100 s", "fetching_at")
    shift(db, task_id, "0 s", "progressed_at")
    assert eta(functions, task_id) == pytest.approx(99_900, rel=0.01)


def test_units_of_the_last_window_return_a_window_after_they_were_spent(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=100, pending=100)
    assert eta(functions, task_id) is None
    spend(db, 3000, "50 s")
    spend(db, 1000, "20 s")
    assert eta(functions, task_id) is None
    set_run(db, task_id, found=200, pending=200)
    assert eta(functions, task_id) == pytest.approx(WINDOW - 50, abs=8)
    set_run(db, task_id, found=251, pending=251)
    assert eta(functions, task_id) == pytest.approx(WINDOW - 20, abs=8)
    # 100 now, 150 and 50 after those, then 100 once more; one message waits for the next turn.
    set_run(db, task_id, found=401, pending=401)
    assert eta(functions, task_id) == pytest.approx(2 * WINDOW - 50, abs=8)


def test_the_time_left_follows_the_price_of_the_format(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=3000, pending=3000)

    def shown() -> tuple[int, int]:
        (run,) = functions.rows("sync_run", task_id)
        return run["eta_seconds"], run["messages_a_minute"]

    assert shown() == (pytest.approx(9 * WINDOW, abs=8), 300)
    price(db, 60)
    assert shown() == (pytest.approx(29 * WINDOW, abs=8), 100)
    functions.rows("set_content_mode", "ann", "raw")
    assert shown() == (pytest.approx(9 * WINDOW, abs=8), 300)


def test_the_time_left_counts_the_nights_that_the_day_s_quota_demands(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    # A full sync may spend 90 % of it: 900 messages a day.
    db.execute("update gmail_sync.quota_profile set day_units = 20000")
    set_run(db, task_id, sync_type="full", phase="fetching", found=900, pending=900)
    if until_renewed(db) < 5 * WINDOW:
        pytest.skip("a new day begins")
    assert eta(functions, task_id) == pytest.approx(2 * WINDOW, abs=8)
    set_run(db, task_id, found=3100, pending=3100)
    # Today, two whole days, and 400 messages.
    expected = until_renewed(db) + 2 * 86_400 + WINDOW
    assert eta(functions, task_id) == pytest.approx(expected, abs=8)
    # Others have spent a third of what full syncs may.
    db.execute(
        "insert into gmail_sync.quota_day values (%s, gmail_sync._quota_day(now()), 6000)",
        [PROFILE],
    )
    set_run(db, task_id, found=700, pending=700)
    assert eta(functions, task_id) == pytest.approx(until_renewed(db), abs=8)


def test_a_day_too_short_for_its_units_brings_no_wait(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=3_000_000, pending=3_000_000)
    # Seven days.
    assert eta(functions, task_id) == pytest.approx(3_000_000 / MESSAGES * WINDOW, rel=0.01)


def test_runs_at_work_share_the_quota_of_the_project(
    functions: Session, db: Connection, task_id: str
) -> None:
    for other in ("bob", "eve"):
        claimed(functions, other)
    quota(db, PROFILE)
    set_run(db, task_id, sync_type="full", phase="fetching", found=900, pending=900)

    def shown() -> tuple[int, int]:
        (run,) = functions.rows("sync_run", task_id)
        return run["eta_seconds"], run["messages_a_minute"]

    assert shown() == (pytest.approx(2 * WINDOW, abs=8), 300)
    db.execute("update gmail_sync.quota_profile set project_units = 9000")
    assert shown() == (pytest.approx(5 * WINDOW, abs=8), 150)
    functions.value(
        "cancel_sync",
        only(db, "select max(task_id) from gmail_sync._running_run where user_id = 'eve'"),
    )
    assert shown() == (pytest.approx(3 * WINDOW, abs=8), 225)
    # Their parts of the day are 675 messages each.
    db.execute("update gmail_sync.quota_profile set day_units = 30000")
    assert shown() == (pytest.approx(until_renewed(db), abs=8), 225)
    # Runs of other projects do not count.
    db.execute("update gmail_sync.account set quota_profile = 'unlimited' where user_id = 'bob'")
    assert shown() == (pytest.approx(2 * WINDOW, abs=8), 300)


def test_what_is_not_listed_yet_is_left_too(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    functions.rows("begin_listing", task_id, 1000, 3000)
    functions.rows("store_listing_page", task_id, [f"m{n}" for n in range(500)], "next")
    # Five pages are 25 units.
    assert eta(functions, task_id) == pytest.approx(10 * WINDOW, abs=8)


@pytest.mark.parametrize("mode", ["full", "raw"])
def test_stored_messages_cost_their_place_in_the_lists_of_labels(
    functions: Session, db: Connection, task_id: str, mode: str
) -> None:
    quota(db, PROFILE)
    functions.rows("set_content_mode", "ann", mode)
    functions.rows("begin_listing", task_id, 1000, 200_000)
    db.execute("insert into gmail_sync.mail_count values ('ann', 199300, 199300)")
    # Three labels each are 1,200 pages of 5 units, as is the listing of 2,000 units.
    assert eta(functions, task_id) == pytest.approx(3 * WINDOW, abs=8)
    # Without raw copies each must be fetched whole.
    db.execute("update gmail_sync.mail_count set with_raw = 0")
    dear = pytest.approx(200_000 / MESSAGES * WINDOW, rel=0.01)
    assert eta(functions, task_id) == (dear if mode == "raw" else pytest.approx(3 * WINDOW, abs=8))
    # As if lists were dear.
    db.execute("update gmail_sync.mail_count set with_raw = messages")
    price(db, 100_000, "messages.list", "")
    price(db, 2, "messages.get", "minimal")
    cheap = functions.rows("sync_run", task_id)[0]["eta_seconds"]
    assert cheap > 40_000_000 / 6000 * WINDOW


@pytest.mark.parametrize(("staged", "fetched"), [(9_000, 11_000), (9_999, 10_001), (10_000, 0)])
def test_staged_messages_of_an_import_are_not_fetched(
    functions: Session, db: Connection, task_id: str, staged: int, fetched: int
) -> None:
    """So many that they are not counted count as all."""
    quota(db, PROFILE)
    functions.rows("begin_listing", task_id, 1000, 20_000)
    db.execute("update gmail_sync.account set listing_complete = true")
    db.execute(
        "insert into gmail_sync.imported_message (user_id, import_key, thread_id, label_ids,"
        " label_names, size, parsed) select 'ann', n, 't', '{}', '{}', 1, '{}'"
        " from generate_series(1, %s) n",
        [staged],
    )
    set_run(db, task_id, phase="fetching", found=20_000, pending=20_000)
    seconds = fetched / MESSAGES * WINDOW
    assert eta(functions, task_id) == (pytest.approx(seconds, rel=0.05) if fetched else None)


def test_a_first_sync_that_goes_on_has_only_new_messages_left(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    functions.rows("begin_listing", task_id, 1000, 2000)
    db.execute("update gmail_sync.account set listing_complete = true")
    db.execute("insert into gmail_sync.mail_count values ('ann', 1000, 0)")
    set_run(db, task_id, found=1000, pending=1000)
    assert eta(functions, task_id) == pytest.approx(3 * WINDOW, abs=8)


@pytest.mark.parametrize(("thread", "bursts"), [(40, 3), (60, 4), (121, 9)])
def test_messages_of_a_thread_cost_what_threads_get_costs_where_that_is_less(
    functions: Session, db: Connection, task_id: str, thread: int, bursts: int
) -> None:
    quota(db, PROFILE)
    price(db, thread, "threads.get")
    functions.rows("begin_listing", task_id, 1000, 3000)
    ids = [f"m{number:04}" for number in range(3000)]
    threads = [f"t{number // 6}" for number in range(3000)]
    functions.rows("store_listing_page", task_id, ids, None, threads)
    # 500 threads of 6 messages each.
    expected = pytest.approx(bursts * WINDOW, abs=8)
    assert eta(functions, task_id) == expected
    # The plan is kept, and handed on.
    taken(functions, task_id)
    share = min(thread / 120, 1)
    assert run_of(db, task_id)["planned_share"] == pytest.approx(share, abs=0.01)
    assert eta(functions, task_id) == expected
    functions.value("handover_sync", task_id, "goes on", "epoch")
    successor = successor_of(db, task_id)
    assert successor["planned_share"] == pytest.approx(share, abs=0.01)
    assert eta(functions, successor["task_id"]) == expected


def test_a_plan_is_made_every_ten_seconds_at_most(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    listed(functions, task_id, *(f"m{number}" for number in range(400)))
    taken(functions, task_id)
    planned_at = run_of(db, task_id)["planned_at"]
    taken(functions, task_id)
    assert run_of(db, task_id)["planned_at"] == planned_at
    shift(db, task_id, "-11 s", "planned_at")
    taken(functions, task_id)
    assert run_of(db, task_id)["planned_at"] > planned_at
    # Set back clocks do not keep a plan forever.
    shift(db, task_id, "1 h", "planned_at")
    taken(functions, task_id)
    assert run_of(db, task_id)["planned_at"] < only(db, "select clock_timestamp()")


def test_a_wait_comes_before_the_work(functions: Session, db: Connection, task_id: str) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=601, pending=601)
    shift(db, task_id, "2 h", "waiting_until")
    functions.value("handover_sync", task_id, "Google says wait")
    successor = successor_of(db, task_id)["task_id"]
    assert eta(functions, successor) == pytest.approx(7200 + 2 * WINDOW, abs=8)


def test_what_was_spent_before_a_wait_is_free_after_it(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    spend(db, 6000, "1 s")
    set_run(db, task_id, phase="fetching", found=301, pending=301)
    shift(db, task_id, "2 h", "waiting_until")
    functions.value("handover_sync", task_id, "Google says wait")
    successor = successor_of(db, task_id)["task_id"]
    assert eta(functions, successor) == pytest.approx(7200 + WINDOW, abs=8)


def test_a_run_that_is_due_has_its_work_left(
    functions: Session, db: Connection, task_id: str
) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=601, pending=601)
    functions.value("handover_sync", task_id, "goes on", "epoch")
    successor = successor_of(db, task_id)["task_id"]
    assert eta(functions, successor) == pytest.approx(2 * WINDOW, abs=8)


def test_an_ended_run_has_no_time_left(functions: Session, db: Connection, task_id: str) -> None:
    quota(db, PROFILE)
    set_run(db, task_id, phase="fetching", found=1000, pending=1000)
    functions.value("cancel_sync", task_id)
    (run,) = functions.rows("sync_run", task_id)
    assert run["eta_seconds"] is run["messages_a_minute"] is None


def test_no_number_of_messages_is_too_large(
    functions: Session, db: Connection, task_id: str
) -> None:
    for profile in (PROFILE, "unlimited"):
        quota(db, profile)
        functions.rows("begin_listing", task_id, 1000, 2**50)
        taken(functions, task_id)
        shift(db, task_id, "-100 s", "fetching_at")
        shift(db, task_id, "0 s", "progressed_at")
        set_run(db, task_id, found=1, new=1)
        assert eta(functions, task_id) == 20 * 365.25 * 86_400
