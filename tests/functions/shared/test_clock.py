"""The database's clock is set back: stored times lie in the future, and nothing waits for them.

`set_back` moves every stored time of the functions into the future, as such a clock would do.
"""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from service import migrate
from service.demo.cluster import as_server_user
from service.postgres.calls import Connection, DatabaseClock, Session, connect
from service.postgres.errors import LeaseLost
from tests.cluster import Cluster
from tests.functions.conftest import (
    calls,
    claimed,
    connected,
    listed,
    message,
    only,
    queued,
    run_of,
    set_settings,
    store,
    taken,
)
from tests.waiting import wait_until

# Every column with a time that a function compares with the clock.
COMPARED = {
    "account": ["connected_at", "watched_at"],
    "activity": ["bucket"],
    "activity_state": ["closing_at", "counted_to"],
    "audit_event": ["at"],
    "compared_message": ["stored_at"],
    "fetch_queue": ["not_before"],
    "quota_charge": ["charged_at", "reserved_at"],
    "quota_day": ["refused_at"],
    "reaper_beat": ["beat_at", "set_back_at"],
    "repair_log": ["logged_at"],
    "schedule": ["check_at", "checked_at", "unwatched_since"],
    "user_sync_status": [
        "claimed_at", "fetching_at", "finished_at", "not_before", "planned_at", "progressed_at",
        "started_at", "updated_at", "waiting_until",
    ],
    "webhook": ["failing_since", "rotated_at"],
    "webhook_delivery": ["ended_at"],
    "webhook_event": ["created_at"],
    "webhook_stream": ["due_at", "failing_since", "first_attempt_at", "waiting_since"],
    "worker": ["seen_at"],
}  # fmt: skip
# Those that are only stored and shown, or that are Gmail's.
SHOWN = {
    "account": ["backfilled_to", "watch_expires_at"],
    "message": ["deleted_at", "internal_date", "sent_at"],
    "index_backlog": ["before_date"],
    "index_queue": ["internal_date"],
    "message_words": ["internal_date"],
    "slot_elsewhere": ["since"],
    "webhook": ["created_at", "disabled_at"],
    "worker": ["started_at"],
}
SET_BACK = ["1 hour", "1 year"]


@pytest.fixture(params=SET_BACK)
def by(request: pytest.FixtureRequest) -> str:
    interval: str = request.param
    return interval


def set_back(db: Connection, by: str) -> None:
    with db.transaction():
        # Ended runs move as well: their trigger is off here.
        db.execute("set local session_replication_role = replica")
        for table, columns in COMPARED.items():
            changes = [
                sql.SQL("{0} = {0} + {1}::interval").format(sql.Identifier(name), by)
                for name in columns
            ]
            db.execute(
                sql.SQL("update gmail_sync.{} set {}").format(
                    sql.Identifier(table), sql.SQL(", ").join(changes)
                )
            )


def reasons(functions: Session) -> list[str]:
    found: list[str] = functions.value("sync_health")["reasons"]
    return [reason for reason in found if "pg_cron works in" not in reason]


def claim(functions: Session) -> Any:
    return functions.value("claim_sync", uuid.uuid4())


def test_every_time_that_is_stored_is_listed(db: Connection) -> None:
    rows = db.execute(
        "select c.table_name, array_agg(c.column_name::text order by c.column_name) as columns"
        " from information_schema.columns c join information_schema.tables t"
        " using (table_schema, table_name) where c.table_schema = 'gmail_sync'"
        " and t.table_type = 'BASE TABLE' and c.data_type like 'timestamp%'"
        " group by c.table_name"
    ).fetchall()

    assert {row["table_name"]: row["columns"] for row in rows} == {
        table: sorted([*COMPARED.get(table, []), *SHOWN.get(table, [])])
        for table in {*COMPARED, *SHOWN}
    }


def test_an_event_is_sent_and_a_lost_lease_lapses(
    functions: Session, db: Connection, by: str
) -> None:
    for user in ("ann", "bo"):
        functions.row("add_webhook", user, "https://app.example/", ["message.created"])
        store(functions, claimed(functions, user), message("a"))
    (leased,) = functions.rows("claim_webhook_deliveries", 1)
    set_back(db, by)

    (fresh, again) = functions.rows("claim_webhook_deliveries", 10)

    assert leased["event_id"] in (fresh["event_id"], again["event_id"])


