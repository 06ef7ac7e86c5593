import uuid
from collections.abc import Callable
from itertools import pairwise

import psycopg
import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    age_runs,
    claimed,
    connected,
    insert_run,
    only,
    queued,
    run_of,
    set_settings,
)


def every(db: Connection, user: str, interval: str) -> None:
    db.execute(
        "update gmail_sync.account set sync_interval = %s where user_id = %s", [interval, user]
    )


def ran(db: Connection, user: str, ago: str, outcome: str = "superseded") -> None:
    insert_run(
        db, task_id=f"{user} {ago}", user_id=user, is_syncing=False, finished_at="now",
        outcome=outcome, error_message="why" if outcome == "failed" else None,
    )  # fmt: skip
    db.execute(
        "alter table gmail_sync.user_sync_status disable trigger user;"
        f"update gmail_sync.user_sync_status set started_at = now() - '{ago}'::interval"
        f" where task_id = '{user} {ago}';"
        "alter table gmail_sync.user_sync_status enable trigger user".encode()
    )


def wait_over(db: Connection, user: str, not_before: str, dead: bool = False) -> None:
    """A message whose wait is over at a moment, from now."""
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, not_before, dead)"
        " values (%s, 'm', 'listed', now() + %s::interval, %s)",
        [user, not_before, dead],
    )


def enqueued(functions: Session, *limit: int) -> list[str]:
    return [
        functions.rows("sync_run", row["enqueue_due_syncs"])[0]["user_id"]
        for row in functions.rows("enqueue_due_syncs", *limit)
    ]


def test_an_account_without_an_interval_is_left_alone(functions: Session, db: Connection) -> None:
    connected(functions)
    ran(db, "ann", "3 days")
    assert enqueued(functions) == []


def test_an_account_is_due_at_once_and_again_when_its_interval_has_passed(
    functions: Session, db: Connection
) -> None:
    for user in ("fresh", "due", "early"):
        every(db, connected(functions, user), "10 min")
    ran(db, "due", "11 min")
    ran(db, "early", "9 min")
    assert enqueued(functions) == ["due", "fresh"]
    assert functions.rows("sync_status", "due")[0]["source"] == "schedule"
    assert enqueued(functions) == []


@pytest.mark.parametrize("status", ["reauth_required", "suspended", "disconnected"])
def test_an_account_that_is_not_connected_is_skipped(
    functions: Session, db: Connection, status: str
) -> None:
    every(db, connected(functions), "10 min")
    db.execute("update gmail_sync.account set status = %s", [status])
    assert enqueued(functions) == []


def test_a_running_run_is_left_alone(functions: Session, db: Connection) -> None:
    every(db, connected(functions), "10 min")
    task_id = queued(functions)
    before = run_of(db, task_id)
    assert enqueued(functions) == []
    assert run_of(db, task_id) == before


@pytest.mark.parametrize(
    ("not_before", "dead", "due"),
    [("-1 s", False, ["ann"]), ("1 min", False, []), ("-1 s", True, [])],
)
def test_messages_whose_wait_is_over_wake_their_user(
    functions: Session, db: Connection, not_before: str, dead: bool, due: list[str]
) -> None:
    connected(functions)
    ran(db, "ann", "1 min")
    wait_over(db, "ann", not_before, dead)
    assert enqueued(functions) == due


def test_what_somebody_cancelled_is_not_taken_up_for_its_messages(
    functions: Session, db: Connection
) -> None:
    for user, ago in (("ann", "1 min"), ("bo", "11 min")):
        ran(db, connected(functions, user), ago, "cancelled")
        wait_over(db, user, "-1 s")
    assert enqueued(functions) == []
    # A schedule goes on, and takes whatever is queued.
    every(db, "ann", "10 min")
    every(db, "bo", "10 min")
    assert enqueued(functions) == ["bo"]


@pytest.mark.parametrize(("ago", "due"), [("9 min", []), ("11 min", ["ann"])])
def test_a_failed_run_is_not_tried_again_at_once(
    functions: Session, db: Connection, ago: str, due: list[str]
) -> None:
    every(db, connected(functions), "1 min")
    ran(db, "ann", ago, "failed")
    assert enqueued(functions) == due


