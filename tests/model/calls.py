"""Every function that writes, called for a user of whom every table knows something."""

from pathlib import Path

from psycopg import sql
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row
from tests.functions.conftest import calls, gets, imported, message, record

POPULATE = Path(__file__).with_name("populate.sql").read_text()
WORKER = "5f0c9a52-6d0e-4a3e-9a43-6b1f3c3f7f10"
USERS = ("ann", "bo")
EMAIL = "shared@mail.example"

# Their first argument is the user.
OF_A_USER: dict[str, list[object]] = {
    "reserve_account_quota": [calls("attachments.get")],
    "begin_disconnect": [],
    "begin_import": [EMAIL, True],
    "finish_import": [EMAIL, 1],
    "stage_imported_messages": [EMAIL, Jsonb([imported("n")]), [None]],
    "connect_account": [EMAIL, b"sealed", None, "raw"],
    "record_connect_attempt": ["connect_begun"],
    "record_daily_limit": [],
    "delete_account": [],
    "end_comparison": [WORKER],
    "add_webhook": ["https://app.example/"],
    "remove_webhook": ["wh_mine"],
    "replay_webhook": ["wh_mine", 0],
    "rotate_webhook_secret": ["wh_mine"],
    "test_webhook": ["wh_mine"],
    "store_compared_page": [WORKER, ["s", "n"]],
    "delete_mail_step": [],
    "disconnect_account": [],
    "disconnect_account with mail": [True],
    "mark_credentials_rejected": [b"sealed", "reauth_required", "why"],
    "refetch_messages": [["s", "a", "z"]],
    "retry_failed_messages": [],
    "replace_credentials": [b"sealed", b"renewed"],
    "set_content_mode": ["raw"],
    "set_quota_profile": ["google-legacy"],
    "set_sync_interval": ["1 hour"],
    "start_sync": [True, "api"],
    "start_sync_idempotent": [False, "push"],
}
# Their first argument is the task_id of the user's run.
OF_A_RUN: dict[str, list[object]] = {
    "apply_history": [
        Jsonb([record(500, "messagesAdded", "n"), record(501, "messagesDeleted", "a")])
    ],
    "begin_listing": [1000, 5],
    "cancel_sync": [],
    "reserve_run_quota": [gets()],
    "expire_history": [],
    "fail_messages": [
        Jsonb([{"message_id": i, "error_message": "x", "gone": i == "s"} for i in "as"])
    ],
    "prepare_sync": [""],
    "database_time": [],
    "get_cursor": [],
    "handover_sync": ["why"],
    "heartbeat": [],
    "join_imported_messages": [],
    "match_imported_messages": [["n"], ["n"], ["t-n"]],
    "plan_label_lists": [],
    "reconcile_listing": [],
    "refresh_messages": [Jsonb([{"message_id": "s", "history_id": "9", "label_ids": ["X"]}])],
    "release_sync": ["why"],
    "report_progress": ["2030-01-01"],
    "restart_listing": [],
    "return_messages": [],
    "settle_label_lists": [],
    "split_threads": [["a"]],
    "store_label_page": ["L", ["s"], True],
    "store_labels": [Jsonb([{"id": "M", "name": "M"}])],
    "store_listing_page": [["z", "n"], None],
    "store_messages": [Jsonb([message("s", "X"), message("a"), message("n")]), [None] * 3],
    "store_watch": ["2030-01-01"],
    "take_messages": [],
    "confirm_mailbox_identity": [EMAIL],
}
OF_MANY: dict[str, list[object]] = {
    "adopt_legacy_sync_status": ["public.legacy"],
    "claim_sync": [WORKER],
    "claim_webhook_deliveries": [10],
    "record_webhook_delivery": ["wh_all", WORKER, 410, "gone", "1 s"],
    "enqueue_due_syncs": [],
    "run_fallback_reaper": [],
    "index_messages": [],
    "prune_sync_history": ["1 hour"],
    "reap_zombie_syncs": [],
    "run_reaper": ["service"],
    "receive_push": [EMAIL, 10**9],
    "record_audit_event": ["keys_rotated", "ann"],
    "repair_sync_consistency": [],
    "worker_heartbeat": [WORKER, "1", 4],
    "remove_webhook for all": [None, "wh_all"],
    "replay_webhook for all": [None, "wh_all"],
    "unregister_worker": [WORKER],
}
CALLS = OF_A_USER | OF_A_RUN | OF_MANY


def call(db: Connection, name: str, user: str) -> list[Row]:
    """The rows of a call for a user, or for the user's run."""
    first = {**dict.fromkeys(OF_A_USER, user), **dict.fromkeys(OF_A_RUN, f"run of {user}")}
    arguments = [*([first[name]] if name in first else []), *CALLS[name]]
    statement = sql.SQL("select * from {}({})").format(
        sql.Identifier("gmail_sync", name.split()[0]),
        sql.SQL(", ").join(sql.Placeholder() * len(arguments)),
    )
    return db.execute(statement, arguments).fetchall()
