"""With a million ended runs and ten thousand running ones, no hot function reads the ended."""

import re
from collections.abc import Iterator

import pytest
from psycopg.errors import Diagnostic

from service import migrate
from service.database import Connection, connect
from service.demo.cluster import Cluster

ENDED, RUNNING = 1_000_000, 10_000
CALLS = {
    "reap_zombie_syncs": "select * from gmail_sync.reap_zombie_syncs()",
    "sync_health": "select * from gmail_sync.sync_health()",
    "sync_status": "select * from gmail_sync.sync_status('user-7')",
    "claim_sync": "select * from gmail_sync.claim_sync(gen_random_uuid())",
    "start_sync_idempotent": "select gmail_sync.start_sync_idempotent('user-7')",
    "heartbeat": "select gmail_sync.heartbeat('running-7')",
    "enqueue_due_syncs": "select * from gmail_sync.enqueue_due_syncs()",
    "prune_sync_history": "select gmail_sync.prune_sync_history()",
    "sync_activity": "select * from gmail_sync.sync_activity()",
    "list_workers": "select * from gmail_sync.list_workers()",
}


@pytest.fixture(scope="module")
def crowded(cluster: Cluster) -> Iterator[Connection]:
    """A million ended runs of 50,000 users, 9,000 running ones and 1,000 that wait."""
    cluster.create_database("crowded")
    migrate.upgrade(cluster.url("crowded"))
    with connect(cluster.url("crowded"), "test") as db:
        db.execute("set statement_timeout = 0")
        db.execute(
            "insert into gmail_sync.user_sync_status (task_id, user_id, is_syncing, outcome, phase,"
            " progress_percentage, started_at, updated_at, finished_at)"
            " select 'ended-' || n, 'user-' || n %% 50000, false, 'succeeded', 'done', 100,"
            " at, at, at"
            " from (select n, now() - n * interval '5 s' as at from generate_series(1, %s) n) n",
            [ENDED],
        )
        db.execute(
            "insert into gmail_sync.user_sync_status (task_id, user_id, phase, claimed_at)"
            " select 'running-' || n, 'user-' || n,"
            " case when n %% 10 = 0 then 'queued' else 'listing' end,"
            " case when n %% 10 <> 0 then now() end from generate_series(1, %s) n",
            [RUNNING],
        )
        db.execute("vacuum (analyze) gmail_sync.user_sync_status")
        yield db
    cluster.drop_database("crowded")


def plans_of(db: Connection, call: str) -> str:
    """The plans of all statements a call runs, those within functions included."""
    plans: list[str] = []

    def collect(notice: Diagnostic) -> None:
        plans.append(notice.message_primary or "")

    db.add_notice_handler(collect)
    with db.transaction(force_rollback=True):
        db.execute(
            "load 'auto_explain';"
            "set local auto_explain.log_min_duration = 0;"
            "set local auto_explain.log_nested_statements = on;"
            "set local client_min_messages = log"
        )
        db.execute(call.encode())
    db.remove_notice_handler(collect)
    return "\n".join(plans)


@pytest.mark.parametrize("function", CALLS)
def test_runs_are_found_by_an_index(crowded: Connection, function: str) -> None:
    plans = plans_of(crowded, CALLS[function])

    assert "user_sync_status" in plans
    assert re.findall(r"Seq Scan on user_sync_status.*", plans) == []


@pytest.mark.parametrize("function", ["reap_zombie_syncs", "sync_health"])
def test_zombies_are_looked_for_among_running_runs_only(crowded: Connection, function: str) -> None:
    assert "uniq_user_running_sync" in plans_of(crowded, CALLS[function])


def test_claims_look_at_waiting_runs_only(crowded: Connection) -> None:
    assert "runs_waiting_for_a_worker" in plans_of(crowded, CALLS["claim_sync"])
