"""Installed by a role that is not a superuser, as on a managed Postgres."""

import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from service.google.cipher import CredentialCipher
from service.postgres.calls import Session
from service.simulator import Fault, Simulator, generate
from tests.cluster import Cluster, fast_cluster
from tests.functions.scheduler.test_scheduler_status import JOBS
from tests.migrations.commands import (
    ALEMBIC,
    alembic,
    ask,
    copy_migrations,
    freeze,
    function_file,
    make_migration,
    roles,
    run,
)
from tests.waiting import wait_until
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, Account, WorkerProcess, start_held

PASSWORD = secrets.token_urlsafe()
MESSAGES = 60
# A minute until pg_cron 1.4 starts the job, and the lease.
A_MINUTE_AND_MORE = 90


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with fast_cluster() as cluster:
        superuser(
            cluster,
            f"create role administrator login createrole createdb password '{PASSWORD}';"
            "alter database gmail_sync owner to administrator;"
            "create extension pg_cron; grant usage on schema cron to administrator",
        )
        yield cluster


@pytest.fixture
def url(server: Cluster) -> Iterator[str]:
    """The administrator's own empty database, and pg_cron's."""
    url = server.url(user="administrator", password=PASSWORD)
    yield url
    alembic(url, "downgrade", "base")


def superuser(server: Cluster, statement: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement.encode())


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def owners_of_jobs(server: Cluster) -> set[tuple[object, ...]]:
    return set(ask(server.url(), "select jobname, username from cron.job"))


def complaints(url: str) -> list[Any]:
    status = "select problem from gmail_sync.scheduler_status() where problem is not null"
    (reasons,) = ask(url, "select gmail_sync.sync_health() -> 'reasons'")[0]
    return [*ask(url, status), *reasons]  # type: ignore[misc]


@pytest.mark.gate
def test_lives_from_migration_to_downgrade_without_a_superuser(
    server: Cluster, url: str, tmp_path: Path
) -> None:
    migrated = run([str(ALEMBIC.with_name("gmail-sync")), "migrate"], url)
    assert migrated.returncode == 0, migrated.stderr
    assert "zombie_task_cleanup: scheduled" in migrated.stderr
    execute(
        url,
        f"create role test_service login password '{PASSWORD}' in role gmail_sync_service;"
        "update gmail_sync.settings"
        " set heartbeat_interval = '1 s', heartbeat_timeout = '3 s', retry_delay = '1 s'",
    )
    service_url = server.url(user="test_service", password=PASSWORD)
    key = Fernet.generate_key().decode()
    with Simulator() as gmail, closing(Session(service_url, "test")) as functions:
        gmail.add_mailbox(EMAIL, ACCESS_TOKEN, messages=generate(MESSAGES))
        account = Account(functions, CredentialCipher([key]))
        account.connect()
        first = serve(service_url, gmail, key, tmp_path / "first.log")
        task_id, held = start_held(gmail, account, Fault("batch", "hang", after=1, count=1))
        first.signal(signal.SIGKILL)
        first.wait(60)
        held.release()
        successor = wait_until(lambda: account.run(task_id)["successor"], A_MINUTE_AND_MORE)
        assert ask(url, "select reaper from gmail_sync.reaper_beat") == [("pg_cron",)]
        second = serve(service_url, gmail, key, tmp_path / "second.log")
        try:
            ended = account.finish(successor)
        finally:
            second.signal(signal.SIGTERM)
            second.wait(60)
    assert (ended["outcome"], ended["current_stats"]["new"]) == ("succeeded", MESSAGES)
    assert complaints(url) == []

    execute(url, "drop role test_service")
    alembic(url, "downgrade", "base")
    assert roles(url) == []
    assert owners_of_jobs(server) == set()
    assert ask(url, "select to_regnamespace('gmail_sync')") == [(None,)]


def serve(service_url: str, gmail: Simulator, key: str, log: Path) -> WorkerProcess:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "DATABASE_URL": service_url,
        "GMAIL_SYNC_CREDENTIALS_KEYS": key,
        "GMAIL_SYNC_GMAIL_ENDPOINT": gmail.url,
        "GMAIL_SYNC_OAUTH_ENDPOINT": gmail.url,
        "GMAIL_SYNC_JWT_SECRET": secrets.token_hex(32),
        "PORT": str(port),
    }
    return WorkerProcess(environment, log, ("-m", "service.cli", "serve"))


def test_another_administrator_takes_the_jobs_over_and_back(server: Cluster, url: str) -> None:
    alembic(url, "upgrade", "head")
    other = server.url(user="other", password=PASSWORD)
    superuser(
        server,
        f"create role other login password '{PASSWORD}' in role gmail_sync_owner;"
        "grant usage on schema cron to other",
    )
    try:
        for administrator, by in (("other", other), ("postgres", server.url()), ("other", other)):
            scheduled = ask(by, "select item, done from gmail_sync.schedule_jobs()")
            assert set(scheduled) == {(job, True) for job in JOBS}
            assert owners_of_jobs(server) == {(job, administrator) for job in JOBS}
            assert complaints(url) == []
        ask(url, "select gmail_sync.schedule_jobs()")
        assert owners_of_jobs(server) == {(job, "administrator") for job in JOBS}
    finally:
        superuser(server, "drop owned by other; drop role other")


def test_judges_only_what_the_owner_of_the_schema_may_see(server: Cluster, url: str) -> None:
    alembic(url, "upgrade", "head")
    superuser(
        server, "grant pg_monitor to gmail_sync_owner; revoke pg_monitor from gmail_sync_owner"
    )
    ask(url, "select gmail_sync.schedule_jobs()")
    assert complaints(url) == []


def test_says_what_an_administrator_must_allow(server: Cluster, url: str) -> None:
    superuser(server, "revoke usage on schema cron from administrator")
    try:
        printed = alembic(url, "upgrade", "head")
        assert "role administrator cannot schedule jobs" in printed
        assert "grant usage on schema cron to administrator." in printed
        assert "schedule_jobs()" in complaints(url)[0][0]
    finally:
        superuser(server, "grant usage on schema cron to administrator")
    ask(url, "select gmail_sync.schedule_jobs()")
    assert complaints(url) == []


def test_a_superuser_whose_jobs_are_refused_is_migrated_all_the_same() -> None:
    with fast_cluster(settings={"cron.enable_superuser_jobs": "off"}) as cluster:
        printed = alembic(cluster.url(), "upgrade", "head")
        assert "pg_cron: cannot schedule jobs as superuser" in printed
        assert ask(cluster.url(), "select count(*) from cron.job") == [(0,)]


def test_replaces_the_functions_that_belong_to_the_owner_of_the_jobs(
    url: str, tmp_path: Path
) -> None:
    copy_migrations(tmp_path)
    freeze(tmp_path)
    alembic(url, "upgrade", "head", folder=tmp_path)
    for name in ("_cron_jobs", "heartbeat"):
        path = function_file(tmp_path, name)
        path.write_text(path.read_text() + "\n-- Edited.\n")
    assert make_migration(tmp_path, "Edit").returncode == 0
    alembic(url, "upgrade", "head", folder=tmp_path)
    ask(url, "select gmail_sync.schedule_jobs()")
    assert complaints(url) == []
    alembic(url, "downgrade", "-1", folder=tmp_path)
    ask(url, "select gmail_sync.schedule_jobs()")
    assert complaints(url) == []
