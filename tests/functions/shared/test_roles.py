"""Who may execute, read and write what: exactly this and nothing else."""

import psycopg
import pytest
from psycopg import sql

from service.postgres.calls import Connection, Session
from tests.functions.conftest import raises_sqlstate

APP = {
    "add_webhook", "cancel_sync", "changes_since", "delete_account",
    "disconnect_account",
    "list_failed_messages", "list_webhook_deliveries", "list_webhooks", "messages_per_day",
    "remove_webhook", "replay_webhook", "retry_failed_messages", "rotate_webhook_secret",
    "scheduler_status", "search_messages", "search_not_understood",
    "set_content_mode", "set_sync_interval", "start_sync", "start_sync_idempotent",
    "sync_health", "sync_history", "sync_run", "sync_status", "test_webhook",
    "webhook_event_types",
}  # fmt: skip
READER = {"_zombie_cause", "changes_since", "search_messages", "search_not_understood"}
DBA = APP | {
    "_adopt_rows", "_adoption_report", "_all_runs", "_miscounted_mail", "_row_time",
    "_row_violations", "_zombie_cause",
    "adopt_legacy_sync_status", "check_sync_consistency", "enqueue_due_syncs", "index_messages",
    "list_accounts", "list_accounts_to_reconnect", "list_audit_events", "list_dead_letters",
    "list_deletions", "list_running_syncs", "list_workers", "prune_sync_history", "reap_loop",
    "reap_zombie_syncs", "record_audit_event", "refetch_messages", "repair_sync_consistency",
    "run_reaper", "running_syncs_read_to", "schema_version", "set_quota_profile", "sync_activity",
}  # fmt: skip
SERVICE = DBA - {
    "_adopt_rows", "_row_time", "_zombie_cause", "adopt_legacy_sync_status", "reap_loop",
} | {
    "apply_history", "begin_disconnect", "begin_import", "begin_listing", "claim_sync",
    "claim_webhook_deliveries", "record_webhook_delivery",
    "compare_mailbox", "confirm_mailbox_identity", "connect_account", "prepare_sync",
    "count_messages", "database_time", "delete_mail_step", "end_comparison", "expire_history",
    "export_messages", "fail_messages", "finish_import", "get_account_credentials",
    "get_attachment", "get_cursor", "get_import", "get_message", "get_raw", "handover_sync",
    "has_imported_messages", "heartbeat", "highlight_messages", "is_own_mailbox",
    "join_imported_messages", "latest_changes", "list_credentials", "list_known_imports",
    "list_labels", "list_quota_costs", "list_thread", "list_threads", "list_unmatched_imports",
    "mark_credentials_rejected", "match_imported_messages", "plan_label_lists",
    "receive_push", "reconcile_listing", "record_connect_attempt", "record_daily_limit",
    "refresh_messages", "release_sync", "replace_credentials", "report_progress",
    "reserve_account_quota", "reserve_run_quota", "restart_listing", "return_messages",
    "run_fallback_reaper", "settle_label_lists", "split_threads", "stage_imported_messages",
    "store_compared_page", "store_label_page", "store_labels", "store_listing_page",
    "store_messages", "store_watch", "sync_progress", "take_messages", "unregister_worker",
    "watch_is_due", "worker_heartbeat",
}  # fmt: skip
MAY_EXECUTE = {
    "gmail_sync_app": APP,
    "gmail_sync_reader": READER,
    "gmail_sync_dba": DBA,
    "gmail_sync_service": SERVICE,
    "public": set[str](),
}
VIEWS = {
    "attachments", "labels", "messages", "running_syncs", "sync_runs", "zombie_syncs",
}  # fmt: skip


@pytest.fixture
def database(shared_database: str) -> str:
    """Most of these tests only read; the others have users of their own."""
    return shared_database


def test_a_role_executes_its_functions_and_no_other(db: Connection) -> None:
    for role, functions in MAY_EXECUTE.items():
        rows = db.execute(
            "select proname from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
            " and has_function_privilege(%s, oid, 'execute')",
            [role],
        )
        assert {row["proname"] for row in rows} == functions, role


def test_nobody_but_the_owner_touches_a_table(db: Connection) -> None:
    tables = """
        select relname from pg_class
        where relnamespace = 'gmail_sync'::regnamespace and relkind in ('r', 'p', 'S')
          and case when relkind = 'S'
            then has_sequence_privilege(%(role)s, oid, 'usage, select, update')
            else has_table_privilege(%(role)s, oid,
                'select, insert, update, delete, truncate, references, trigger')
              or has_any_column_privilege(%(role)s, oid, 'select, insert, update, references')
          end
    """
    for role in MAY_EXECUTE:
        assert db.execute(tables, {"role": role}).fetchall() == [], role


