"""Plain English, checked: tests/conventions/prose.py says what that is."""

from pathlib import Path

import pytest

from db.migrations.install import FUNCTIONS
from tests.conventions.prose import faults, sql_prose

BASELINE = FUNCTIONS.parent / "migrations/versions/0001_baseline.sql"
SQL = [*sorted(FUNCTIONS.rglob("*.sql")), BASELINE]
# Files still to be rewritten; the list only shrinks.
PENDING = [
    "0001_baseline", "_adopt_batch", "_check_connect_rate", "_counts",
    "_credentials_unchanged", "_due_syncs", "_enqueue_missing_raw", "_expected_cron_jobs",
    "_fetch_state", "_hash_user_id", "_headline", "_lock_next_due_run", "_lock_repairs",
    "_lock_user_mail", "_log_repair", "_message_tsvector", "_pg_cron_obstacle",
    "_reap_zombies", "_record_audit_event", "_repair_error_message", "_repaired_run",
    "_reserve_quota", "_run_eta", "_run_times", "_run_violations", "_start_sync",
    "_start_sync_for_queue", "_try_time", "_update_counts_fenced",
    "adopt_legacy_sync_status", "apply_history", "begin_disconnect", "begin_listing",
    "claim_sync", "compare_mailbox", "delete_account", "disconnect_account",
    "enqueue_due_syncs", "fail_messages", "handover_sync", "highlight_messages",
    "index_messages", "list_deletions", "list_failed_messages", "list_messages",
    "list_thread", "list_workers", "mark_credentials_rejected", "prune_sync_history",
    "receive_push", "reconcile_listing", "record_audit_event", "record_connect_attempt",
    "refetch_messages", "repair_sync_consistency", "replace_credentials",
    "reserve_account_quota", "return_messages", "schedule_jobs", "scheduler_status",
    "set_content_mode", "start_sync", "store_labels", "store_listing_page",
    "store_messages", "store_watch", "sync_activity", "sync_progress", "sync_runs",
    "take_messages",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (" ".join(["word"] * 26) + ".", "26 words: "),
        ("Two sentences. The row is read anew.", "“anew” (write: again): The row is read anew."),
        ("It is no error.", "“is no” (write: is not a): It is no error."),
    ],
)
def test_a_fault_is_named_with_its_sentence(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "text", [" ".join(["word"] * 25) + ".", "There is no row.", "The lease is no longer held."]
)
def test_plain_english_has_no_fault(text: str) -> None:
    assert faults(text) == []


def test_sql_says_it_in_comments_and_in_constants() -> None:
    sql = "-- One\n-- comment.\nselect 'two', 'a user''s '\n  'whole sentence'; -- not 'this'\n"
    assert [" ".join(text.split()) for text in sql_prose(sql)] == [
        "One comment.",
        "a user's whole sentence",
    ]


def found_in(paths: list[Path]) -> list[str]:
    return [
        f"{path.stem}: {fault}"
        for path in paths
        for text in sql_prose(path.read_text())
        for fault in faults(text)
    ]


def test_sql_is_written_in_plain_english() -> None:
    assert found_in([path for path in SQL if path.stem not in PENDING]) == []
