"""sync_health, worker_heartbeat, unregister_worker, and schema_version."""

import uuid
from typing import Any

import pytest

from service import migrate
from service.postgres.calls import Connection, Session, connect
from tests.cluster import fast_cluster
from tests.functions.conftest import connected, insert_run, only, queued, shift, zombie
from tests.waiting import wait_until

ANSWER = {
    "healthy", "timestamp", "reasons", "statistics", "zombie_task_details", "reapers", "queue",
    "workers", "slots", "dead_letters", "accounts_to_reconnect", "oldest_transaction_seconds",
    "notify_queue_percent", "dropped_log_lines", "standby", "estimates", "quota", "watches_ending",
    "vacuum_problems",
}  # fmt: skip


@pytest.fixture(autouse=True)
def pg_cron_has_beaten(functions: Session) -> None:
    functions.value("run_reaper", "pg_cron")


def health(functions: Session) -> dict[str, Any]:
    answer: dict[str, Any] = functions.value("sync_health")
    return answer


def reasons(functions: Session) -> list[str]:
    """All reasons but that this database is not pg_cron's."""
    return [reason for reason in health(functions)["reasons"] if "pg_cron works in" not in reason]


def beat(functions: Session) -> uuid.UUID:
    worker = uuid.uuid4()
    functions.rows("worker_heartbeat", worker, "1.0", 4)
    return worker


def test_the_answer_has_every_key_and_counts_users(functions: Session) -> None:
    connected(functions, "ann")
    answer = health(functions)
    assert answer.keys() >= ANSWER
    assert answer["statistics"] == {
        "total_users": 1, "active_syncs": 0, "zombie_tasks": 0, "inconsistent_tasks": 0,
        "recent_completed_syncs": 0,
    }  # fmt: skip
    assert answer["healthy"] is (answer["reasons"] == [])


def test_zombies_are_a_reason_and_shown_with_their_silence(
    functions: Session, db: Connection
) -> None:
    dead = zombie(functions, db)
    assert "gmail_sync.reap_zombie_syncs()" in reasons(functions)[0]
    (detail,) = health(functions)["zombie_task_details"]
    assert detail.keys() == {"task_id", "user_id", "started_at", "last_update", "silent_minutes"}
    assert (detail["task_id"], detail["user_id"]) == (dead, "ann")
    assert detail["silent_minutes"] == pytest.approx(1, abs=0.2)
    functions.rows("reap_zombie_syncs")
    assert reasons(functions) == []


def test_five_zombies_are_shown_of_many_the_longest_silent_first(
    functions: Session, db: Connection
) -> None:
    for minutes in range(2, 9):
        insert_run(db, task_id=str(minutes), user_id=f"user {minutes}")
        shift(db, str(minutes), f"-{minutes} min", "updated_at")
    answer = health(functions)
    assert answer["statistics"]["zombie_tasks"] == 7
    assert [detail["task_id"] for detail in answer["zombie_task_details"]] == list("87654")


@pytest.mark.parametrize(
    ("drop", "named"),
    [
        ("drop index gmail_sync.uniq_user_running_sync", "uniq_user_running_sync"),
        (
            "drop index gmail_sync.uniq_user_running_sync; create unique index"
            " uniq_user_running_sync on gmail_sync.user_sync_status (user_id, is_syncing)",
            "uniq_user_running_sync",
        ),
        (
            "alter table gmail_sync.user_sync_status drop constraint chk_sync_state_consistency",
            "chk_sync_state_consistency",
        ),
    ],
)
def test_a_missing_rule_is_a_reason(
    functions: Session, db: Connection, drop: str, named: str
) -> None:
    db.execute(drop.encode())
    (reason,) = reasons(functions)
    assert named in reason


def test_a_silent_pg_cron_is_a_reason(functions: Session, db: Connection) -> None:
    db.execute("update gmail_sync.reaper_beat set beat_at = now() - interval '46 s'")
    (reason,) = reasons(functions)
    assert reason.startswith("pg_cron has not reaped for 46 s")
    functions.value("run_reaper", "pg_cron")
    assert reasons(functions) == []