def test_a_click_is_not_refused(functions: Session, db: Connection, by: str) -> None:
    set_settings(db, max_starts_a_minute=2)
    connected(functions)
    for _ in range(2):
        functions.value("cancel_sync", queued(functions, p_source="api"))
    set_back(db, by)

    for _ in range(2):
        task_id = queued(functions, p_source="api")
        assert functions.value("sync_status", "ann") == task_id
        functions.value("cancel_sync", task_id)
        assert functions.value("sync_status", "ann") == task_id


def test_an_account_can_be_connected(functions: Session, db: Connection, by: str) -> None:
    set_settings(db, max_connects_a_minute=1)
    connected(functions)
    functions.value("record_connect_attempt", "ann", "connect_begun")
    set_back(db, by)

    functions.value("record_connect_attempt", "ann", "connect_begun")
    connected(functions)


def test_a_queued_run_is_due(functions: Session, db: Connection, by: str) -> None:
    task_id = queued(functions, connected(functions))
    set_back(db, by)
    assert claim(functions) == task_id


def test_a_run_that_waits_is_due(functions: Session, db: Connection, by: str) -> None:
    first = claimed(functions)
    in_four_minutes = only(db, "select clock_timestamp() + interval '4 min'")
    functions.value("report_progress", first, in_four_minutes)
    successor = functions.value("handover_sync", first, "wait", in_four_minutes)
    assert claim(functions) is None
    set_back(db, by)

    assert queued(functions, p_source="api") == successor
    assert claim(functions) == successor


def test_the_queue_counts_from_the_next_pass(functions: Session, db: Connection, by: str) -> None:
    task_id = queued(functions, connected(functions), p_source="push")
    set_back(db, by)
    functions.value("run_reaper", "pg_cron")

    run = run_of(db, task_id)
    assert run["started_at"] == run["not_before"] <= only(db, "select clock_timestamp()")
    assert functions.value("sync_health")["queue"]["oldest_seconds"] >= 0


def test_a_running_sync_is_taken_over(functions: Session, db: Connection, by: str) -> None:
    first = claimed(functions)
    listed(functions, first, "a", "b")
    set_back(db, by)
    functions.value("heartbeat", first)

    (reaped,) = functions.rows("reap_zombie_syncs")
    assert (reaped["task_id"], reaped["cause"]) == (first, "clock_skew")
    assert "clock was set back" in run_of(db, first)["error_message"]
    assert claim(functions) == reaped["successor"]
    assert run_of(db, reaped["successor"])["attempt"] == 1


def test_a_sync_goes_on_to_its_end(functions: Session, db: Connection, by: str) -> None:
    first = claimed(functions)
    listed(functions, first, "a", "b", "c")
    store(functions, first, message(taken(functions, first, 1)[0]))
    functions.value("fail_messages", first, failed(taken(functions, first, 1)[0]))
    set_back(db, by)

    # Messages that have failed come last, in a batch of their own.
    for expected in ("c", "b"):
        assert taken(functions, first) == [expected]
        store(functions, first, message(expected))
    assert taken(functions, first) == []
    assert functions.value("reconcile_listing", first)
    assert functions.value("release_sync", first)
    assert run_of(db, first)["outcome"] == "succeeded"


def failed(message_id: str) -> Jsonb:
    return Jsonb([{"message_id": message_id, "error_code": "x", "error_message": "no"}])


def test_a_run_that_counted_a_retry_fetches_it_however_little_the_clock_moved(
    functions: Session, db: Connection, by: str
) -> None:
    first = claimed(functions)
    listed(functions, first, "a")
    functions.value("fail_messages", first, failed(taken(functions, first)[0]))
    functions.value("release_sync", first)
    db.execute("update gmail_sync.fetch_queue set not_before = clock_timestamp()")
    second = queued(functions)
    assert claim(functions) == second
    # A second, which is less than the message has to wait.
    db.execute("update gmail_sync.fetch_queue set not_before = not_before + interval '2 s'")

    assert taken(functions, second) == ["a"]


