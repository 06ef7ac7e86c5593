"""settings.scheduler = 'service': the workers do what pg_cron's jobs do elsewhere."""

from collections.abc import Iterator

import pytest

from service import migrate
from service.postgres.calls import Connection, Session, connect
from tests.cluster import Cluster, fast_cluster
from tests.functions.conftest import insert_run, only, raises_sqlstate, run_of, zombie
from tests.functions.scheduler.test_scheduler_status import JOBS
from tests.migrations.commands import ALEMBIC, run

COUNT = "select count(*) from cron.job"


@pytest.fixture
def by_service(db: Connection) -> None:
    db.execute("select gmail_sync.schedule_jobs('service')")


@pytest.mark.usefixtures("by_service")
def test_a_worker_reaps_starts_due_syncs_and_prunes(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    functions.value("connect_account", "bo", "bo@mail.example", b"sealed")
    db.execute("update gmail_sync.account set sync_interval = '1 min' where user_id = 'bo'")
    insert_run(
        db, task_id="old", user_id="cy", is_syncing=False, outcome="cancelled", phase="done",
        started_at="2020-01-01", finished_at="2020-01-02",
    )  # fmt: skip
    # It finishes a beat of ten minutes ago.
    db.execute("update gmail_sync.reaper_beat set beat_at = now() - interval '10 min'")
    assert functions.value("run_fallback_reaper") == 1
    assert run_of(db, dead)["outcome"] == "reaped"
    assert functions.rows("sync_status", "bo")[0]["source"] == "schedule"
    assert functions.rows("sync_history", "cy") == []


@pytest.mark.usefixtures("by_service")
def test_health_judges_the_beat_of_the_workers(functions: Session, db: Connection) -> None:
    functions.value("run_fallback_reaper")
    assert functions.value("sync_health")["reasons"] == []
    assert functions.value("sync_health")["reapers"].keys() == {"service"}
    assert functions.rows("scheduler_status") == []
    db.execute("update gmail_sync.reaper_beat set beat_at = now() - interval '1 min'")
    (reason,) = functions.value("sync_health")["reasons"]
    assert reason.startswith("the service has not reaped for 60 s: start gmail-sync serve")


def test_another_scheduler_is_refused(db: Connection) -> None:
    with raises_sqlstate("23514", "known_scheduler"):
        db.execute("select gmail_sync.schedule_jobs('crontab')")


def test_the_scheduler_changes_from_pg_cron_and_back() -> None:
    with fast_cluster() as cluster:
        migrate.upgrade(cluster.url())
        with connect(cluster.url(), "test") as db:
            db.execute("create extension if not exists pg_cron")
            db.execute("comment on extension pg_cron is 'of somebody else'")
            (row,) = db.execute("select * from gmail_sync.schedule_jobs('service')").fetchall()
            assert (row["item"], row["done"]) == ("service", True)
            assert only(db, COUNT) == 0
            migrate.upgrade(cluster.url())
            assert only(db, COUNT) == 0
            migrate.upgrade(cluster.url(), scheduler="pg_cron")
            assert only(db, COUNT) == len(JOBS)
            assert only(db, "select gmail_sync.sync_health() ->> 'reasons'") == "[]"


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    with fast_cluster(settings={"shared_preload_libraries": ""}) as cluster:
        yield cluster


def test_migrates_without_pg_cron_and_says_how(bare: Cluster) -> None:
    program = str(ALEMBIC.with_name("gmail-sync"))
    advised = run([program, "migrate"], bare.url())
    assert advised.returncode == 0, advised.stderr
    assert "pg_cron is not loaded" in advised.stderr
    assert "gmail-sync migrate --scheduler service" in advised.stderr
    followed = run([program, "migrate", "--scheduler", "service"], bare.url())
    assert followed.returncode == 0, followed.stderr
    assert "pg_cron" not in followed.stderr
    with connect(bare.url(), "test") as db:
        assert only(db, "select gmail_sync.sync_health() ->> 'reasons'") == "[]"
