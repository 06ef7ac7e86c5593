"""sync_activity: runs by outcome, the age of the queue and messages a minute, in buckets."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import insert_run, only, queued, shift

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def now(db: Connection) -> datetime:
    """The database's time."""
    time: datetime = only(db, "select clock_timestamp()")
    return time


def ended_run(db: Connection, task_id: str, at: datetime, **columns: object) -> None:
    """A run of a minute that was claimed at once."""
    insert_run(
        db,
        **{
            "task_id": task_id,
            "user_id": f"user of {task_id}",
            "is_syncing": False,
            "outcome": "succeeded",
            "progress_percentage": 100 if columns.get("outcome") in (None, "succeeded") else 0,
            "phase": "done",
            "started_at": at - timedelta(minutes=1),
            "not_before": at - timedelta(minutes=1),
            "claimed_at": at - timedelta(minutes=1),
            "updated_at": at,
            "finished_at": at,
            **columns,
        },
    )


def activity(functions: Session, since: datetime, bucket: timedelta = QUARTER) -> list[Row]:
    return functions.rows("sync_activity", since, bucket)


def bucket_of(buckets: list[Row], at: datetime) -> Row:
    (bucket,) = (each for each in buckets if each["bucket"] <= at < each["bucket"] + QUARTER)
    return bucket


def messages(bucket: Row, minutes: int = 15) -> float:
    return float(bucket["messages_a_minute"]) * minutes


def test_buckets_are_aligned_and_without_a_gap(functions: Session, now: datetime) -> None:
    buckets = [row["bucket"] for row in functions.rows("sync_activity")]
    assert len(buckets) in (48, 49)
    assert {after - before for before, after in pairwise(buckets)} == {2 * QUARTER}
    assert {bucket.minute % 30 for bucket in buckets} == {0}
    assert buckets[0] <= now - 24 * HOUR < buckets[0] + 2 * QUARTER + timedelta(minutes=1)
    assert buckets[-1] <= now + timedelta(minutes=1)


def test_runs_are_counted_by_outcome_where_they_ended(
    functions: Session, db: Connection, now: datetime
) -> None:
    at = now - 3 * HOUR
    for outcome in ("succeeded", "succeeded", "failed", "reaped", "cancelled", "superseded"):
        number = only(db, "select count(*) from gmail_sync.user_sync_status")
        error = "why" if outcome == "failed" else None
        ended_run(db, f"t{number}", at, outcome=outcome, error_message=error)
    ended_run(db, "earlier", now - 26 * HOUR)
    buckets = activity(functions, now - 24 * HOUR)
    found = bucket_of(buckets, at)
    outcomes = ("succeeded", "failed", "reaped", "cancelled", "superseded")
    assert [found[name] for name in outcomes] == [2, 1, 1, 1, 1]
    assert sum(row[name] for row in buckets for name in outcomes) == 6


def test_the_age_of_the_queue_is_from_due_to_claimed(
    functions: Session, db: Connection, now: datetime
) -> None:
    at = now - 2 * HOUR
    for number, waited in enumerate([1, 2, 3, 4, 101]):
        ended_run(
            db, f"t{number}", at,
            started_at=at - HOUR, not_before=at - timedelta(seconds=waited),
            claimed_at=at, finished_at=at + HOUR, updated_at=at + HOUR,
        )  # fmt: skip
    found = bucket_of(activity(functions, now - 24 * HOUR), at)
    assert found["queue_median"] == timedelta(seconds=3)
    assert timedelta(seconds=80) < found["queue_p95"] <= timedelta(seconds=101)
    others = [row for row in activity(functions, now - 24 * HOUR) if row != found]
    assert {row["queue_p95"] for row in others} == {None}


def test_runs_that_still_wait_count_with_the_age_they_have(
    functions: Session, db: Connection, now: datetime
) -> None:
    shift(db, queued(functions, "ann"), "-40 min", "started_at", "not_before")
    shift(db, queued(functions, "bob"), "1 hour", "not_before")
    *before, last = activity(functions, now - HOUR)
    assert timedelta(minutes=40) <= last["queue_median"] < timedelta(minutes=41)
    assert last["queue_p95"] < timedelta(minutes=41)
    assert {row["queue_p95"] for row in before} == {None}