def test_an_account_that_fails_and_fails_is_tried_ever_less_often_and_once_a_day_at_last(
    functions: Session, db: Connection
) -> None:
    """Time moves on by an hour; each pass that finds the account due starts a run that fails."""
    connected(functions)
    functions.value("set_sync_interval", "ann", "1 min")
    tries: list[int] = []
    for hour in range(24 * 5):
        if functions.rows("enqueue_due_syncs"):
            functions.rows("claim_sync", uuid.uuid4())
            running = "select task_id from gmail_sync.user_sync_status where is_syncing"
            functions.value("release_sync", only(db, running), "why")
            tries.append(hour)
        age_runs(db, "1 hour")
    waits = [after - before for before, after in pairwise(tries)]
    assert waits == sorted(waits)
    # Each hour at first, and no oftener than once a day in the end.
    assert (waits[0], waits[-1] >= 24, len(tries) <= 10) == (1, True, True)


def test_after_a_success_the_first_failure_is_soon_tried_again(
    functions: Session, db: Connection
) -> None:
    for reason, gone_by in (("why", "1 day"), (None, "1 day"), ("why", "11 min")):
        functions.value("release_sync", claimed(functions), reason)
        age_runs(db, gone_by)
    functions.value("set_sync_interval", "ann", "1 min")
    assert len(functions.rows("enqueue_due_syncs")) == 1


def test_a_pass_is_bounded_and_the_longest_waiting_goes_first(
    functions: Session, db: Connection
) -> None:
    for minutes in (20, 40, 30):
        user = f"user{minutes}"
        every(db, connected(functions, user), "10 min")
        ran(db, user, f"{minutes} min")
    assert len(functions.rows("enqueue_due_syncs", 2)) == 2
    assert enqueued(functions) == ["user20"]


def accounts(db: Connection, number: int, interval: str = "10 min") -> None:
    """That many connected accounts, all with a run that ended an hour ago to the moment."""
    db.execute(
        "insert into gmail_sync.account (user_id, email, credentials, sync_interval)"
        " select 'user' || n, 'user' || n || '@mail.example', 'sealed', %s"
        " from generate_series(1, %s) n",
        [interval, number],
    )
    db.execute(
        "insert into gmail_sync.user_sync_status"
        " (task_id, user_id, is_syncing, finished_at, outcome, started_at)"
        " select 'before ' || user_id, user_id, false, now(), 'cancelled', now() - interval '1 h'"
        " from gmail_sync.account"
    )


def due(db: Connection) -> int:
    """How many would be started now, were there no limit."""
    with db.transaction(force_rollback=True):
        return len(db.execute("select gmail_sync.enqueue_due_syncs(10000)").fetchall())


def test_a_pass_starts_a_thousand_and_the_next_one_others(
    functions: Session, db: Connection
) -> None:
    accounts(db, 2500)
    started = [enqueued(functions) for _ in range(4)]
    assert [len(users) for users in started] == [1000, 1000, 500, 0]
    assert len({user for users in started for user in users}) == 2500


def test_accounts_that_were_connected_together_drift_apart(db: Connection) -> None:
    accounts(db, 1000)
    became_due = []
    for percent in range(90, 111, 2):
        # The hour that has passed is now this much of the interval.
        db.execute(
            "update gmail_sync.account set sync_interval = interval '1 h' * 100 / %s::numeric",
            [percent],
        )
        became_due.append(due(db))
    assert became_due[0] <= 20
    assert became_due[-1] == 1000
    steps = [after - before for before, after in pairwise(became_due)]
    # A tenth of them in each tenth of the time, with room for chance.
    assert sum(steps) + became_due[0] == 1000
    assert all(50 <= step <= 150 for step in steps), steps


