"""What no row can be, whatever writes it."""

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors

from service.postgres.calls import Connection, Session
from service.postgres.user_id import USER_ID
from tests.functions.conftest import (
    connected,
    insert_run,
    only,
    raises_sqlstate,
    run_of,
)

NOW = datetime.now(UTC)
ENDED: dict[str, object] = {"is_syncing": False, "finished_at": NOW, "outcome": "cancelled"}
SUCCEEDED = {**ENDED, "outcome": "succeeded", "progress_percentage": 100}

BAD_RUNS: list[tuple[str, dict[str, object]]] = [
    ("chk_sync_state_consistency", {"progress_percentage": 100}),
    ("chk_sync_state_consistency", {"progress_percentage": -1}),
    ("chk_sync_state_consistency", {**ENDED, "progress_percentage": 50}),
    ("chk_sync_state_consistency", {"progress_percentage": 100, "error_message": "half ended"}),
    ("ended_means_finished_with_an_outcome", {"is_syncing": False}),
    ("ended_means_finished_with_an_outcome", {"is_syncing": False, "finished_at": NOW}),
    ("ended_means_finished_with_an_outcome", {"is_syncing": False, "outcome": "reaped"}),
    ("ended_means_finished_with_an_outcome", {"finished_at": NOW}),
    ("ended_means_finished_with_an_outcome", {"outcome": "failed", "error_message": None}),
    ("error_means_ended", {"error_message": "died"}),
    ("failed_says_why", {**ENDED, "outcome": "failed"}),
    ("found_is_the_sum_of_the_other_counts", {"found": 1}),
    ("found_is_the_sum_of_the_other_counts", {"new": 1}),
    ("hundred_percent_means_succeeded", {**ENDED, "progress_percentage": 100}),
    ("hundred_percent_means_succeeded", {**ENDED, "outcome": "succeeded"}),
    ("known_error_code", {**ENDED, "outcome": "reaped", "error_code": "bored"}),
    ("known_follow_up", {"follow_up": "twice"}),
    ("known_outcome", {**ENDED, "outcome": "vanished"}),
    ("known_phase", {"phase": "sleeping"}),
    ("known_source", {"source": "cron"}),
    ("known_sync_type", {"sync_type": "partial"}),
    ("no_count_is_negative", {"found": 0, "new": 1, "pending": -1}),
    ("resumes_another_run", {"task_id": "own", "resumes": "own"}),
    ("success_leaves_nothing_pending", {**SUCCEEDED, "found": 1, "pending": 1}),
    ("timestamps_are_finite", {"updated_at": "infinity"}),
    ("timestamps_are_finite", {"waiting_until": "infinity"}),
    ("traceparent_has_the_form_of_w3c", {"traceparent": "00-0-0-01"}),
    ("tries_count_from_one", {"attempt": 0}),
    ("unclaimed_means_queued", {"claimed_at": None, "phase": "fetching"}),
    ("user_id_is_readable", {"user_id": ""}),
    ("user_id_is_readable", {"user_id": " \u3000"}),
    ("user_id_is_readable", {"user_id": "a\nb"}),
    ("user_id_is_readable", {"user_id": "a" * 256}),
]


def test_inconsistent_rows_are_impossible(db: Connection) -> None:
    """Old bug: the constraints were never created."""
    for constraint, columns in BAD_RUNS:
        with raises_sqlstate("23514", constraint):
            insert_run(db, **columns)


def test_each_rule_about_runs_has_a_row_it_refuses(db: Connection) -> None:
    rules = db.execute(
        "select conname from pg_constraint"
        " where conrelid = 'gmail_sync.user_sync_status'::regclass and contype = 'c'"
    )
    assert {row["conname"] for row in rules} <= {constraint for constraint, _ in BAD_RUNS}


