"""Health, probes and metrics, with a database and without."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest

from service import migrate
from service.app import create_app
from service.config import Config, ConfigError
from service.postgres.pool import Pool
from tests.api.conftest import (
    Running,
    bearer,
    client_of,
    problem,
    serving,
    token,
)
from tests.cluster import Cluster
from tests.waiting import PATIENCE_SECONDS, wait_until

Db = psycopg.Connection[dict[str, Any]]
DEAD_URL = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def zombie(db: Db) -> str:
    """The task_id of a run of zoe's that lost its worker five minutes ago."""
    task_id = "sync_zoe_0badcafe_1700000000"
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " values (%s, 'zoe', now() - interval '5 min')",
        [task_id],
    )
    return task_id


def test_health_counts_and_says_why(nobody: httpx.Client, zombie: str) -> None:
    answer = nobody.get("/api/gmail/sync/health")
    assert answer.status_code == 200
    health = answer.json()
    assert health["healthy"] is False
    assert health["statistics"] == {
        "total_users": 0,
        "active_syncs": 1,
        "zombie_tasks": 1,
        "inconsistent_tasks": 0,
        "recent_completed_syncs": 0,
    }
    assert "lost their worker" in health["reasons"][0]
    assert health["zombie_task_details"][0]["silent_minutes"] == pytest.approx(5, abs=0.2)
    assert "pg_cron" in health["reapers"]
    assert health["queue"] == {"waiting": 0, "oldest_seconds": None}
    assert health["workers"] == 0