def test_quota_is_neither_waited_for_nor_exceeded(
    functions: Session, db: Connection, by: str
) -> None:
    connected(functions, profile="google-standard")
    assert reserve(functions, 300) is None
    ahead = reserve(functions, 300)
    assert ahead is not None
    set_back(db, by)

    now = only(db, "select clock_timestamp()")
    after = reserve(functions, 1)
    # What was sent and what was reserved fill two windows.
    assert after is not None
    assert 61 < (after - now).total_seconds() < 125


def reserve(functions: Session, number: int) -> datetime | None:
    moment: datetime | None = functions.value(
        "reserve_account_quota", "ann", calls("attachments.get", number)
    )
    return moment


def test_schedules_go_on(functions: Session, db: Connection, by: str) -> None:
    connected(functions)
    functions.value("release_sync", claimed(functions))
    functions.value("set_sync_interval", "ann", "10 min")
    set_back(db, by)

    (row,) = functions.rows("enqueue_due_syncs")
    functions.value("cancel_sync", row["enqueue_due_syncs"])
    assert functions.rows("enqueue_due_syncs") == []


def test_messages_to_retry_start_a_run(functions: Session, db: Connection, by: str) -> None:
    first = claimed(functions)
    listed(functions, first, "a")
    functions.value("fail_messages", first, failed(taken(functions, first)[0]))
    functions.value("release_sync", first)
    assert functions.rows("enqueue_due_syncs") == []
    set_back(db, by)

    assert len(functions.rows("enqueue_due_syncs")) == 1


def test_a_watch_is_renewed_and_the_mailbox_confirmed(
    functions: Session, db: Connection, by: str
) -> None:
    first = claimed(functions)
    functions.value("store_watch", first, datetime(2100, 1, 1, tzinfo=UTC))
    functions.value("release_sync", first)
    set_back(db, by)

    second = queued(functions)
    assert claim(functions) == second
    assert functions.value("watch_is_due", second)
    functions.value("store_watch", second, datetime(2100, 1, 1, tzinfo=UTC))
    assert not functions.value("watch_is_due", second)
    functions.value("confirm_mailbox_identity", second, "ann@mail.example")
    assert only(db, "select verified from gmail_sync.account")


def test_a_run_of_before_confirms_nothing_for_new_credentials(
    functions: Session, db: Connection, by: str
) -> None:
    first = claimed(functions)
    set_back(db, by)
    connected(functions)

    functions.value("confirm_mailbox_identity", first, "ann@mail.example")
    assert not only(db, "select verified from gmail_sync.account")


def test_a_full_sync_that_is_taken_over_still_lists(
    functions: Session, db: Connection, by: str
) -> None:
    first = claimed(functions)
    listed(functions, first, "a")
    store(functions, first, message(taken(functions, first)[0]))
    assert functions.value("reconcile_listing", first)
    functions.value("release_sync", first)
    set_back(db, by)

    second = queued(functions, p_force_full=True)
    assert claim(functions) == second
    successor = functions.value("handover_sync", second, "drain")
    assert run_of(db, successor)["sync_type"] == "full"


def test_the_dead_are_missed(functions: Session, db: Connection, by: str) -> None:
    functions.value("worker_heartbeat", uuid.uuid4(), "1.0", 4)
    functions.value("run_reaper", "pg_cron")
    claimed(functions)
    set_back(db, by)

    assert functions.value("sync_health")["workers"] == 0
    assert functions.value("run_fallback_reaper") == 1


def test_health_says_what_happened_until_an_hour_later(
    functions: Session, db: Connection, by: str
) -> None:
    for reaper in ("service", "pg_cron"):
        functions.value("run_reaper", reaper)
    assert reasons(functions) == []
    set_back(db, by)

    (reason,) = reasons(functions)
    assert "clock was set back by" in reason
    functions.value("run_reaper", "pg_cron")
    (reason,) = reasons(functions)
    assert " UTC. Nothing waits" in reason
    db.execute("update gmail_sync.reaper_beat set set_back_at = set_back_at - interval '61 min'")
    assert reasons(functions) == []