def test_a_row_that_breaks_every_rule_is_told_the_first(db: Connection) -> None:
    with raises_sqlstate("23514", "chk_sync_state_consistency"):
        insert_run(
            db,
            progress_percentage=200,
            outcome="x",
            error_message="x",
            found=-1,
            phase="x",
            source="x",
            sync_type="x",
            follow_up="x",
            attempt=0,
            updated_at="infinity",
        )


def test_a_user_has_one_running_run(db: Connection) -> None:
    insert_run(db, task_id="one")
    with raises_sqlstate("23505", "uniq_user_running_sync"):
        insert_run(db, task_id="two")


def test_the_mutex_is_a_partial_unique_index(db: Connection) -> None:
    definition = only(
        db,
        "select indexdef from pg_indexes"
        " where schemaname = 'gmail_sync' and indexname = 'uniq_user_running_sync'",
    )
    assert definition.startswith("CREATE UNIQUE INDEX")
    assert definition.endswith("(user_id) WHERE is_syncing")


def test_ended_runs_do_not_hold_the_mutex(db: Connection) -> None:
    insert_run(db, task_id="one", **ENDED)
    insert_run(db, task_id="two", **ENDED)
    insert_run(db, task_id="three")
    insert_run(db, task_id="four", user_id="bo")


def test_a_task_id_is_given_once(db: Connection) -> None:
    insert_run(db, **ENDED)
    with raises_sqlstate("23505", "uniq_task_id"):
        insert_run(db, user_id="bo")


def test_a_run_has_one_successor_ever(db: Connection) -> None:
    insert_run(db, task_id="one", **ENDED)
    insert_run(db, task_id="two", resumes="one", **ENDED)
    with raises_sqlstate("23505", "uniq_resumes"):
        insert_run(db, task_id="three", resumes="one")


def test_ended_runs_are_immutable(db: Connection) -> None:
    insert_run(db, **ENDED)
    before = run_of(db, "t")
    for change in (
        "error_message = 'later'",
        "updated_at = now()",
        "outcome = 'succeeded', progress_percentage = 100",
        "is_syncing = true, finished_at = null, outcome = null",
        "task_id = 'other'",
    ):
        with raises_sqlstate("SY004"):
            db.execute(f"update gmail_sync.user_sync_status set {change}".encode())
    assert run_of(db, "t") == before


def test_an_ended_run_may_be_deleted_and_inserted_anew(db: Connection) -> None:
    insert_run(db, **ENDED)
    db.execute("delete from gmail_sync.user_sync_status")
    insert_run(db, **SUCCEEDED)


def test_a_zombie_by_hand_is_one_insert(db: Connection, functions: Session) -> None:
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " values ('zombie', 'ann', now() - interval '2 min')"
    )
    assert functions.value("reap_zombie_syncs") == "zombie"


def test_the_stats_hold_every_key_and_nobody_writes_them(db: Connection) -> None:
    insert_run(db, found=6, new=1, updated=2, pending=3)
    assert run_of(db, "t")["current_stats"] == {
        "found": 6, "new": 1, "updated": 2, "unchanged": 0,
        "deleted": 0, "gone": 0, "failed": 0, "pending": 3,
        "imported": 0,
    }  # fmt: skip
    with pytest.raises(errors.GeneratedAlways):
        db.execute("update gmail_sync.user_sync_status set current_stats = '{}'")


def test_no_index_keeps_a_beat_from_being_hot(db: Connection) -> None:
    written = {"updated_at", "progressed_at", "progress_percentage", "phase", "found", "pending"}
    indexed = db.execute(
        "select a.attname from pg_index i"
        " join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)"
        " where i.indrelid = 'gmail_sync.user_sync_status'::regclass"
    )
    assert written.isdisjoint({row["attname"] for row in indexed})


