"""Faults of Postgres."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import psycopg
import pytest

from service import migrate
from tests.chaos.processes import kill
from tests.chaos.trial import Scene
from tests.migrations.commands import alembic, write_newer_migrations
from tests.waiting import wait_until

# How long a storm or a refusal lasts, in seconds.
STORM_SECONDS = 2.0
IDLE_SECONDS = 2
# How long a slot that has become free may stay so.
FILL_SECONDS = 0.05

TOO_MANY_CONNECTIONS = "53300"
REFUSED = "connection slots|too many clients"

OURS = "application_name like 'gmail-sync %%' and datname = current_database()"
TERMINATE_OURS = f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"

# A store of a message waits for this advisory lock, after the messages before it of its batch.
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
    """An outside client takes every slot; what is connected stays so."""
    with _crowd(scene) as fill:
        assert TOO_MANY_CONNECTIONS in scene.site.server_log()
        since = time.monotonic()
        while not scene.witness.went_on_at(since):
            fill()
            scene.witness.wait(FILL_SECONDS)
        yield


@contextmanager
def connections_lost_and_exhausted(scene: Scene) -> Iterator[None]:
    """The same, and we have to connect again to a server that is full."""
    holder = scene.holder()
    before = len(holder.log())
    with _crowd(scene) as fill, scene.site.connect() as db:
        while db.execute(TERMINATE_OURS).fetchall():
            fill()
        wait_until(lambda: re.search(REFUSED, holder.log()[before:]))
        time.sleep(STORM_SECONDS)
    yield


@contextmanager
def _crowd(scene: Scene) -> Iterator[Callable[[], None]]:
    """Connections that take every slot which is not reserved for superusers; called, it takes
    those that have become free."""
    with ExitStack() as crowd:

        def take_slots() -> NoReturn:
            while True:
                crowd.enter_context(psycopg.connect(scene.site.service_url, autocommit=True))

        def fill() -> None:
            with pytest.raises(psycopg.OperationalError, match=REFUSED):
                take_slots()

        with scene.held():
            fill()
        yield fill


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
    """The statement ends in time, without a client."""
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