def test_an_adoption_reports_its_own_rows(functions: Session, db: Connection, by: str) -> None:
    db.execute(
        "create table public.legacy as select 'a' as task_id, 'ann' as user_id, now() as updated_at"
    )
    adopt = "select row_count from gmail_sync.adopt_legacy_sync_status('public.legacy')"
    assert db.execute(adopt.encode()).fetchall() != []
    set_back(db, by)

    assert db.execute(adopt.encode()).fetchall() == []


def test_a_history_of_the_future_is_kept(functions: Session, db: Connection, by: str) -> None:
    """A clock that is wrong for a minute must not delete it."""
    functions.value("release_sync", claimed(functions))
    set_back(db, by)
    assert functions.value("prune_sync_history") == 0


def test_the_service_reads_the_clock_of_the_database(functions: Session, db: Connection) -> None:
    before, read, after = (
        only(db, "select clock_timestamp()"),
        DatabaseClock(functions).now(),
        only(db, "select clock_timestamp()"),
    )
    assert before < read < after
    task_id = claimed(functions)
    assert functions.value("database_time", task_id) > after
    functions.value("cancel_sync", task_id)
    with pytest.raises(LeaseLost):
        functions.value("database_time", task_id)


class ClusterInAnHour(Cluster):
    """A server whose clock is an hour fast, until `set_right` is called."""

    library: Path

    def get_server_commandline(self) -> list[str]:
        self._offset.write_text("+3600\n")
        change = as_server_user([])
        faked = [
            "env", f"LD_PRELOAD={self.library}", f"FAKETIME_TIMESTAMP_FILE={self._offset}",
            "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]  # fmt: skip
        return [*change, *faked, *super().get_server_commandline()[len(change) :]]

    def set_right(self) -> None:
        self._offset.write_text("+0\n")

    @property
    def _offset(self) -> Path:
        return Path(self.base_dir) / "offset"


@pytest.fixture
def fast_clock() -> Iterator[ClusterInAnHour]:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed: docker/install-postgres.sh --with-faketime")
    ClusterInAnHour.library = library
    with ClusterInAnHour(fsync=False) as cluster:
        migrate.upgrade(cluster.url())
        yield cluster


SLEEPING_JOBS = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"


@pytest.mark.gate
def test_the_clock_of_a_server_is_set_right(fast_clock: ClusterInAnHour) -> None:
    url = fast_clock.url()
    with closing(Session(url, "test")) as functions, connect(url, "test") as db:
        set_settings(db, max_starts_a_minute=1)
        first = claimed(functions)
        connected(functions, profile="google-standard")
        assert reserve(functions, 300) is None
        waiting = queued(functions, connected(functions, "bo"), p_source="api")
        connected(functions, "cy")
        functions.value("cancel_sync", queued(functions, "cy", p_source="api"))
        assert fast_by(db) > 3000
        # The worst moment: the job of pg_cron would sleep for an hour.
        wait_until(lambda: only(db, SLEEPING_JOBS) == 1, 150)
        fast_clock.set_right()
        wait_until(lambda: fast_by(db) < 60)

        assert "clock was set back by 3" in str(reasons(functions))
        # The successor of the first may be queued before this.
        assert waiting in (claim(functions), claim(functions))
        assert queued(functions, "cy", p_source="api")
        free_at = reserve(functions, 300)
        assert free_at is not None
        assert (free_at - only(db, "select clock_timestamp()")).total_seconds() < 62

        def is_noticed_and_reaped() -> bool:
            functions.value("run_fallback_reaper")
            is_noticed = " UTC. Nothing waits" in str(reasons(functions))
            return is_noticed and not run_of(db, first)["is_syncing"]

        # pg_cron may start nothing until the clock has caught up. A worker takes its place. It
        # notices at once, and the lease lapses within two minutes.
        wait_until(is_noticed_and_reaped, 240)


def fast_by(db: Connection) -> float:
    now: datetime = only(db, "select clock_timestamp()")
    return (now - datetime.now(UTC)).total_seconds()