def test_who_became_due_first_goes_first_for_whatever_reason(
    functions: Session, db: Connection
) -> None:
    for user, interval, ago in (
        ("daily", "1 day", "30 hours"),
        ("hourly", "1 hour", "12 hours"),
        ("often", "5 min", "15 min"),
    ):
        every(db, connected(functions, user), interval)
        ran(db, user, ago)
    every(db, connected(functions, "fresh"), "1 day")
    ran(db, connected(functions, "watched"), "3 days")
    db.execute(
        "update gmail_sync.account set watched_at = now() - interval '26 hours'"
        " where user_id = 'watched'"
    )
    for user, ago in (("messages", "-1 hour"), ("message", "-2 s")):
        ran(db, connected(functions, user), "2 days")
        wait_over(db, user, ago)
    db.execute("update gmail_sync.account set watched_at = now() where watched_at is null")
    order = ["hourly", "daily", "watched", "messages", "often", "message", "fresh"]
    assert enqueued(functions) == order


def test_messages_to_retry_do_not_keep_scheduled_accounts_waiting(
    functions: Session, db: Connection
) -> None:
    for user in ("a", "b", "c"):
        ran(db, connected(functions, user), "1 hour")
        wait_over(db, user, "-1 min")
    every(db, connected(functions, "scheduled"), "10 min")
    ran(db, "scheduled", "20 min")
    (first,) = [row["enqueue_due_syncs"] for row in functions.rows("enqueue_due_syncs", 1)]
    assert run_of(db, first)["user_id"] == "scheduled"


def test_accounts_that_fail_and_fail_do_not_starve_the_others(
    functions: Session, db: Connection
) -> None:
    users = [f"fails{number}" for number in range(3)] + ["well1", "well2"]
    for user in users:
        every(db, connected(functions, user), "1 min")
        ran(db, user, "70 s")
    started: list[str] = []
    for _ in range(3):
        passed = [row["enqueue_due_syncs"] for row in functions.rows("enqueue_due_syncs", 2)]
        for task_id in passed:
            user = functions.rows("sync_run", task_id)[0]["user_id"]
            started.append(user)
            functions.value("release_sync", task_id, "why" if user.startswith("fails") else None)
    assert sorted(started) == sorted(users)
    assert enqueued(functions) == []


def test_a_wait_that_was_over_long_ago_is_no_older_than_the_last_failure(
    functions: Session, db: Connection
) -> None:
    for number in range(3):
        user = connected(functions, f"fails{number}")
        wait_over(db, user, "-1 day")
        ran(db, user, "11 min", "failed")
    every(db, connected(functions, "well"), "1 hour")
    ran(db, "well", "2 hours")
    (task_id,) = [row["enqueue_due_syncs"] for row in functions.rows("enqueue_due_syncs", 1)]
    assert functions.rows("sync_run", task_id)[0]["user_id"] == "well"


def test_a_pass_is_bounded(functions: Session) -> None:
    for limit in (0, 10001):
        with pytest.raises(InvalidArgument):
            functions.rows("enqueue_due_syncs", limit)


@pytest.mark.parametrize(
    ("watched", "last_run", "started"),
    [
        (None, "3 days", []),
        ("23 hours", "23 hours", []),
        ("25 hours", "25 hours", ["ann"]),
        ("25 hours", "2 hours", ["ann"]),
        # A run that was to renew it did not: not again and again.
        ("25 hours", "30 min", []),
        ("3 days", "23 hours", []),
        ("3 days", "25 hours", ["ann"]),
    ],
)
def test_a_watch_to_renew_wakes_an_idle_account_once_a_day(
    functions: Session, db: Connection, watched: str | None, last_run: str, started: list[str]
) -> None:
    connected(functions)
    ran(db, "ann", last_run)
    db.execute("update gmail_sync.account set watched_at = now() - %s::interval", [watched])
    assert enqueued(functions) == started


@pytest.mark.parametrize(
    ("others", "last_run", "started"),
    [
        # Nobody is watched: nothing says that Gmail pushes here.
        (None, "3 days", []),
        ("3 days", "4 days", []),
        ("1 hour", None, ["ann"]),
        ("1 hour", "2 hours", ["ann"]),
        # A run that could have watched it did not: not again and again.
        ("1 hour", "30 min", []),
        ("1 hour", "25 hours", ["ann"]),
    ],
)
def test_an_account_without_a_watch_is_woken_once_others_have_one(
    functions: Session, db: Connection, others: str | None, last_run: str | None, started: list[str]
) -> None:
    connected(functions)
    if last_run is not None:
        ran(db, "ann", last_run)
    ran(db, connected(functions, "bo"), "1 min")
    db.execute(
        "update gmail_sync.account set watched_at = now() - %s::interval where user_id = 'bo'",
        [others],
    )
    assert enqueued(functions) == started