def test_only_operators_see_whose_runs_are_zombies(running: Running, zombie: str) -> None:
    def details(headers: dict[str, str]) -> tuple[str | None, str | None]:
        answer = httpx.get(
            f"{running.url}/api/gmail/sync/health", headers=headers, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 200
        (one,) = answer.json()["zombie_task_details"]
        assert one["last_update"]
        return one["task_id"], one["user_id"]

    assert details(bearer(token("root", "reader", "operator"))) == (zombie, "zoe")
    assert details({}) == (None, None)
    assert details(bearer(token("zoe"))) == (None, None)
    assert details(bearer(token("zoe", "operators"))) == (None, None)
    assert details(bearer(token("root", "operator") + "x")) == (None, None)
    assert details({"Authorization": f"Basic {token('root', 'operator')}"}) == (None, None)


def test_the_scheduler_names_its_jobs(nobody: httpx.Client) -> None:
    status = nobody.get("/api/scheduler/status").json()
    assert "zombie_task_cleanup" in [job["jobname"] for job in status["jobs"]]
    assert status["healthy"] is all(job["problem"] is None for job in status["jobs"])


def test_only_operators_see_what_a_job_said(running: Running, db: Db) -> None:
    """pg_cron keeps a failed statement's message, which may quote anybody's data."""
    db.execute(
        "create or replace function gmail_sync.scheduler_status() returns table (jobname text,"
        " schedule text, command text, active boolean, last_status text, last_message text,"
        " last_started_at timestamptz, last_finished_at timestamptz, problem text)"
        " language sql as $$ select 'prune', '* * * * *', 'select 1', true, 'failed',"
        " 'Key (user_id)=(zoe) exists', now(), now(), 'the last run failed' $$"
    )

    def said(headers: dict[str, str]) -> str | None:
        answer = httpx.get(
            f"{running.url}/api/scheduler/status", headers=headers, timeout=PATIENCE_SECONDS
        )
        (job,) = answer.json()["jobs"]
        assert (job["last_status"], job["problem"]) == ("failed", "the last run failed")
        message: str | None = job["last_message"]
        return message

    assert said(bearer(token("root", "operator"))) == "Key (user_id)=(zoe) exists"
    for headers in ({}, bearer(token("zoe")), bearer("rubbish")):
        assert said(headers) is None


def test_an_upgrade_leaves_the_program_before_it_ready(nobody: httpx.Client, db: Db) -> None:
    db.execute("update gmail_sync.alembic_version set version_num = '9999'")
    assert nobody.get("/readyz").json() == {"status": "ready"}


def test_a_schema_that_is_not_yet_at_head_is_not_ready(nobody: httpx.Client, db: Db) -> None:
    assert nobody.get("/readyz").json() == {"status": "ready"}
    db.execute("update gmail_sync.alembic_version set version_num = '0000'")
    detail = problem(nobody.get("/readyz"), 503, "not_ready")["detail"]
    assert "0000" in detail
    assert migrate.head() in detail
    db.execute("drop schema gmail_sync cascade")
    assert "missing" in problem(nobody.get("/readyz"), 503, "not_ready")["detail"]
    assert nobody.get("/api/gmail/sync/health").json()["healthy"] is False
    assert "\ngmail_sync_database_up 0.0\n" in nobody.get("/metrics").text


def test_a_request_before_the_migration_says_that_the_database_is_not_ready(
    ann: httpx.Client, db: Db
) -> None:
    db.execute("drop schema gmail_sync cascade")
    answer = ann.post("/api/gmail/sync/smart")
    assert "/readyz" in problem(answer, 503, "not_ready")["detail"]
    assert answer.headers["retry-after"]


def test_a_user_without_the_role_of_the_service_is_told_which(
    cluster: Cluster, database: str, db: Db
) -> None:
    db.execute("create role stranger login password 'stranger'")
    try:
        with (
            serving(cluster.url(database, "stranger", "stranger")) as running,
            client_of(running, "ann") as client,
        ):
            detail = problem(client.get("/readyz"), 503, "not_ready")["detail"]
            assert "gmail_sync_service" in detail
            assert "migrate" not in detail
            problem(client.post("/api/gmail/sync/smart"), 503, "not_ready")
    finally:
        db.execute("drop role stranger")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/sign-in", "/api/gmail/labels"])
def test_head_is_answered_as_get_without_a_body(ann: httpx.Client, path: str) -> None:
    got, headed = ann.get(path), ann.head(path)
    assert headed.status_code == got.status_code == 200
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert ann.head("/nothing").status_code == 404
    assert ann.head("/api/gmail/sync/smart").status_code == 405
    assert f'method="HEAD",path="{path}",status="200"' in ann.get("/metrics").text


def test_head_of_a_stream_ends_it(running: Running, ann: httpx.Client) -> None:
    assert ann.head("/api/gmail/sync/events").headers["content-type"].startswith("text/event")
    wait_until(lambda: any(each.get("method") == "HEAD" for each in running.log))


def test_metrics_tell_requests_and_syncs(nobody: httpx.Client, zombie: str) -> None:
    nobody.get("/api/gmail/sync/status")
    nobody.request("BREW", "/coffee")
    answer = nobody.get("/metrics")
    assert answer.headers["content-type"].count("charset") == 1
    text = answer.text
    assert "\ngmail_sync_database_up 1.0\n" in text
    assert "\ngmail_sync_zombie_tasks 1.0\n" in text
    assert "\ngmail_sync_active_syncs 1.0\n" in text
    assert "\ngmail_sync_queue_age_seconds 0.0\n" in text
    assert 'gmail_sync_reaper_age_seconds{reaper="pg_cron"}' in text
    assert 'requests_total{method="GET",path="/api/gmail/sync/status",status="401"} 1.0' in text
    assert 'requests_total{method="other",path="unknown",status="404"} 1.0' in text


def test_metrics_keep_ids_out_of_their_labels(ann: httpx.Client) -> None:
    ann.get("/api/gmail/sync/some-task-id")
    assert "some-task-id" not in ann.get("/metrics").text


def test_without_a_database_the_service_starts_and_says_so() -> None:
    with serving(DEAD_URL) as running, ThreadPoolExecutor(8) as requests:
        client = client_of(running, "ann")
        client.timeout = 30
        slow = [
            requests.submit(client.request, method, path)
            for method, path in [
                ("GET", "/api/gmail/sync/status"),
                ("POST", "/api/gmail/sync/smart"),
                ("GET", "/api/gmail/sync/events"),
                ("GET", "/api/scheduler/status"),
            ]
        ]
        assert client.get("/livez").json() == {"status": "alive"}
        assert not any(each.done() for each in slow)
        problem(client.get("/readyz"), 503, "not_ready")
        health = client.get("/api/gmail/sync/health")
        assert health.status_code == 503
        assert health.json()["healthy"] is False
        assert health.json()["error"]
        assert datetime.fromisoformat(health.json()["timestamp"])
        metrics = client.get("/metrics")
        assert metrics.status_code == 200
        assert "\ngmail_sync_database_up 0.0\n" in metrics.text
        for each in slow:
            answer = each.result(60)
            problem(answer, 503, "database_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert "127.0.0.1" not in answer.text
        client.close()


def test_a_slow_query_does_not_block_the_event_loop(ann: httpx.Client, db: Db) -> None:
    """Old bug: a blocking call on the event loop starved everything else on it."""
    task_id = ann.post("/api/gmail/sync/smart").json()["task_id"]
    with ThreadPoolExecutor(1) as request:
        with db.transaction():
            db.execute("select from gmail_sync.user_sync_status for update")
            cancel = request.submit(ann.post, f"/api/gmail/sync/{task_id}/cancel")
            wait_until(
                lambda: db.execute(
                    "select from pg_stat_activity where wait_event_type = 'Lock'"
                    " and application_name = 'gmail-sync api'"
                ).fetchall(),
            )
            for path in ("/livez", "/api/gmail/sync/status"):
                assert ann.get(path).status_code == 200
            assert not cancel.done()
        assert cancel.result(60).json()["outcome"] == "cancelled"


def test_a_worker_lives_as_long_as_the_app(service_url: str) -> None:
    class Recorder:
        calls: list[str]

        def __init__(self) -> None:
            self.calls = []

        def start(self) -> None:
            self.calls.append("start")

        def drain(self) -> None:
            self.calls.append("drain")

        def stop(self) -> None:
            self.calls.append("stop")

    worker = Recorder()
    with serving(service_url, worker):
        assert worker.calls == ["start"]
    assert worker.calls == ["start", "drain", "stop"]


def test_without_a_secret_no_app_is_built(service_url: str) -> None:
    config = Config.from_environment({"DATABASE_URL": service_url})
    pool = Pool(service_url, "test", 1)
    with pytest.raises(ConfigError, match="GMAIL_SYNC_JWT_SECRET"):
        create_app(config, pool, None, None, None)  # type: ignore[arg-type]
