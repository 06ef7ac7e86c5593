"""sync_activity counts each half hour once, and shows what counting all runs again would give."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from psycopg import OperationalError

from service.postgres.calls import Connection, Row, Session, connect
from tests.functions.conftest import insert_run, only, set_run
from tests.waiting import wait_until

BUCKET = timedelta(minutes=30)
OUTCOMES = ("succeeded", "failed", "reaped", "cancelled", "superseded")
# Columns of time of a run.
TIMES = ("started_at", "updated_at", "not_before", "claimed_at", "finished_at")


def now_of(db: Connection) -> datetime:
    time: datetime = only(db, "select clock_timestamp()")
    return time


def counted_to(db: Connection) -> object:
    """A text, because Python has no infinite time."""
    return only(db, "select counted_to::text from gmail_sync.activity_state")


def keep(db: Connection) -> None:
    """A pass of the job. Its first may find another transaction under way in this cluster."""
    before = counted_to(db)
    wait_until(
        lambda: (
            only(db, "select gmail_sync.prune_sync_history()") is not None
            and counted_to(db) != before
        )
    )


def activity(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.sync_activity()").fetchall()


def kept_and_counted(db: Connection) -> tuple[list[Row], list[Row]]:
    """The activity as it is shown, and as all runs give it, at the same moment."""
    with db.transaction(force_rollback=True):
        shown = activity(db)
        db.execute("select gmail_sync._forget_activity()")
        assert counted_to(db) == "-infinity"
        return shown, activity(db)


def assert_same(found: list[Row], wanted: list[Row]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert abs(one["messages_a_minute"] - other["messages_a_minute"]) <= Decimal("0.1")
        assert {**one, "messages_a_minute": 0} == {**other, "messages_a_minute": 0}


def pass_time(db: Connection, buckets: int) -> None:
    """Move all that is stored into the past, as if so much time had gone by since."""
    lapse = f"interval '{30 * buckets} min'"
    moved = ", ".join(f"{column} = {column} - {lapse}" for column in TIMES)
    db.execute(
        "alter table gmail_sync.user_sync_status disable trigger user;"
        f"update gmail_sync.user_sync_status set {moved};"
        "alter table gmail_sync.user_sync_status enable trigger user;"
        "alter table gmail_sync.activity drop constraint activity_pkey;"
        f"update gmail_sync.activity set bucket = bucket - {lapse};"
        "alter table gmail_sync.activity add primary key (bucket);"
        "update gmail_sync.activity_state"
        f" set counted_to = counted_to - {lapse}, closing_at = closing_at - {lapse}".encode()
    )


def ended_run(db: Connection, task_id: str = "t") -> None:
    """It ended an hour ago."""
    insert_run(db, task_id=task_id, claimed_at=now_of(db) - 3 * BUCKET)
    end(db, task_id, now_of(db) - 2 * BUCKET)


def end(db: Connection, task_id: str, at: datetime, outcome: str = "cancelled") -> None:
    set_run(
        db, task_id,
        is_syncing=False, outcome=outcome, phase="done", finished_at=at, updated_at=at,
        progress_percentage=100 if outcome == "succeeded" else 0,
        error_message="why" if outcome == "failed" else None,
    )  # fmt: skip


class History:
    """Runs that start, are claimed, settle messages and end at random times."""

    def __init__(self, db: Connection, seed: int) -> None:
        self.db, self.random = db, random.Random(seed)
        self.queued: list[str] = []
        self.running: list[str] = []
        self.number = 0

    def moment(self) -> datetime:
        """Of the half hour that is not over."""
        now = now_of(self.db)
        first = now - (now - datetime(2000, 1, 1, tzinfo=now.tzinfo)) % BUCKET
        return first + (now - first) * self.random.random()

    def start(self) -> None:
        self.number += 1
        self.queued.append(f"t{self.number}")
        at = self.moment()
        insert_run(
            self.db, task_id=self.queued[-1], user_id=f"user {self.number}", phase="queued",
            claimed_at=None, started_at=at, updated_at=at,
            not_before=at + self.random.choice([0, 0, -5, 2]) * timedelta(minutes=1),
        )  # fmt: skip

    def claim(self) -> None:
        self.running.append(self.one_of(self.queued))
        at = self.moment()
        set_run(self.db, self.running[-1], claimed_at=at, updated_at=at, phase="listing")

    def settle(self) -> None:
        messages = self.random.randrange(5_000)
        set_run(
            self.db, self.random.choice(self.running),
            found=messages + 7, new=messages, failed=7, updated_at=self.moment(),
        )  # fmt: skip

    def end(self) -> None:
        end(self.db, self.one_of(self.running), self.moment(), self.random.choice(OUTCOMES))

    def cancel(self) -> None:
        end(self.db, self.one_of(self.queued), self.moment())

    def one_of(self, runs: list[str]) -> str:
        return runs.pop(self.random.randrange(len(runs)))

    def go_on(self) -> None:
        for _ in range(15):
            acts = [self.start, self.start]
            acts += [self.claim, self.claim, self.cancel] if self.queued else []
            acts += [self.settle, self.settle, self.end] if self.running else []
            self.random.choice(acts)()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_is_what_the_runs_give(db: Connection, seed: int) -> None:
    history = History(db, seed)
    for _ in range(15):
        history.go_on()
        pass_time(db, history.random.choice([1, 1, 1, 2, 7]))
        keep(db)
        history.go_on()
        assert_same(*kept_and_counted(db))
    with db.transaction():
        shown = activity(db)
        assert only(db, "select gmail_sync.prune_sync_history(interval '1 hour')") > 0
        assert_same(activity(db), shown)
    assert sum(row["succeeded"] for row in shown) > 0


@pytest.mark.parametrize("outcome", ["commit", "rollback", "kill"])
def test_a_bucket_waits_for_the_transactions_that_may_end_runs_in_it(
    db: Connection, database_url: str, outcome: str
) -> None:
    ended_run(db, "before")
    insert_run(db, claimed_at=now_of(db) - 3 * BUCKET)
    with suppress(OperationalError), connect(database_url, "slow") as other:
        other.execute("begin")
        end(other, "t", now_of(db) - 2 * BUCKET)
        for _ in range(3):
            db.execute("select gmail_sync.prune_sync_history()")
        assert counted_to(db) == "-infinity"
        assert sum(row["cancelled"] for row in activity(db)) == 1
        if outcome == "kill":
            db.execute("select pg_terminate_backend(%s, 5000)", [other.info.backend_pid])
        else:
            other.execute(outcome.encode())
    keep(db)
    assert_same(*kept_and_counted(db))
    ended = 2 if outcome == "commit" else 1
    assert sum(row["cancelled"] for row in activity(db)) == ended


def test_other_transactions_do_not_keep_buckets_from_being_counted(
    db: Connection, database_url: str
) -> None:
    """Where some transaction is always under way, but none for long."""
    ended_run(db)
    with connect(database_url, "a") as one, connect(database_url, "b") as two:
        one.execute("begin; select pg_current_xact_id()")
        db.execute("select gmail_sync.prune_sync_history()")
        two.execute("begin; select pg_current_xact_id()")
        db.execute("select gmail_sync.prune_sync_history()")
        assert counted_to(db) == "-infinity"
        one.execute("rollback")
        keep(db)
        two.execute("rollback")
    assert_same(*kept_and_counted(db))


def test_a_mark_of_the_cluster_that_the_database_was_restored_from_is_replaced(
    db: Connection, database_url: str
) -> None:
    db.execute(
        "update gmail_sync.activity_state set closing_at = now(), closing_xid = '9999999999'"
    )
    with connect(database_url, "other") as other:
        other.execute("begin; select pg_current_xact_id()")
        db.execute("select gmail_sync.prune_sync_history()")
        other.execute("rollback")
    assert only(db, "select closing_xid < '9999999999' from gmail_sync.activity_state")


def forget(db: Connection) -> None:
    db.execute("select gmail_sync._forget_activity()")


def set_the_clock_back(db: Connection) -> None:
    db.execute(
        "update gmail_sync.activity_state set counted_to = counted_to + interval '1 hour';"
        "update gmail_sync.activity set bucket = bucket + interval '1 hour'"
    )
    # Before the pass that notices it, nothing of what is kept is shown.
    assert_same(*kept_and_counted(db))
    db.execute("select gmail_sync.prune_sync_history()")


@pytest.mark.parametrize("change", [forget, set_the_clock_back])
def test_all_is_counted_again_after(db: Connection, change: Callable[[Connection], None]) -> None:
    ended_run(db)
    keep(db)
    assert only(db, "select count(*) from gmail_sync.activity") == 1
    change(db)
    assert counted_to(db) == "-infinity"
    keep(db)
    assert_same(*kept_and_counted(db))


def test_an_adoption_makes_all_be_counted_again(functions: Session, db: Connection) -> None:
    keep(db)
    at = now_of(db) - 2 * BUCKET
    db.execute(
        "create table public.legacy as select 'ann' as user_id, 't' as task_id,"
        " false as is_syncing, 'full' as sync_type, 100 as progress_percentage,"
        " null::text as error_message, null::jsonb as current_stats,"
        " %s::timestamptz as started_at, %s::timestamptz as updated_at",
        [at, at],
    )
    db.execute("select * from gmail_sync.adopt_legacy_sync_status('public.legacy')")
    assert sum(row["succeeded"] for row in activity(db)) == 1
    assert_same(*kept_and_counted(db))


def test_counts_older_than_a_thousand_buckets_are_deleted(db: Connection) -> None:
    ended_run(db)
    keep(db)
    pass_time(db, 990)
    keep(db)
    assert only(db, "select count(*) from gmail_sync.activity") == 1
    pass_time(db, 10)
    keep(db)
    assert only(db, "select count(*) from gmail_sync.activity") == 0


def test_other_buckets_are_counted_from_the_runs(db: Connection) -> None:
    ended_run(db)
    keep(db)
    db.execute("update gmail_sync.activity set cancelled = 100")
    rows = db.execute("select * from gmail_sync.sync_activity(p_bucket => '15 min')").fetchall()
    assert sum(row["cancelled"] for row in rows) == 1
    assert sum(row["cancelled"] for row in activity(db)) == 100