def test_a_run_that_no_worker_picks_up_is_a_reason(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    assert reasons(functions) == []
    shift(db, task_id, "-31 s", "started_at", "not_before")
    (reason,) = reasons(functions)
    assert reason.startswith("no worker picks up")
    worker = beat(functions)
    assert reasons(functions) == []
    shift(db, task_id, "-31 min", "started_at", "not_before")
    (reason,) = reasons(functions)
    assert reason.startswith("no worker picks up")
    functions.rows("unregister_worker", worker)
    assert health(functions)["queue"]["waiting"] == 1


def test_a_run_that_is_not_due_waits_for_nobody(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    shift(db, task_id, "-2 hours", "started_at")
    shift(db, task_id, "1 hour", "not_before")
    assert reasons(functions) == []
    shift(db, task_id, "-1 s", "not_before")
    assert reasons(functions) == []


def test_workers_are_counted_while_they_beat(functions: Session, db: Connection) -> None:
    first, _ = beat(functions), beat(functions)
    functions.rows("worker_heartbeat", first, "1.0", 4)
    assert health(functions)["workers"] == 2
    functions.rows("unregister_worker", first)
    assert health(functions)["workers"] == 1
    db.execute("update gmail_sync.worker set seen_at = now() - interval '61 s'")
    assert health(functions)["workers"] == 0


def test_slots_that_fail_are_a_reason_until_they_work_again(functions: Session) -> None:
    worker = beat(functions)
    functions.rows("worker_heartbeat", worker, "1.0", 4, 3, 7)
    (reason,) = reasons(functions)
    assert reason.startswith("1 of 4 worker slots fail")
    assert "restart" in reason
    assert health(functions)["slots"] == {"configured": 4, "living": 3}
    assert health(functions)["dropped_log_lines"] == 7
    functions.rows("worker_heartbeat", worker, "1.0", 4, 4)
    assert reasons(functions) == []


def test_a_worker_without_a_living_slot_picks_nothing_up(
    functions: Session, db: Connection
) -> None:
    functions.rows("worker_heartbeat", uuid.uuid4(), "1.0", 4, 0)
    shift(db, queued(functions), "-31 s", "started_at", "not_before")
    assert [reason[:20] for reason in reasons(functions)] == [
        "4 of 4 worker slots ", "no worker picks up: ",
    ]  # fmt: skip


def test_a_lost_worker_has_no_slots(functions: Session, db: Connection) -> None:
    functions.rows("worker_heartbeat", uuid.uuid4(), "1.0", 4, 0)
    db.execute("update gmail_sync.worker set seen_at = now() - interval '61 s'")
    assert reasons(functions) == []
    assert health(functions)["slots"] == {"configured": 0, "living": 0}


def test_completed_syncs_of_the_day_are_counted(functions: Session) -> None:
    functions.value("release_sync", zombie_free(functions))
    assert health(functions)["statistics"]["recent_completed_syncs"] == 1


def zombie_free(functions: Session) -> str:
    task_id = queued(functions)
    functions.rows("claim_sync", uuid.uuid4())
    return task_id


def test_dead_letters_and_lost_accounts_are_counted(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set status = 'reauth_required'")
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " values ('ann', 'm', 'listed', true)"
    )
    answer = health(functions)
    assert (answer["dead_letters"], answer["accounts_to_reconnect"]) == (1, 1)


def test_watches_that_end_or_were_refused_are_counted_while_the_account_is_connected(
    functions: Session, db: Connection
) -> None:
    for user, expires in [("ann", "7 days"), ("bo", "23 hours"), ("cy", "-1 s"), ("di", None)]:
        connected(functions, user)
        db.execute(
            "update gmail_sync.account set watched_at = now(),"
            " watch_expires_at = now() + %s::interval where user_id = %s",
            [expires, user],
        )
    connected(functions, "never watched")
    assert health(functions)["watches_ending"] == 3
    db.execute("update gmail_sync.account set status = 'reauth_required' where user_id = 'di'")
    assert health(functions)["watches_ending"] == 2


def test_accounts_that_only_the_operator_can_bring_back_are_a_reason(
    functions: Session, db: Connection
) -> None:
    for user, code in (("ann", "client_gone"), ("bo", "client_gone"), ("cy", "admin_refused")):
        connected(functions, user)
        functions.value("mark_credentials_rejected", user, b"sealed", code, "why")
    answer = health(functions)
    assert answer["accounts_to_reconnect"] == 3
    (reason,) = [each for each in answer["reasons"] if "wait for the operator" in each]
    assert reason.startswith("2 account(s) wait for the operator: the OAuth client was deleted")


def test_the_schema_says_its_version(functions: Session) -> None:
    assert functions.value("schema_version") == migrate.head()


def test_impossible_rows_and_the_missing_rule_are_reasons_until_repaired(
    functions: Session, db: Connection
) -> None:
    db.execute(
        "alter table gmail_sync.user_sync_status drop constraint chk_sync_state_consistency,"
        " drop constraint hundred_percent_means_succeeded"
    )
    insert_run(db, progress_percentage=100)
    assert health(functions)["statistics"]["inconsistent_tasks"] == 1
    impossible, missing, other = sorted(reasons(functions))
    assert "gmail_sync.repair_sync_consistency()" in impossible
    assert "chk_sync_state_consistency" in missing
    assert "hundred_percent_means_succeeded" in other
    functions.rows("repair_sync_consistency")
    assert health(functions)["statistics"]["inconsistent_tasks"] == 0


def test_a_transaction_that_holds_back_vacuum_is_named(
    functions: Session, db: Connection, database_url: str
) -> None:
    db.execute("update gmail_sync.settings set longest_transaction = '100 ms'")
    with connect(database_url, "test") as other, other.transaction():
        other.execute("select pg_current_xact_id()")
        end_it = f"end it with select pg_terminate_backend({other.info.backend_pid});"
        wait_until(lambda: any(end_it in reason for reason in reasons(functions)))
        assert health(functions)["oldest_transaction_seconds"] > 0
    wait_until(lambda: reasons(functions) == [])


@pytest.mark.parametrize("off", ["false", "off", "0"])
def test_a_table_without_autovacuum_is_a_reason(
    functions: Session, db: Connection, off: str
) -> None:
    table = "alter table gmail_sync.fetch_queue"
    db.execute(f"{table} set (autovacuum_enabled = {off})".encode())
    (reason,) = reasons(functions)
    assert reason.startswith("autovacuum is off for gmail_sync.fetch_queue: run alter table")
    db.execute(
        f"{table} reset (autovacuum_enabled); alter table gmail_sync.message"
        f" set (toast.autovacuum_enabled = {off})".encode()
    )
    (reason,) = reasons(functions)
    db.execute(reason.partition("run ")[2].encode())
    assert reasons(functions) == []


def test_dead_rows_that_no_vacuum_removes_are_a_reason(db: Connection) -> None:
    # No autovacuum comes in between.
    db.execute("alter table gmail_sync.touched set (autovacuum_vacuum_threshold = 1000000)")
    db.execute("update gmail_sync.settings set longest_transaction = '1 ms'")

    def die(number: int) -> None:
        db.execute(
            "insert into gmail_sync.touched (user_id, message_id, bucket)"
            " select 'ann', n, 'new' from generate_series(1, %s) n",
            [number],
        )
        db.execute("delete from gmail_sync.touched")

    def vacuum_reasons() -> list[str]:
        """If autovacuum waited for 4,000 dead rows."""
        db.execute("select pg_stat_force_next_flush()")
        with db.transaction(force_rollback=True):
            db.execute("alter table gmail_sync.touched set (autovacuum_vacuum_threshold = 4000)")
            rows = db.execute("select gmail_sync._vacuum_reasons() as reason").fetchall()
        return [row["reason"] for row in rows]

    die(20_000)
    assert vacuum_reasons() == []
    die(1)
    (reason,) = vacuum_reasons()
    assert reason.startswith("autovacuum does not keep up: gmail_sync.touched has 20001 dead rows")
    db.execute("vacuum gmail_sync.touched")
    assert vacuum_reasons() == []
    die(30_000)
    db.execute("update gmail_sync.settings set longest_transaction = '1 hour'")
    assert vacuum_reasons() == []


@pytest.mark.gate
def test_prepared_transactions_and_slots_that_hold_back_vacuum_are_named() -> None:
    settings = {"max_prepared_transactions": "2", "wal_level": "logical"}
    with fast_cluster(settings) as cluster:
        # Where pg_cron does not work: its own transactions last for seconds.
        cluster.create_database("without_jobs")
        migrate.upgrade(cluster.url("without_jobs"))
        with connect(cluster.url("without_jobs"), "test") as db:
            db.execute("select pg_create_logical_replication_slot('unread', 'pgoutput')")
            db.execute("begin; select pg_current_xact_id(); prepare transaction 'it''s open'")
            reason = "select reason from gmail_sync._xmin_horizon_reasons() reason order by reason"
            assert db.execute(reason).fetchall() == []
            db.execute("update gmail_sync.settings set longest_transaction = '1 s'")
            db.execute(
                "do $$ begin for n in 1..1000001 loop"
                " perform pg_current_xact_id(); commit; end loop; end $$"
            )

            prepared, slot = (row["reason"] for row in db.execute(reason))
            assert prepared.endswith("or rollback prepared 'it''s open';")
            assert slot.startswith("replication slot unread holds back vacuum by 1000")
            db.execute("rollback prepared 'it''s open'")
            db.execute(slot.partition("run ")[2])
            assert db.execute(reason).fetchall() == []


def test_transaction_ids_that_run_out_are_a_reason(db: Connection) -> None:
    """Shown by a catalog that says so; nobody else sees that."""
    with db.transaction(force_rollback=True):
        db.execute(
            "update pg_database set datfrozenxid = %s where datname = 'template1'",
            [str((int(only(db, "select txid_current()")) - 1_100_000_000) % 2**32)],
        )
        (reason,) = only(db, "select array_agg(r) from gmail_sync._vacuum_reasons() r")
    assert reason.startswith("database template1 has used 1100 million of 2,147 million")


def test_without_the_rights_of_a_monitor_others_transactions_are_not_reported(
    functions: Session, db: Connection, database_url: str
) -> None:
    db.execute("update gmail_sync.settings set longest_transaction = '1 ms'")
    with connect(database_url, "test") as other, other.transaction():
        other.execute("select pg_current_xact_id()")
        with db.transaction(force_rollback=True):
            db.execute("revoke pg_monitor from gmail_sync_owner")
            assert only(db, "select count(*) from gmail_sync._xmin_horizon_reasons()") == 0


def test_the_notify_queue_is_watched(functions: Session) -> None:
    assert health(functions)["notify_queue_percent"] == 0


@pytest.mark.parametrize(("days_left", "warned"), [(61, False), (60, True), (-1, True)])
def test_a_profile_that_google_ends_is_a_reason_from_60_days_before(
    functions: Session, db: Connection, days_left: int, warned: bool
) -> None:
    db.execute(
        "update gmail_sync.quota_profile"
        " set ends_on = gmail_sync._quota_day(clock_timestamp()) + %s where ends_on is not null",
        [days_left],
    )
    connected(functions, "ann", "google-standard")
    assert reasons(functions) == []
    connected(functions, "bo", "google-legacy")
    assert any("quota profile google-legacy" in reason for reason in reasons(functions)) is warned


def test_google_ends_the_legacy_profile_on_the_first_of_april_2027(db: Connection) -> None:
    query = "select name, ends_on::text from gmail_sync.quota_profile where ends_on is not null"
    assert db.execute(query).fetchall() == [{"name": "google-legacy", "ends_on": "2027-04-01"}]