def test_views_are_for_readers(db: Connection) -> None:
    for role, views in {
        "gmail_sync_app": VIEWS - {"running_syncs", "zombie_syncs"},
        "gmail_sync_reader": VIEWS,
        "gmail_sync_dba": VIEWS,
        "gmail_sync_service": set[str](),
        "public": set[str](),
    }.items():
        rows = db.execute(
            "select relname from pg_class where relnamespace = 'gmail_sync'::regnamespace"
            " and relkind = 'v' and has_table_privilege(%s, oid, 'select')",
            [role],
        )
        assert {row["relname"] for row in rows} == views, role


def test_nobody_writes_through_a_view(db: Connection) -> None:
    for role in MAY_EXECUTE:
        rows = db.execute(
            "select relname from pg_class where relnamespace = 'gmail_sync'::regnamespace"
            " and relkind = 'v' and has_table_privilege(%s, oid, 'insert, update, delete')",
            [role],
        )
        assert rows.fetchall() == [], role


def test_the_owner_owns_all_and_logs_in_never(db: Connection) -> None:
    owners = db.execute(
        "select distinct owner::regrole::text from ("
        " select relowner from pg_class where relnamespace = 'gmail_sync'::regnamespace"
        " union all select proowner from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
        " union all select typowner from pg_type where typnamespace = 'gmail_sync'::regnamespace"
        " union all select nspowner from pg_namespace where nspname = 'gmail_sync'"
        ") as owners (owner)"
    ).fetchall()
    assert owners == [{"owner": "gmail_sync_owner"}]
    powers = db.execute(
        "select rolname from pg_roles where rolname like 'gmail\\_sync\\_%'"
        " and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)"
        " and rolname <> 'gmail_sync_login'"
    ).fetchall()
    assert powers == []


def test_the_service_login_is_refused(service_url: str) -> None:
    with psycopg.connect(service_url, autocommit=True) as connection:
        for statement in (
            "insert into gmail_sync.user_sync_status (task_id, user_id) values ('t', 'ann')",
            "update gmail_sync.settings set heartbeat_timeout = '1 day'",
            "delete from gmail_sync.message",
            "select credentials from gmail_sync.account",
            "select * from gmail_sync.messages",
            "select gmail_sync._fence('t')",
            "call gmail_sync.reap_loop('0', '1')",
            "select gmail_sync.schedule_jobs()",
            "create table gmail_sync.mine ()",
        ):
            with raises_sqlstate("42501"):
                connection.execute(statement.encode())


def as_role(db: Connection, role: str) -> None:
    db.execute(sql.SQL("set role {}").format(sql.Identifier(role)))


def test_an_application_starts_and_follows_its_sync(db: Connection) -> None:
    as_role(db, "gmail_sync_app")
    started = db.execute("select gmail_sync.start_sync_idempotent('ann') as task_id").fetchone()
    status = db.execute("select task_id from gmail_sync.sync_status('ann')").fetchone()
    assert started == status
    with raises_sqlstate("42501"):
        db.execute("select gmail_sync.claim_sync(gen_random_uuid())")


def test_a_reader_reads_the_views(db: Connection) -> None:
    as_role(db, "gmail_sync_reader")
    for view in VIEWS:
        db.execute(sql.SQL("select * from gmail_sync.{}").format(sql.Identifier(view)))
    with raises_sqlstate("42501"):
        db.execute("select gmail_sync.start_sync_idempotent('ann')")


def test_a_dba_reaps_and_sees_zombies(db: Connection) -> None:
    as_role(db, "gmail_sync_dba")
    db.execute("select * from gmail_sync.zombie_syncs")
    db.execute("select * from gmail_sync.reap_zombie_syncs()")
    db.execute("call gmail_sync.reap_loop('0', '1')")


def test_a_hostile_search_path_changes_nothing(service_url: str, functions: Session) -> None:
    with psycopg.connect(service_url, autocommit=True) as connection:
        connection.execute("create temp table settings as select interval '0' as heartbeat_timeout")
        connection.execute("create temp table pg_class as select 1")
        connection.execute("set search_path = pg_temp, pg_catalog")
        row = connection.execute("select gmail_sync.start_sync_idempotent('ann')").fetchone()
    assert row == (functions.value("sync_status", "ann"),)
