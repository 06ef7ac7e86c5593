"""After any history, the schedule that is stored is what the rule says, computed for all accounts.

So no function can forget that it has changed when an account is due. GMAIL_SYNC_CHAOS=1 tries more
and longer histories.
"""

import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from db.migrations.install import FUNCTIONS
from service.postgres.calls import Connection, Session
from service.postgres.errors import SyncError
from tests.functions.conftest import (
    connected,
    email_of,
    listed,
    message,
    run_of,
    set_settings,
    store,
)
from tests.model.clock import install_clock, pass_time, stop_time
from tests.model.profile import LONG, search_settings

USERS = ("ann", "bo", "cy")
PASSING_SECONDS = (1, 61, 660, 7_200, 90_000)
RULE = FUNCTIONS / "scheduler" / "_due_syncs.sql"
# By how much an interval varies depends on when the run started, and that is moved here.
BY_RUN, BY_USER = "a.user_id || extract(epoch from last.started_at)", "a.user_id"
TABLES = ("user_sync_status", "fetch_queue", "touched", "listing", "message", "account", "schedule")

search = search_settings(300 if LONG else 20, 60 if LONG else 30)

users = st.sampled_from(USERS)


class Histories(RuleBasedStateMachine):
    def __init__(self, db: Connection, functions: Session) -> None:
        super().__init__()
        self.db = db
        self.functions = functions
        for table in TABLES:
            db.execute(f"delete from gmail_sync.{table}".encode())
        set_settings(db, watch_interval="1 day")
        for user in USERS:
            self.connect(user)

    def call(self, function: str, *arguments: object) -> None:
        """Refusals are answers too."""
        with suppress(SyncError):
            self.functions.rows(function, *arguments)

    @rule(seconds=st.sampled_from(PASSING_SECONDS))
    def time_passes(self, seconds: int) -> None:
        stop_time(self.db)
        pass_time(self.db, seconds)

    @rule(user=users)
    def connect(self, user: str) -> None:
        connected(self.functions, user)

    @rule(user=users, delete_mail=st.booleans())
    def disconnect(self, user: str, delete_mail: bool) -> None:
        self.call("disconnect_account", user, delete_mail)

    @rule(user=users)
    def delete(self, user: str) -> None:
        self.call("delete_account", user)

    @rule(user=users)
    def reject(self, user: str) -> None:
        self.call("mark_credentials_rejected", user, b"sealed", "reauth_required", "why")

    @rule(user=users, interval=st.sampled_from([None, "10 min", "1 day", "30 days"]))
    def set_interval(self, user: str, interval: str | None) -> None:
        self.call("set_sync_interval", user, interval)

    @rule(user=users)
    def keep_raw(self, user: str) -> None:
        self.call("set_content_mode", user, "raw")

    @rule(user=users)
    def connect_raw(self, user: str) -> None:
        self.call("connect_account", user, email_of(user), b"sealed", None, "raw")

    @rule(user=users, source=st.sampled_from(["sql", "schedule", "push"]))
    def start(self, user: str, source: str) -> None:
        self.call("start_sync", user, False, source)

    @rule(user=users)
    def retry(self, user: str) -> None:
        self.call("retry_failed_messages", user)

    @rule()
    def enqueue(self) -> None:
        self.call("enqueue_due_syncs")

    @rule()
    def reap(self) -> None:
        self.call("run_reaper", "pg_cron")

    @rule()
    def prune(self) -> None:
        self.call("prune_sync_history", timedelta(hours=1))

    @rule(user=users, age=st.sampled_from(["1 min", "2 hours"]))
    def adopt(self, user: str, age: str) -> None:
        self.db.execute(
            "create or replace view public.legacy as select md5(random()::text) as task_id,"
            f" '{user}' as user_id, false as is_syncing, 0 as progress_percentage,"
            f" now() - interval '{age}' as started_at, now() as updated_at".encode()
        )
        self.db.execute("select * from gmail_sync.adopt_legacy_sync_status('public.legacy')")

    @rule(watch_interval=st.sampled_from(["1 hour", "1 day", "3 days"]))
    def change_settings(self, watch_interval: str) -> None:
        set_settings(self.db, watch_interval=watch_interval)

    @rule(
        watch=st.sampled_from([None, "refused", "watched"]),
        mail=st.sampled_from([None, "stored", "waits", "given up"]),
        end=st.sampled_from(["succeeds", "fails", "is cancelled", "hands over", "runs"]),
    )
    def work(self, watch: str | None, mail: str | None, end: str) -> None:
        row = self.functions.row("claim_sync", uuid.uuid4())
        if row is None:
            return
        task_id = row["task_id"]
        if watch:
            self.call("store_watch", task_id, None if watch == "refused" else "2100-01-01")
        if mail and row["email"]:
            listed(self.functions, task_id, "m")
            self.functions.rows("take_messages", task_id)
            if mail == "stored":
                store(self.functions, task_id, message("m"))
            else:
                failure = {"message_id": "m", "error_message": "x", "permanent": mail != "waits"}
                self.call("fail_messages", task_id, Jsonb([failure]))
        if end == "fails":
            self.call("release_sync", task_id, "why")
        elif end == "succeeds":
            if not run_of(self.db, task_id)["pending"]:
                self.call("release_sync", task_id)
        elif end == "is cancelled":
            self.call("cancel_sync", task_id)
        elif end == "hands over":
            self.call("handover_sync", task_id, "why")

    @invariant()
    def a_pass_starts_what_the_rule_says(self) -> None:
        # What has changed until here is known to the pass; a later change must be noted.
        self.db.execute("select gmail_sync._check_changed_schedules(1000)")
        with self.db.transaction(force_rollback=True):
            due = self.users("select user_id from gmail_sync._due_syncs"
                             " where not is_running and due_at <= now()")  # fmt: skip
            started = self.db.execute("select gmail_sync.enqueue_due_syncs(10000) as task_id")
            tasks = [row["task_id"] for row in started]
            assert sorted(run_of(self.db, task_id)["user_id"] for task_id in tasks) == due
            assert self.stored() == self.computed()

    def users(self, query: str) -> list[str]:
        return sorted(row["user_id"] for row in self.db.execute(query.encode()))

    def stored(self) -> list[object]:
        return self.db.execute(
            "select user_id::text, min(check_at)::text as check_at,"
            " min(unwatched_since)::text as since from gmail_sync.schedule s"
            " where not exists (select from gmail_sync.user_sync_status r"
            " where r.user_id = s.user_id and r.is_syncing)"
            " group by user_id order by user_id"
        ).fetchall()

    def computed(self) -> list[object]:
        return self.db.execute(
            "select user_id::text, check_at::text as check_at,"
            " unwatched_since::text as since from gmail_sync._due_syncs"
            " where not is_running and coalesce(check_at, unwatched_since) is not null"
            " order by user_id"
        ).fetchall()


def test_what_is_stored_is_what_the_rule_says(db: Connection, functions: Session) -> None:
    install_clock(db)
    set_settings(db, max_connects_a_minute=1_000_000, max_attempts=2)
    rule_text = Path(RULE).read_text()
    assert BY_RUN in rule_text
    db.execute(rule_text.replace(BY_RUN, BY_USER).encode())

    class HistoriesHere(Histories):
        def __init__(self) -> None:
            super().__init__(db, functions)

    run_state_machine_as_test(HistoriesHere, settings=search)
