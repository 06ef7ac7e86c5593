"""Plans do not depend on statistics. A claim does not read the runs that were claimed before the
last vacuum."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from service import migrate
from service.postgres.calls import Connection, connect
from tests.cluster import Cluster
from tests.functions.crowd import add_accounts, add_ended_runs, add_queued_runs, add_running_runs
from tests.functions.shared.test_plans import indexes_used, plans_of, read_whole

pytestmark = pytest.mark.gate

QUEUES = {"schedule", "user_sync_status"}
TABLES = QUEUES | {"account"}
CLAIM = "select * from gmail_sync.claim_sync(gen_random_uuid())"
CALLS = {
    "claim_sync": CLAIM,
    "enqueue_due_syncs": "select gmail_sync.enqueue_due_syncs()",
    "heartbeat": "select gmail_sync.heartbeat('running-7')",
    "reap_zombie_syncs": "select * from gmail_sync.reap_zombie_syncs()",
    "release_sync": "select gmail_sync.release_sync('running-7')",
    "start_sync_idempotent": "select gmail_sync.start_sync_idempotent('account-7')",
    "sync_health": "select gmail_sync.sync_health()",
}
INDEXES = {
    "account_pkey", "accounts_by_watch", "checks_by_time", "checks_by_writing", "checks_of_a_user",
    "checks_of_unwatched", "runs_by_end", "runs_of_a_user", "runs_of_events_waiting",
    "runs_of_people_waiting", "runs_of_workers", "runs_waiting_by_start",
    "runs_waiting_for_a_worker", "uniq_resumes", "uniq_task_id", "uniq_user_running_sync",
}  # fmt: skip
STATISTICS = ("none", "of empty tables", "of full tables")


@contextmanager
def filled(cluster: Cluster, statistics: str) -> Iterator[Connection]:
    """A database with many runs and accounts whose statistics are of another time."""
    name = f"statistics_{STATISTICS.index(statistics)}"
    cluster.create_database(name)
    migrate.upgrade(cluster.url(name))
    with connect(cluster.url(name), "test") as db:
        for table in TABLES:
            db.execute(f"alter table gmail_sync.{table} set (autovacuum_enabled = false)".encode())
        if statistics == "of empty tables":
            db.execute("analyze")
        add_ended_runs(db, 20_000)
        add_running_runs(db, 1_000)
        add_queued_runs(db, 20_000)
        add_accounts(db, 20_000)
        if statistics == "of full tables":
            db.execute("analyze")
    # Functions have no plans yet in a new session.
    with connect(cluster.url(name), "test") as db:
        yield db
    cluster.drop_database(name)


@pytest.fixture(scope="module")
def databases(cluster: Cluster) -> Iterator[dict[str, Connection]]:
    with ExitStack() as stack:
        yield {each: stack.enter_context(filled(cluster, each)) for each in STATISTICS}


@pytest.mark.parametrize("call", CALLS)
def test_plans_are_the_same_whatever_statistics_say(
    databases: dict[str, Connection], call: str
) -> None:
    plans = {each: plans_of(db, CALLS[call]) for each, db in databases.items()}

    used = {
        each: (indexes_used(plan) & INDEXES, read_whole(plan) & QUEUES)
        for each, plan in plans.items()
    }
    assert used == dict.fromkeys(STATISTICS, used["of full tables"])


def test_a_vacuum_lets_claims_forget_those_before(db: Connection) -> None:
    """In a large history, too, where Postgres would leave the index entries for a later vacuum."""
    add_ended_runs(db, 200_000)
    add_queued_runs(db, 3_000)
    db.execute("vacuum (analyze) gmail_sync.user_sync_status")
    before = pages_of_a_claim(db)

    for _ in range(1_500):
        db.execute(CLAIM)
    after = pages_of_a_claim(db)
    db.execute("vacuum gmail_sync.user_sync_status")

    assert after > before + 5
    assert pages_of_a_claim(db) <= before + 3


def pages_of_a_claim(db: Connection) -> int:
    """Those that a claim reads once the session has what it needs."""
    for _ in range(2):
        with db.transaction(force_rollback=True):
            rows = db.execute(f"explain (analyze, buffers) {CLAIM}".encode()).fetchall()
    lines = (line for row in rows for line in row.values())
    return next(int(found[1]) for line in lines if (found := re.search(r"hit=(\d+)", line)))