BAD_CHANGES = [
    ("settings", "heartbeat_timeout = '44 s'", "timeout_spans_three_beats"),
    ("settings", "stall_timeout = '0'", "durations_are_positive"),
    ("settings", "max_retry_delay = '1 s'", "durations_are_positive"),
    ("settings", "max_attempts = 0", "tries_are_positive"),
    ("settings", "only_row = false", "settings_is_one_row"),
    ("quota_profile", "user_units = 0", "user_cap_is_positive"),
    ("quota_profile", "project_units = -1", "project_cap_is_positive"),
    ("quota_profile", "window_length = '0'", "window_is_positive"),
    ("quota_profile", "day_units = 0", "day_cap_is_positive"),
    ("quota_cost", "units = 0", "cost_is_positive"),
    ("quota_share", "share = 1.1", "share_is_a_part"),
    ("quota_share", "work = 'play'", "known_work"),
    ("account", "email = 'no address'", "email_is_readable"),
    ("account", "status = 'odd'", "known_status"),
    ("account", "history_id = 1.5", "history_id_is_whole"),
    ("account", "history_id = -1", "history_id_is_whole"),
    ("account", "content_mode = 'some'", "known_content_mode"),
    ("account", "sync_interval = '59 s'", "interval_is_a_minute_or_more"),
    ("account", "credentials = null", "connected_has_credentials"),
    ("account", "listing_page_token = 'p2'", "only_a_listing_has_pages"),
    ("account", "listing_complete = true", "only_a_listing_has_pages"),
    ("account", "reconciled_to = 'm'", "only_a_listing_has_pages"),
    ("fetch_queue", "reason = 'whim'", "known_reason"),
    ("fetch_queue", "attempts = -1", "no_attempts_below_zero"),
    ("touched", "bucket = 'lost'", "known_bucket"),
    ("worker", "capacity = 0, living_slots = 0", "capacity_is_positive"),
    ("worker", "living_slots = capacity + 1", "slots_live_within_capacity"),
    ("worker", "living_slots = -1", "slots_live_within_capacity"),
    ("worker", "dropped_log_lines = -1", "no_lines_dropped_below_zero"),
    ("reaper_beat", "reaper = 'crontab'", "known_reaper"),
]


def test_other_tables_refuse_what_makes_no_sense(db: Connection, functions: Session) -> None:
    connected(functions)
    functions.rows("worker_heartbeat", "00000000-0000-0000-0000-000000000001", "1", 1)
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason)"
        " values ('ann', 'm', 'listed');"
        "insert into gmail_sync.touched (user_id, message_id, bucket) values ('ann', 'm', 'new')"
    )
    for table, change, constraint in BAD_CHANGES:
        with raises_sqlstate("23514", constraint):
            db.execute(f"update gmail_sync.{table} set {change}".encode())


def test_settings_are_one_row(db: Connection) -> None:
    with raises_sqlstate("23505", "settings_pkey"):
        db.execute("insert into gmail_sync.settings default values")


def test_an_attachment_belongs_to_a_message(db: Connection) -> None:
    with raises_sqlstate("23503"):
        db.execute(
            "insert into gmail_sync.attachment"
            " (user_id, message_id, part_id, mime_type, size, inline)"
            " values ('ann', 'm', '1', 'text/plain', 1, false)"
        )


def test_an_account_names_a_quota_profile_there_is(db: Connection, functions: Session) -> None:
    connected(functions)
    with raises_sqlstate("23503"):
        db.execute("update gmail_sync.account set quota_profile = 'generous'")


@pytest.mark.parametrize(
    "user_id",
    ["ann", " ", " a ", "\u00a0", "\u3000", "\u2028", "\u200b", "\u2003\u1680", "a\u0085", "\x7f",
     "x" * 255, "x" * 256, "😀"],
)  # fmt: skip
def test_the_program_and_the_database_accept_the_same_user_ids(
    db: Connection, user_id: str
) -> None:
    try:
        db.execute("select %s::gmail_sync.user_key", [user_id])
        accepted = True
    except psycopg.errors.CheckViolation:
        accepted = False
    assert bool(USER_ID.fullmatch(user_id)) == accepted
