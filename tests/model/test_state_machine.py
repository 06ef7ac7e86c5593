"""Any sequence of calls, by any number of workers, does to the tables what it does to the model.

The same sequences each time, few enough for `make test`; GMAIL_SYNC_CHAOS=1 makes hundreds of
longer ones, others each time.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg import sql
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import SyncError
from tests.functions.conftest import connected, message, set_settings
from tests.model.clock import at_its_time, install_clock, pass_time, stop_time
from tests.model.model import Model, Refused, Run
from tests.model.profile import LONG, search_settings

USERS = ("ann", "bo", "cy")
MAIL = ("m1", "m2", "m3", "m4")
# Multiples of 11 s, of which no sum comes within 2 s below a limit of the rules.
PASSING_SECONDS = (11, 22, 55, 66, 330, 1870, 90_200)

search = search_settings(600 if LONG else 25, 60 if LONG else 40)

users = st.sampled_from(USERS)
# How many runs back a call comes that a late worker makes.
BACK = st.sampled_from([0, 0, 0, 1, 2])
some_mail = st.lists(st.sampled_from(MAIL), min_size=1, max_size=3, unique=True)


@pytest.fixture
def prepared(db: Connection, functions: Session) -> Connection:
    """A superuser's connection to a database with the model's users and a clock."""
    install_clock(db)
    set_settings(
        db, max_starts_a_minute=1_000_000, max_connects_a_minute=1_000_000,
        max_message_attempts=1_000_000,
    )  # fmt: skip
    db.execute(
        "create table public.legacy (task_id text, user_id text, is_syncing boolean,"
        " progress_percentage integer, error_message text, current_stats jsonb,"
        " started_at timestamptz, updated_at timestamptz)"
    )
    return db


# What holds rows of users.
TABLES = (
    "user_sync_status", "fetch_queue", "fetch_batch", "touched", "listing", "message",
    "index_queue", "index_backlog", "message_words", "attachment", "label", "label_listing",
    "repair_log", "audit_event", "quota_charge", "account", "schedule", "compared_message",
)  # fmt: skip


def empty(db: Connection) -> None:
    for table in TABLES:
        db.execute(f"delete from gmail_sync.{table}".encode())


class Lives(RuleBasedStateMachine):
    """`db` moves time and looks at the tables; `functions` calls as the service does."""

    def __init__(self, db: Connection, functions: Session) -> None:
        super().__init__()
        self.db = db
        self.functions = functions
        self.model = Model(USERS)
        empty(db)
        for user in USERS:
            self.connect(user)

    def call(self, function: str, *arguments: object, **named: object) -> list[Any]:
        """The rows of a call at the model's time. Raises Refused."""
        try:
            with at_its_time(self.db):
                return self.functions.rows(function, *arguments, **named)
        except (SyncError, psycopg.Error) as error:
            raise Refused(error.sqlstate) from error

    def value(self, function: str, *arguments: object, **named: object) -> Any:
        row = next(iter(self.call(function, *arguments, **named)), None)
        return next(iter(row.values())) if row else None

    def run_of(self, user: str, back: int) -> str:
        """The task_id of a user's latest run or of one before it, ended or not."""
        known = self.model.forgotten + self.model.runs
        runs = [run.task_id for run in known if run.user == user]
        task_id = runs[-1 - back] if back < len(runs) else None
        assume(task_id is not None)
        return str(task_id)

    @rule(seconds=st.sampled_from(PASSING_SECONDS))
    def time_passes(self, seconds: int) -> None:
        pass_time(self.db, seconds)
        stop_time(self.db)
        self.model.now += seconds

    @rule(user=users, force=st.booleans(), source=st.sampled_from(["api", "sql", "schedule"]))
    def start(self, user: str, force: bool, source: str) -> None:
        [answer] = self.call("start_sync", user, force, source)
        self.is_what(answer, *self.model.start(user, force, source))

    @rule(user=users)
    def push(self, user: str) -> None:
        [answer] = self.call("start_sync", user, False, "push")
        self.is_what(answer, *self.model.start(user, False, "push"))

    def is_what(self, answer: Row, run: Run, created: bool) -> None:
        run.task_id = run.task_id or answer["task_id"]
        assert (answer["task_id"], answer["created"]) == (run.task_id, created)

    @rule()
    def claim(self) -> None:
        answer = self.value("claim_sync", uuid.uuid4())
        run = self.model.claim(answer)
        assert answer == (run and run.task_id)

    @rule(user=users, back=BACK)
    def beat(self, user: str, back: int) -> None:
        task_id = self.run_of(user, back)
        assert self.value("heartbeat", task_id) == self.model.beat(task_id)

    @rule(user=users, back=BACK, waits=st.sampled_from([121, 100_000]))
    def report_progress(self, user: str, back: int, waits: int) -> None:
        task_id = self.run_of(user, back)
        self.same(
            lambda: self.call("report_progress", task_id, self.at(waits)) and None,
            lambda: self.model.wait(task_id, waits),
        )

    @rule(user=users, back=BACK, failed=st.booleans())
    def release(self, user: str, back: int, failed: bool) -> None:
        task_id = self.run_of(user, back)
        self.same(
            lambda: self.value("release_sync", task_id, "why" if failed else None),
            lambda: self.model.release(task_id, failed),
        )

    @rule(user=users, back=BACK)
    def cancel(self, user: str, back: int) -> None:
        task_id = self.run_of(user, back)
        assert self.value("cancel_sync", task_id) == self.model.cancel(task_id)

    @rule(
        user=users, back=BACK, waits=st.sampled_from([None, 0, 121, 100_000]), charge=st.booleans()
    )
    def handover(self, user: str, back: int, waits: int | None, charge: bool) -> None:
        task_id = self.run_of(user, back)
        until = None if waits is None else self.at(waits)
        answer = self.value("handover_sync", task_id, "why", until, charge)
        successor = self.model.handover(task_id, waits, charge)
        if successor:
            successor.task_id = answer
        assert (answer is None) == (successor is None)

    @rule()
    def reap(self) -> None:
        rows = self.call("reap_zombie_syncs")
        assert {(row["task_id"], row["cause"]) for row in rows} == self.model.reap()

    @rule(user=users, is_syncing=st.booleans(), age=st.sampled_from([0, 33, 110, 3300]))
    def adopt(self, user: str, is_syncing: bool, age: int) -> None:
        task_id = f"legacy_{len(self.model.forgotten + self.model.runs)}"
        with at_its_time(self.db):
            self.db.execute("delete from public.legacy")
            self.db.execute(
                "insert into public.legacy values (%s, %s, %s, 0, null, '{}', %s, %s)",
                [task_id, user, is_syncing, self.at(-age - 1), self.at(-age)],
            )
            self.db.execute("select * from gmail_sync.adopt_legacy_sync_status('public.legacy')")
        self.model.adopt(task_id, user, is_syncing, age)

    @rule(user=users, back=BACK, mail=some_mail)
    def list_mailbox(self, user: str, back: int, mail: list[str]) -> None:
        task_id = self.run_of(user, back)

        def list_all() -> None:
            self.call("begin_listing", task_id, 1000, len(mail))
            self.call("store_listing_page", task_id, mail, None)

        self.same(list_all, lambda: self.model.list_mailbox(task_id, mail))

    @rule(user=users, back=BACK)
    def reconcile(self, user: str, back: int) -> None:
        task_id = self.run_of(user, back)
        self.same(
            lambda: self.value("reconcile_listing", task_id),
            lambda: self.model.reconcile(task_id),
        )

    @rule(user=users, back=BACK, limit=st.integers(1, 3))
    def take(self, user: str, back: int, limit: int) -> None:
        task_id = self.run_of(user, back)
        taken: list[str] = []

        def take_some() -> bool:
            taken.extend(row["message_id"] for row in self.call("take_messages", task_id, limit))
            return bool(taken)

        self.same(take_some, lambda: bool(self.model.may_take(task_id)))
        if taken:
            assert set(taken) <= self.model.may_take(task_id)
            self.model.took(task_id, taken)

    @rule(user=users, back=BACK, mail=some_mail)
    def store(self, user: str, back: int, mail: list[str]) -> None:
        task_id = self.run_of(user, back)
        fetched = Jsonb([message(message_id) for message_id in mail])
        self.same(
            lambda: self.call("store_messages", task_id, fetched, [None] * len(mail)) and None,
            lambda: self.model.store(task_id, mail),
        )

    @rule(user=users, back=BACK, mail=some_mail)
    def give_up(self, user: str, back: int, mail: list[str]) -> None:
        task_id = self.run_of(user, back)
        failures = [
            {"message_id": id_, "error_message": "broken", "permanent": True} for id_ in mail
        ]
        self.same(
            lambda: self.call("fail_messages", task_id, Jsonb(failures)) and None,
            lambda: self.model.give_up(task_id, mail),
        )

    @rule(user=users)
    def retry_failed(self, user: str) -> None:
        assert self.value("retry_failed_messages", user) == self.model.retry_failed(user)

    @rule(user=users)
    def connect(self, user: str) -> None:
        with at_its_time(self.db):
            connected(self.functions, user)
        self.model.connect(user)

    @rule(user=users, delete_mail=st.booleans())
    def disconnect(self, user: str, delete_mail: bool) -> None:
        done = self.value("disconnect_account", user, delete_mail)
        assert done == self.model.disconnect(user, delete_mail)

    @rule(user=users)
    def delete_account(self, user: str) -> None:
        assert self.value("delete_account", user) == self.model.delete(user)
        left = sql.SQL(" union all ").join(
            sql.SQL("select user_id from {}").format(sql.Identifier("gmail_sync", table))
            for table in TABLES
        )
        assert {"user_id": user} not in self.db.execute(left).fetchall()

    def at(self, seconds: int) -> datetime:
        row = self.db.execute(
            "select clock_timestamp() + %s as moment", [timedelta(seconds=seconds)]
        ).fetchone()
        assert row is not None
        moment: datetime = row["moment"]
        return moment

    def same(self, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
        """What the database answers or refuses is what the model does."""
        assert answer_of(ours) == answer_of(theirs)

    @invariant()
    def runs_are_those_of_the_model(self) -> None:
        rows = {row["task_id"]: row for row in self.db.execute(RUNS)}
        for run in self.model.runs:
            if run.task_id is None:
                run.task_id = next(
                    row["task_id"]
                    for row in rows.values()
                    if row["user_id"] == run.user and row["is_syncing"]
                )
        assert rows.keys() == {run.task_id for run in self.model.runs}
        for run in self.model.runs:
            assert told(rows[str(run.task_id)]) == expected(self.model, run)
        running = Counter(row["user_id"] for row in rows.values() if row["is_syncing"])
        assert set(running.values()) <= {1}

    @invariant()
    def mail_is_that_of_the_model(self) -> None:
        stored = {(r["user_id"], r["message_id"], r["alive"]) for r in self.db.execute(STORED)}
        queue = {(r["user_id"], r["message_id"], r["dead"]) for r in self.db.execute(QUEUE)}
        mail = self.model.mail
        assert stored == {(u, m, alive) for u in USERS for m, alive in mail[u].stored.items()}
        assert queue == {(u, m, dead) for u in USERS for m, dead in mail[u].queue.items()}
        assert self.db.execute("select * from gmail_sync._miscounted_mail()").fetchall() == []

    @invariant()
    def accounts_are_those_of_the_model(self) -> None:
        accounts = {row["user_id"]: row["connected"] for row in self.db.execute(ACCOUNTS)}
        mail = self.model.mail
        assert accounts == {u: mail[u].account for u in USERS if mail[u].account is not None}

    @rule()
    def help_comes(self) -> None:
        """Whatever was left behind, two days later every run is claimed, and worked to its end."""
        self.time_passes(PASSING_SECONDS[-1])
        self.reap()
        self.runs_are_those_of_the_model()
        self.time_passes(PASSING_SECONDS[-1])
        while task_id := self.value("claim_sync", uuid.uuid4()):
            run = self.model.claim(task_id)
            assert run
            assert run.task_id == task_id
            left = [m for m, dead in self.model.mail[run.user].queue.items() if not dead]
            if left:
                fetched = Jsonb([message(message_id) for message_id in left])
                self.call("store_messages", task_id, fetched, [None] * len(left))
                self.model.store(task_id, left)
            assert self.value("release_sync", task_id)
            self.model.release(task_id, False)
            self.runs_are_those_of_the_model()
        assert [run for run in self.model.runs if not run.outcome] == []


RUNS = """
select r.*, z.cause, r.not_before <= clock_timestamp() as due
from gmail_sync.user_sync_status r
left join gmail_sync._running_run z using (task_id)
"""
STORED = "select user_id, message_id, deleted_at is null as alive from gmail_sync.message"
QUEUE = "select user_id, message_id, dead from gmail_sync.fetch_queue"
ACCOUNTS = "select user_id, status = 'connected' as connected from gmail_sync.account"


def told(row: Row) -> dict[str, object]:
    return {
        "user": row["user_id"], "type": row["sync_type"], "source": row["source"],
        "attempt": row["attempt"], "resumes": row["resumes"], "outcome": row["outcome"],
        "progress": row["progress_percentage"], "follow_up": row["follow_up"],
        "claimed": row["claimed_at"] is not None, "cause": row["cause"], "due": row["due"],
        "found": row["found"],
        **{name: count for name, count in row["current_stats"].items() if count},
    }  # fmt: skip


def expected(model: Model, run: Run) -> dict[str, object]:
    return {
        "user": run.user, "type": run.sync_type,
        "source": "api" if run.source == "adopted" else run.source,
        "attempt": run.attempt, "resumes": run.resumes, "outcome": run.outcome,
        "progress": run.progress, "follow_up": run.follow_up,
        "claimed": run.claimed_at is not None, "cause": model.cause(run),
        "due": run.due_at <= model.now, "found": run.counts.total(),
        **{name: count for name, count in run.counts.items() if count},
    }  # fmt: skip


def answer_of(call: Callable[[], object]) -> object:
    try:
        return call()
    except Refused as refused:
        return f"refused: {refused}"


def test_any_sequence_of_calls_does_what_the_model_does(
    prepared: Connection, functions: Session
) -> None:
    class LivesHere(Lives):
        def __init__(self) -> None:
            super().__init__(prepared, functions)

    run_state_machine_as_test(LivesHere, settings=search)
