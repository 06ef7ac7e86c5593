"""Faults of Postgres."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import SkipTest

import psycopg
import pytest
from psycopg import sql

from service import migrate
from service.demo.cluster import server_user
from tests.chaos.processes import kill
from tests.chaos.site import LOGIN, Site
from tests.chaos.trial import Scene
from tests.migrations.commands import alembic, write_newer_migrations
from tests.waiting import wait_until

# How long a storm or a refusal lasts, in seconds.
STORM_SECONDS = 2.0
IDLE_SECONDS = 2
DISK = "32m"

OURS = "application_name like 'gmail-sync %%' and datname = current_database()"
TERMINATE_OURS = f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"

# Whoever stores a message waits for this advisory lock, after the messages before it of its batch.
GATE = 4711
HOLD_STORES = f"""
    create schema chaos;
    create function chaos.wait() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared({GATE}); return new; end $$;
    create trigger chaos_wait after insert on gmail_sync.message
      for each row execute function chaos.wait();
"""
LET_STORES_GO = "drop trigger chaos_wait on gmail_sync.message; drop schema chaos cascade"
HELD_STORE = f"""
    select from pg_stat_activity
    where {OURS} and wait_event = 'advisory' and query like '%%store_messages%%'
"""


@contextmanager
def restarted_immediately(scene: Scene) -> Iterator[None]:
    scene.site.cluster.restart("immediate")
    yield


@contextmanager
def backends_terminated(scene: Scene) -> Iterator[None]:
    """Every connection of ours, again and again: the listener's and the heartbeat's too."""
    ends_at = time.monotonic() + STORM_SECONDS
    with scene.site.connect() as db:
        while time.monotonic() < ends_at:
            db.execute(TERMINATE_OURS)
            time.sleep(0.05)
    yield


@contextmanager
def connections_exhausted(scene: Scene) -> Iterator[None]:
    limit = sql.SQL("alter role {} connection limit {}")
    holder = scene.holder()
    before = len(holder.log())
    with scene.site.connect() as db:
        db.execute(limit.format(sql.Identifier(LOGIN), 0))
        db.execute(TERMINATE_OURS)
        try:
            wait_until(lambda: "too many connections" in holder.log()[before:])
            time.sleep(STORM_SECONDS)
        finally:
            db.execute(limit.format(sql.Identifier(LOGIN), -1))
    yield


@contextmanager
def transaction_left_open(scene: Scene) -> Iterator[None]:
    """By a client that stopped in the middle of it, holding what every write has to lock."""
    url, options = scene.site.service_url, f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
    task_id = scene.witness.now["task_id"]
    with psycopg.connect(url, options=options) as stopped:
        with suppress(psycopg.errors.DatabaseError):  # the run may just have been taken over
            stopped.execute("select gmail_sync.return_messages(%s, '{}')", [task_id])
        yield
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            stopped.execute("select 1")


@contextmanager
def killed_within_a_store(scene: Scene) -> Iterator[None]:
    """The statement ends in time, with nobody to tell."""
    with _stores_held(scene):
        kill(scene.holder())
    yield


@contextmanager
def killed_within_a_store_that_ends_late(scene: Scene) -> Iterator[None]:
    with _stores_held(scene):
        kill(scene.holder())
        scene.wait_for_another_run()
    yield


@contextmanager
def _stores_held(scene: Scene) -> Iterator[None]:
    """A statement that stores messages stands still within."""
    with scene.site.connect() as db:
        db.execute(f"select pg_advisory_lock({GATE})".encode())
        try:
            db.execute(HOLD_STORES.encode())
            wait_until(lambda: db.execute(HELD_STORE.encode()).fetchall())
            yield
        finally:
            db.execute(f"select pg_advisory_unlock({GATE})".encode())
            db.execute(LET_STORES_GO.encode())


@contextmanager
def schema_changed_and_changed_back(scene: Scene) -> Iterator[None]:
    """A service is at work that is older than the schema, for a while."""
    with TemporaryDirectory() as folder:
        write_newer_migrations(Path(folder))
        for command in ("upgrade", "head"), ("downgrade", migrate.head()):
            alembic(scene.site.cluster.url(), *command, folder=Path(folder))
    yield


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    with _messages_on_a_small_disk(scene.site) as folder:
        ballast = folder / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 12))
        wait_until(lambda: "No space left on device" in scene.site.server_log())
        ballast.unlink()
        yield


@contextmanager
def _messages_on_a_small_disk(site: Site) -> Iterator[Path]:
    folder = Path(site.cluster.base_dir) / "small"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, timeout=10).returncode:
        raise SkipTest("no small disk can be mounted")
    try:
        os.chown(folder, *server_user())
        site.execute(f"create tablespace small location '{folder}'")
        site.execute("alter table gmail_sync.message set tablespace small")
        yield folder
    finally:
        site.execute("alter table gmail_sync.message set tablespace pg_default")
        site.execute("checkpoint")
        site.execute("drop tablespace if exists small")
        # Lazily: sessions may still have files open that are gone.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)
