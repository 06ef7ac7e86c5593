"""Where each function of gmail_sync runs when it is called at the router.

The generator refuses a function without a route, and a route without a function.
"""

from typing import NamedTuple


class User(NamedTuple):
    """At the node of a user, whom an expression over the arguments names."""

    user: str = "p_user_id"


class Task(NamedTuple):
    """At the node of the user whose id the task_id contains."""

    argument: str = "p_task_id"


class Rows(NamedTuple):
    """All rows of every node, one node after the other. A node that is down is an error.

    `order` are columns or their numbers. `limit` is the argument that cuts the result. `user` is
    the argument that may name a user: then only the user's node is asked.
    """

    order: str
    limit: str = ""
    user: str = ""


class Total(NamedTuple):
    """The sum, or another aggregate, of every node's value. A node that is down is an error.

    `user` is as in Rows.
    """

    aggregate: str = "sum"
    user: str = ""


class First(NamedTuple):
    """The rows of one node: nodes are asked in random order, until one has some.

    So nobody's work waits for that at another node. A node that is down is an error only if none
    answers.
    """


class Own(NamedTuple):
    """A function in db/router/functions, which merges what the nodes return.

    `user` is as in Rows.
    """

    user: str = ""


class Absent(NamedTuple):
    """Not on the router: it concerns the server itself. `reason` is for the reader."""

    reason: str


Route = User | Task | Rows | Total | First | Own | Absent

_USER = """
    begin_disconnect begin_import changes_since compare_mailbox connect_account count_messages
    delete_mail_step disconnect_account end_comparison export_messages finish_import
    get_account_credentials get_attachment get_import get_message get_raw highlight_messages
    is_own_mailbox list_failed_messages list_known_imports list_labels list_quota_costs list_thread
    list_threads mark_credentials_rejected messages_per_day record_connect_attempt
    record_daily_limit refetch_messages replace_credentials reserve_account_quota
    retry_failed_messages search_messages search_not_understood set_content_mode set_quota_profile
    set_sync_interval stage_imported_messages start_sync start_sync_idempotent store_compared_page
    sync_history sync_status
"""
_TASK = """
    apply_history begin_listing confirm_mailbox_identity expire_history
    fail_messages get_cursor handover_sync has_imported_messages heartbeat join_imported_messages
    list_unmatched_imports match_imported_messages
    plan_label_lists prepare_sync reconcile_listing refresh_messages release_sync report_progress
    reserve_run_quota restart_listing return_messages settle_label_lists split_threads
    store_label_page store_labels store_listing_page store_messages store_watch take_messages
    watch_is_due
"""
_OF_A_SERVER = "it changes the jobs of one server"
_ADOPTION = "a table is adopted at a node, before its users are spread"

ROUTES: dict[str, Route] = {
    **dict.fromkeys(_USER.split(), User()),
    **dict.fromkeys(_TASK.split(), Task()),
    "record_audit_event": User("coalesce(p_user_id, p_actor)"),
    # A task_id of an adopted run may have another form.
    "cancel_sync": Own(),
    "sync_run": Own(),
    "claim_sync": First(),
    # A webhook for all users is at every node.
    "add_webhook": Own("p_user_id"),
    "claim_webhook_deliveries": First(),
    "list_webhook_deliveries": Rows("ended_at desc", "p_limit", "p_user_id"),
    "list_webhooks": Own("p_user_id"),
    "record_webhook_delivery": Total("bool_or"),
    "remove_webhook": Total("bool_or", "p_user_id"),
    "replay_webhook": Total("bool_or", "p_user_id"),
    "rotate_webhook_secret": Own("p_user_id"),
    "test_webhook": Own("p_user_id"),
    "webhook_event_types": Own(),
    "check_sync_consistency": Own(),
    "database_time": Own(),
    "delete_account": Own(),
    "latest_changes": Own(),
    "list_dead_letters": Own(),
    "list_running_syncs": Own(),
    "receive_push": Own(),
    "run_fallback_reaper": Own(),
    "scheduler_status": Own(),
    "schema_version": Own(),
    "sync_activity": Own(),
    "sync_health": Own(),
    "sync_progress": Own(),
    "unregister_worker": Own(),
    "worker_heartbeat": Own(),
    "enqueue_due_syncs": Rows("1"),
    "list_accounts": Rows("user_id", "p_limit", "p_user_id"),
    "list_accounts_to_reconnect": Rows("user_id", "p_limit", "p_user_id"),
    "list_audit_events": Rows("at desc, id desc", "p_limit", "p_user_id"),
    "list_credentials": Rows("user_id", "p_limit"),
    "list_deletions": Rows("at desc, id desc"),
    "list_workers": Rows("worker", "p_limit"),
    "reap_zombie_syncs": Rows("1"),
    "repair_sync_consistency": Rows("1, 2"),
    "index_messages": Total("max"),
    "prune_sync_history": Total(),
    "run_reaper": Total(),
    "running_syncs_read_to": Total("min"),
    "adopt_legacy_sync_status": Absent(_ADOPTION),
    "prune_cron_history": Absent(_OF_A_SERVER),
    "reap_loop": Absent(_OF_A_SERVER),
    "schedule_jobs": Absent(_OF_A_SERVER),
    "unschedule_jobs": Absent(_OF_A_SERVER),
}

# They write to the audit trail, so the node must know who calls at the router.
AUDITED = {
    "connect_account",
    "delete_account",
    "disconnect_account",
    "mark_credentials_rejected",
    "record_audit_event",
    "record_connect_attempt",
}
# They start runs, so the node must know in which trace.
TRACED = {
    "enqueue_due_syncs",
    "finish_import",
    "receive_push",
    "refetch_messages",
    "retry_failed_messages",
    "set_content_mode",
    "start_sync",
    "start_sync_idempotent",
}