def test_a_run_that_was_cancelled_in_the_queue_left_it_never(
    functions: Session, db: Connection, now: datetime
) -> None:
    at = now - HOUR
    ended_run(db, "t", at, outcome="cancelled", claimed_at=None, found=9, new=9)
    found = bucket_of(activity(functions, now - 2 * HOUR), at)
    assert (found["cancelled"], found["queue_p95"], messages(found)) == (1, None, 0)


def test_messages_are_spread_over_the_time_of_their_run(
    functions: Session, db: Connection, now: datetime
) -> None:
    start = now.replace(minute=0, second=0, microsecond=0, tzinfo=UTC) - 3 * HOUR
    ended_run(db, "t", start + HOUR, claimed_at=start, found=400, new=200, unchanged=190, failed=10)
    buckets = activity(functions, now - 24 * HOUR)
    for quarter in range(4):
        assert messages(bucket_of(buckets, start + quarter * QUARTER)) == pytest.approx(100, abs=1)
    assert sum(map(messages, buckets)) == pytest.approx(400, abs=4)


def test_what_lies_before_the_first_bucket_is_left_out(
    functions: Session, db: Connection, now: datetime
) -> None:
    first = activity(functions, now - HOUR)[0]["bucket"]
    ended_run(db, "t", first + QUARTER, claimed_at=first - 3 * QUARTER, found=400, new=400)
    buckets = activity(functions, now - HOUR)
    assert messages(buckets[0]) == pytest.approx(100, abs=1)
    assert sum(map(messages, buckets)) == pytest.approx(100, abs=1)


def test_a_successor_s_messages_are_its_own(
    functions: Session, db: Connection, now: datetime
) -> None:
    at = now - HOUR
    ended_run(db, "t", at, found=100, new=90, pending=10, outcome="superseded")
    ended_run(db, "u", at, resumes="t", done_at_claim=90, found=120, new=120)
    assert sum(map(messages, activity(functions, now - 2 * HOUR))) == pytest.approx(120, abs=2)


def test_a_running_run_counts_so_far(functions: Session, db: Connection, now: datetime) -> None:
    insert_run(db, found=300, new=250, pending=50, claimed_at=now - timedelta(minutes=1))
    shift(db, "t", "0 s", "updated_at")
    buckets = activity(functions, now - HOUR)
    minutes = (now - buckets[-1]["bucket"]).total_seconds() / 60
    told = messages(buckets[-1], 1) * minutes + messages(buckets[-2])
    assert told == pytest.approx(250, rel=0.1)


def test_runs_that_took_no_time_count_too(
    functions: Session, db: Connection, now: datetime
) -> None:
    at = now - HOUR
    ended_run(db, "t", at, claimed_at=at, found=30, new=30)
    assert messages(bucket_of(activity(functions, now - 2 * HOUR), at)) == 30


@pytest.mark.parametrize(
    ("since", "bucket"),
    [
        ("1 day", "59 s"),
        ("1 day", "25 hours"),
        ("1 day", "-1 min"),
        ("1 day", "1 mon -29 days -23 hours"),
        ("1001 min", "1 min"),
        ("-1 hour", "15 min"),
        ("1 day", None),
        (None, "15 min"),
        ("infinity", "15 min"),
        ("-infinity", "15 min"),
    ],
)
def test_too_many_buckets_are_refused(
    functions: Session, db: Connection, since: str | None, bucket: str | None
) -> None:
    is_infinite = since is not None and since.endswith("infinity")
    moment = since if is_infinite else only(db, "select (now() - %s::interval)::text", since)
    with pytest.raises(InvalidArgument):
        functions.rows("sync_activity", moment, bucket)


def test_a_thousand_buckets_are_had(functions: Session, now: datetime) -> None:
    minute = timedelta(minutes=1)
    assert len(activity(functions, now - timedelta(minutes=999), minute)) in (1000, 1001)
