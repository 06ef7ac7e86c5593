"""The pg_cron jobs, for real where pg_cron works, and the remedy where it does not."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from service import migrate
from service.demo.cluster import as_server_user, run_as_server_user, server_user
from service.postgres.calls import Connection, Row, Session, connect
from tests.cluster import Cluster, fast_cluster
from tests.functions.conftest import (
    ZOMBIE_OF_THE_SCHEDULER,
    only,
    run_of,
    successor_of,
)
from tests.waiting import wait_until

JOBS = {
    "zombie_task_cleanup", "zombie_task_fallback", "enqueue_due_syncs",
    "prune_sync_history", "prune_cron_history",
}  # fmt: skip
A_MINUTE_AND_A_PASS = 75


@pytest.fixture
def cron(cron_url: str) -> Iterator[Session]:
    session = Session(cron_url, "test")
    yield session
    session.close()


@pytest.mark.gate
def test_the_scheduler_really_runs_and_reaps(cron: Session, cron_url: str) -> None:
    """Old bug: two schedulers, of which the cleaning one did not run."""
    with connect(cron_url, "test") as db:
        wait_until(
            lambda: not run_of(db, ZOMBIE_OF_THE_SCHEDULER)["is_syncing"], A_MINUTE_AND_A_PASS
        )
        assert run_of(db, ZOMBIE_OF_THE_SCHEDULER)["outcome"] == "reaped"
        successor = successor_of(db, ZOMBIE_OF_THE_SCHEDULER)["task_id"]
        assert cron.value("start_sync_idempotent", "sleeper") == successor
        jobs = {row["jobname"]: row for row in cron.rows("scheduler_status")}
        assert jobs.keys() == JOBS
        assert all(job["active"] and job["problem"] is None for job in jobs.values())
        cleanup = jobs["zombie_task_cleanup"]
        assert cleanup["last_started_at"] is not None
        assert cleanup["last_status"] in ("starting", "running", "succeeded")
        cron.value("cancel_sync", successor)
        health = cron.value("sync_health")
        assert health["reapers"]["pg_cron"] < 45
        assert health["reasons"] == []
        assert health["healthy"] is True


def test_the_status_needs_no_row_security_of_its_caller(cron_url: str) -> None:
    """Roles for dumps turn it off, and then a table with policies refuses its reader."""
    with closing(Session(f"{cron_url}?options=-c%20row_security%3Doff", "test")) as session:
        assert {row["jobname"] for row in session.rows("scheduler_status")} == JOBS
        assert session.value("prune_cron_history") == 0


def test_scheduling_twice_changes_nothing(cron: Session, cron_url: str) -> None:
    query = "select jobid, jobname, schedule, command, database, active from cron.job order by 1"
    with connect(cron_url, "test") as db:
        before = db.execute(query).fetchall()
        scheduled = db.execute("select * from gmail_sync.schedule_jobs()").fetchall()
        assert {row["item"] for row in scheduled} == JOBS
        assert all(row["done"] for row in scheduled)
        assert db.execute(query).fetchall() == before


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("select cron.unschedule('enqueue_due_syncs')", "schedule_jobs()"),
        (
            "select cron.alter_job(jobid, active := false) from cron.job"
            " where jobname = 'enqueue_due_syncs'",
            "active := true",
        ),
        ("select cron.schedule('enqueue_due_syncs', '5 5 * * *', 'select 1')", "schedule_jobs()"),
    ],
)
def test_a_job_out_of_order_says_how_to_mend_it(
    cron: Session, cron_url: str, damage: str, problem: str
) -> None:
    def mended() -> bool:
        return not any(row["problem"] for row in cron.rows("scheduler_status"))

    with connect(cron_url, "test") as db:
        db.execute(damage.encode())
        (found,) = [row for row in cron.rows("scheduler_status") if row["problem"]]
        assert found["jobname"] == "enqueue_due_syncs"
        assert problem in found["problem"]
        assert any(problem in reason for reason in cron.value("sync_health")["reasons"])
        db.execute(
            "select * from gmail_sync.schedule_jobs();"
            "select cron.alter_job(jobid, active := true) from cron.job"
        )
    assert mended()


def test_where_pg_cron_works_elsewhere_the_status_says_what_to_do(
    functions: Session, database: str
) -> None:
    jobs = functions.rows("scheduler_status")
    assert {job["jobname"] for job in jobs} == JOBS
    assert not any(job["active"] for job in jobs)
    (problem,) = {job["problem"] for job in jobs}
    assert f"set cron.database_name = '{database}' in postgresql.conf" in problem
    assert "select * from gmail_sync.schedule_jobs();" in problem
    functions.value("run_reaper", "pg_cron")
    (reason,) = functions.value("sync_health")["reasons"]
    assert problem in reason
    assert "zombie_task_cleanup" in reason
    assert functions.value("sync_health")["healthy"] is False


def test_where_pg_cron_works_elsewhere_scheduling_says_so_and_goes_on(
    db: Connection, database: str
) -> None:
    for _ in range(2):
        (row,) = db.execute("select * from gmail_sync.schedule_jobs()").fetchall()
        assert (row["item"], row["done"]) == ("pg_cron", False)
        assert database in row["message"]
    assert only(db, "select count(*) from pg_extension where extname = 'pg_cron'") == 0
    db.execute("select gmail_sync.unschedule_jobs()")


def test_a_stray_job_is_told(cron: Session, cron_url: str) -> None:
    with connect(cron_url, "test") as db:
        db.execute(
            "select cron.schedule('mine', '5 5 * * *', 'select gmail_sync.reap_zombie_syncs()')"
        )
        (found,) = [row for row in cron.rows("scheduler_status") if row["problem"]]
        assert (found["jobname"], "stray" in found["problem"]) == ("mine", True)
        assert any("stray" in reason for reason in cron.value("sync_health")["reasons"])
        db.execute("select cron.unschedule('mine')")
    assert not any(row["problem"] for row in cron.rows("scheduler_status"))


def add_failed_run(db: Connection, message: str) -> Row:
    """The last run of prune_sync_history."""
    (run,) = db.execute(
        "insert into cron.job_run_details (jobid, runid, status, return_message, start_time)"
        " select jobid, 2000000000, 'failed', %s, now() from cron.job"
        " where jobname = 'prune_sync_history' returning runid",
        [message],
    ).fetchall()
    return run


def test_a_job_that_fails_is_told_and_only_its_last_message_quotes_anything(
    cron: Session, cron_url: str
) -> None:
    with connect(cron_url, "test") as db:
        run = add_failed_run(db, "no pg_hba.conf entry")
        (found,) = [row for row in cron.rows("scheduler_status") if row["problem"]]
        assert found["jobname"] == "prune_sync_history"
        assert found["last_message"] == "no pg_hba.conf entry"
        assert found["problem"].startswith("the last run failed")
        assert any("the last run failed" in each for each in cron.value("sync_health")["reasons"])
        assert "pg_hba" not in found["problem"] + str(cron.value("sync_health"))
        db.execute("delete from cron.job_run_details where runid = %s", [run["runid"]])


def test_a_job_that_a_restart_of_the_server_ended_has_not_failed(
    cron: Session, cron_url: str
) -> None:
    with connect(cron_url, "test") as db:
        run = add_failed_run(db, "server restarted")
        assert not any(row["problem"] for row in cron.rows("scheduler_status"))
        db.execute("delete from cron.job_run_details where runid = %s", [run["runid"]])


def test_the_history_of_our_jobs_is_pruned_and_no_others(cron_url: str) -> None:
    with connect(cron_url, "test") as db:
        db.execute("select cron.schedule('other', '5 5 * * *', 'select 1')")
        db.execute(
            "insert into cron.job_run_details (jobid, runid, status, start_time)"
            " select jobid, 2000000000 + row_number() over (), 'succeeded', now() - interval '8 d'"
            " from cron.job where jobname in ('other', 'prune_sync_history', 'enqueue_due_syncs')"
        )
        (first, second, none) = [
            db.execute("select gmail_sync.prune_cron_history('7 d', 1) as count").fetchone()
            for _ in range(3)
        ]
        left = db.execute(
            "select jobname from cron.job_run_details join cron.job using (jobid)"
            " where runid > 2000000000"
        ).fetchall()
        db.execute("select cron.unschedule('other')")
        db.execute("delete from cron.job_run_details where runid > 2000000000")
    assert (first, second, none) == ({"count": 1}, {"count": 1}, {"count": 0})
    assert left == [{"jobname": "other"}]


def test_a_dead_launcher_is_told() -> None:
    with fast_cluster() as cluster:
        migrate.upgrade(cluster.url())
        with connect(cluster.url(), "test") as db:
            launcher = "select pid from pg_stat_activity where backend_type = 'pg_cron launcher'"
            wait_until(lambda: db.execute(launcher).fetchone() is not None)
            assert health_reasons(db) == []
            db.execute(f"select pg_terminate_backend(pid) from ({launcher}) l")
            wait_until(lambda: any("launcher has died" in each for each in health_reasons(db)))


def health_reasons(db: Connection) -> list[str]:
    row = db.execute("select gmail_sync.sync_health() -> 'reasons' as reasons").fetchone()
    assert row is not None
    reasons: list[str] = row["reasons"]
    return reasons


def test_a_server_that_does_not_load_pg_cron_is_told_and_migrated_all_the_same() -> None:
    with fast_cluster(settings={"shared_preload_libraries": ""}) as cluster:
        migrate.upgrade(cluster.url())
        with connect(cluster.url(), "test") as db:
            (reason,) = health_reasons(db)
            problems = db.execute("select problem from gmail_sync.scheduler_status()").fetchall()
    assert "pg_cron is not loaded: set shared_preload_libraries = 'pg_cron'" in reason
    assert {row["problem"] in reason for row in problems} == {True}


def test_a_job_of_another_address_is_told_and_scheduled_here_again(
    cron: Session, cron_url: str
) -> None:
    """pg_cron keeps the address when the database is renamed or restored, or the port changes."""
    kept = "select jobid, database, nodename, nodeport, username, active from cron.job order by 1"
    with connect(cron_url, "test") as db:
        before = db.execute(kept).fetchall()
        for change in ("database = 'old'", "nodeport = 1", "nodename = 'old.example'"):
            db.execute(f"update cron.job set {change} where jobname = 'enqueue_due_syncs'".encode())
            (found,) = [row for row in cron.rows("scheduler_status") if row["problem"]]
            assert found["jobname"] == "enqueue_due_syncs"
            assert found["problem"].startswith("the job runs in database ")
            assert any("not here" in reason for reason in cron.value("sync_health")["reasons"])

            scheduled = db.execute("select * from gmail_sync.schedule_jobs()").fetchall()
            assert [row["item"] for row in scheduled if row["done"]] == [
                row["item"] for row in scheduled
            ]
            assert not any(row["problem"] for row in cron.rows("scheduler_status"))
        after = db.execute(kept).fetchall()
    assert len(after) == len(before)
    assert [{**row, "jobid": 0} for row in after] == [{**row, "jobid": 0} for row in before]


def test_a_job_over_another_local_address_runs_here(cron: Session, cron_url: str) -> None:
    """The documents of pg_cron advise such a change where the server asks for a password."""
    with connect(cron_url, "test") as db:
        db.execute("update cron.job set nodename = '127.0.0.1'")
        assert not any(row["problem"] for row in cron.rows("scheduler_status"))
        db.execute("select * from gmail_sync.schedule_jobs()")
        assert only(db, "select string_agg(distinct nodename, ' ') from cron.job") == "127.0.0.1"
        db.execute("update cron.job set nodename = current_setting('cron.host')")


def test_jobs_that_are_inactive_or_of_a_lost_owner_are_replaced(
    cron: Session, cron_url: str
) -> None:
    with connect(cron_url, "test") as db:
        db.execute(
            "update cron.job set active = false where jobname = 'enqueue_due_syncs';"
            "update cron.job set username = 'lost' where jobname = 'prune_sync_history'"
        )
        problems = {row["jobname"]: row["problem"] for row in cron.rows("scheduler_status")}
        assert "inactive" in problems["enqueue_due_syncs"]
        assert "role lost, which cannot log in" in problems["prune_sync_history"]
        db.execute("select * from gmail_sync.schedule_jobs()")
    assert not any(row["problem"] for row in cron.rows("scheduler_status"))


@pytest.mark.gate
def test_no_statement_timeout_ends_a_job() -> None:
    with fast_cluster(settings={"statement_timeout": "2s"}) as cluster:
        migrate.upgrade(cluster.url())
        with connect(cluster.url(), "test") as db:
            reaper = "select jobid from cron.job where jobname = 'zombie_task_cleanup'"
            ended = (
                "select status, end_time - start_time as took from cron.job_run_details"
                f" where jobid = ({reaper}) and end_time is not null"
            )
            wait_until(lambda: db.execute(ended.encode()).fetchone() is not None, 130)
            run = db.execute(ended.encode()).fetchone()
            assert run is not None
            assert run["status"] == "succeeded"
            # The passes of a minute, of which each but the last is followed by a pause.
            assert run["took"].total_seconds() > 45


@pytest.mark.gate
def test_the_history_of_other_jobs_costs_health_nothing(cron: Session, cron_url: str) -> None:
    with connect(cron_url, "test") as db:
        db.execute("set statement_timeout = 0")
        db.execute("select cron.schedule('other', '5 5 * * *', 'select 1')")
        db.execute(
            "insert into cron.job_run_details (jobid, runid, command, status, start_time, end_time)"
            " select jobid, 1000000000 + n, 'select 1', 'succeeded', now(), now()"
            " from cron.job, generate_series(1, 1000000) n where jobname = 'other'"
        )
        db.execute("analyze cron.job_run_details")
        db.execute("select pg_stat_reset_single_table_counters('cron.job_run_details'::regclass)")
        rows = (
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables"
            " where relid = 'cron.job_run_details'::regclass"
        )
        with db.transaction():
            before = only(db, rows)
            db.execute("select gmail_sync.sync_health()")
            assert only(db, rows) - before <= len(JOBS) * 10_000
        db.execute("select cron.unschedule('other')")
        db.execute("delete from cron.job_run_details where runid > 1000000000")


@contextmanager
def standby_of(primary: Cluster) -> Iterator[str]:
    """The URL of a hot standby."""
    with TemporaryDirectory() as folder, socket.socket() as free:
        os.chown(folder, *server_user())
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        programs, data = Path(primary.postgres).parent, f"{folder}/data"
        run_as_server_user(
            [str(programs / "pg_basebackup"), "-d", primary.url("postgres"), "-D", data, "-R",
             "-c", "fast"]
        )  # fmt: skip
        server = subprocess.Popen(
            as_server_user([primary.postgres, "-D", data, "-p", port, "-k", folder]),
            stderr=subprocess.DEVNULL,
        )
        try:
            yield primary.url().replace(f":{primary.settings['port']}/", f":{port}/")
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


@pytest.mark.gate
def test_health_of_a_standby_is_that_of_its_primary() -> None:
    with fast_cluster() as primary:
        migrate.upgrade(primary.url())
        with standby_of(primary) as url, connect(primary.url(), "test") as db:
            wait_until(lambda: standby_health(url) is not None)
            health = standby_health(url)
            assert health is not None
            assert (health["standby"], health["reasons"]) == (True, [])
            db.execute(
                "select cron.unschedule(jobid) from cron.job;"
                "update gmail_sync.reaper_beat set beat_at = now() - interval '1 hour'"
            )
            wait_until(lambda: "this is a standby" in str(standby_health(url)))
            assert only(db, "select gmail_sync.sync_health() -> 'standby'") is False


def standby_health(url: str) -> dict[str, Any] | None:
    """None while the server starts. The service itself does not connect to a standby."""
    try:
        with psycopg.connect(url) as db:
            row = db.execute(
                "select gmail_sync.sync_health(), count(*) from gmail_sync.scheduler_status()"
            ).fetchone()
    except psycopg.OperationalError:
        return None
    assert row is not None
    health: dict[str, Any] = row[0]
    return health