def test_accounts_without_a_watch_are_woken_in_portions(functions: Session, db: Connection) -> None:
    accounts(db, 150)
    db.execute("update gmail_sync.account set sync_interval = null")
    ran(db, connected(functions, "watched"), "1 min")
    db.execute("update gmail_sync.account set watched_at = now() where user_id = 'watched'")
    assert [len(enqueued(functions, 100)) for _ in range(3)] == [100, 50, 0]


def test_a_person_is_claimed_before_a_hundred_scheduled_runs(
    functions: Session, db: Connection
) -> None:
    accounts(db, 102)
    assert len(enqueued(functions, 100)) == 100
    db.execute(
        "update gmail_sync.user_sync_status set started_at = now() - interval '1 h'"
        " where is_syncing and user_id < 'user5'"
    )
    waiting = [f"user{number}" for number in range(1, 103)]
    (idle, *_) = [user for user in waiting if not is_running(functions, user)]
    (scheduled, *_) = [user for user in waiting[50:] if is_running(functions, user)]
    clicked = [idle, "person"]
    for user in clicked:
        functions.value("start_sync_idempotent", user, False, "api")
    joined = functions.row("start_sync", scheduled, False, "api")
    assert joined is not None
    claimed = [functions.row("claim_sync", uuid.uuid4()) for _ in range(3)]
    assert {row["user_id"] for row in claimed if row} == {*clicked, scheduled}


def is_running(functions: Session, user: str) -> bool:
    rows = functions.rows("sync_status", user)
    return bool(rows) and bool(rows[0]["is_syncing"])


def test_a_pass_follows_a_change_of_the_settings(functions: Session, db: Connection) -> None:
    connected(functions)
    ran(db, "ann", "2 days")
    db.execute("update gmail_sync.account set watched_at = now() - interval '25 hours'")
    set_settings(db, watch_interval="3 days")
    assert enqueued(functions) == []
    set_settings(db, watch_interval="1 day")
    assert enqueued(functions) == ["ann"]


def test_an_account_whose_last_run_is_no_longer_known_is_due(
    functions: Session, db: Connection
) -> None:
    every(db, connected(functions), "30 days")
    ran(db, "ann", "2 days")
    assert enqueued(functions) == []
    db.execute("select gmail_sync.prune_sync_history('0 s')")
    assert enqueued(functions) == ["ann"]


def test_a_stored_time_waits_for_no_clock_of_before(functions: Session, db: Connection) -> None:
    every(db, connected(functions), "1 hour")
    functions.value("release_sync", claimed(functions))
    assert enqueued(functions) == []
    db.execute(
        "alter table gmail_sync.user_sync_status disable trigger user;"
        "update gmail_sync.user_sync_status set started_at = started_at + interval '1 year';"
        "alter table gmail_sync.user_sync_status enable trigger user;"
        "update gmail_sync.schedule set check_at = check_at + interval '1 year',"
        " checked_at = checked_at + interval '1 year'"
    )
    assert enqueued(functions) == ["ann"]


def test_an_account_that_another_transaction_starts_is_looked_at_again(
    functions: Session, db: Connection, locked: Callable[[str], psycopg.Connection[Row]]
) -> None:
    every(db, connected(functions), "1 hour")
    deletion = locked("select pg_advisory_xact_lock(hashtext('gmail_sync user'), hashtext('ann'))")
    functions.rows("enqueue_due_syncs")
    deletion.rollback()
    db.execute("update gmail_sync.schedule set check_at = check_at - interval '1 min'")
    assert enqueued(functions) == ["ann"]


def test_a_pass_does_not_wait_for_another(
    functions: Session, db: Connection, locked: Callable[[str], psycopg.Connection[Row]]
) -> None:
    every(db, connected(functions), "1 hour")
    other = locked("select gmail_sync.enqueue_due_syncs()")
    assert enqueued(functions) == []
    other.rollback()
    assert enqueued(functions) == ["ann"]
