"""A real Postgres with pg_cron for tests, as fast as it can be."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Literal, LiteralString

import psycopg
from psycopg import sql

from service.demo import cluster as demo

MEMORY = Path("/dev/shm")
# Bytes: twice what the clusters of four processes that test at once have taken.
ROOM = 4 << 30
FOLDER = "gmail-sync-tests-{pid}-"  # of the process that owns the cluster


class Cluster(demo.Cluster):
    """The cluster of the demo, whose databases and server a test can replace."""

    def create_database(
        self, name: str, template: str = "template1", options: LiteralString = ""
    ) -> None:
        """Create a database as a copy of `template`, which must have no connections."""
        statement = "create database {} template {} " + options
        self._execute(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(template)))

    def drop_database(self, name: str) -> None:
        """Drop a database and end its connections."""
        self._execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    @contextmanager
    def closed(self, name: str, spared: str = "test") -> Iterator[None]:
        """End the sessions of a database and refuse new ones; those named `spared` go on."""
        allow = sql.SQL("alter database {} allow_connections {}")
        self._execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        self._execute(
            sql.SQL(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = {} and application_name <> {}"
            ).format(sql.Literal(name), sql.Literal(spared))
        )
        try:
            yield
        finally:
            self._execute(allow.format(sql.Identifier(name), sql.Literal(True)))

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Restart on the same port and data, as `pg_ctl restart -m mode` does."""
        if mode == "fast":
            self.terminate()
        else:
            self.kill()
        self.start()

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as server:
            server.execute(statement)


@contextmanager
def fast_cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """In memory if that has room. On a disk, most of a test's time goes to the 300 files of its
    database."""
    for parent in (MEMORY, Path(gettempdir())):
        sweep(parent)
    with (
        TemporaryDirectory(
            prefix=FOLDER.format(pid=os.getpid()), dir=MEMORY if memory_has_room() else None
        ) as folder,
        Cluster(fsync=False, settings=settings, folder=folder) as cluster,
    ):
        yield cluster


def sweep(parent: Path) -> None:
    """Remove the clusters of killed processes, which could not do it."""
    for folder in parent.glob(FOLDER.format(pid="*") + "*"):
        owner = re.fullmatch(FOLDER.format(pid="([0-9]+)") + ".*", folder.name)
        if owner and not Path("/proc", owner[1]).exists():
            shutil.rmtree(folder, ignore_errors=True)  # Another process may sweep as well.


def memory_has_room(meminfo: Path = Path("/proc/meminfo")) -> bool:
    """Whether the files there may grow and the machine has the memory for them."""
    if not MEMORY.is_dir():
        return False
    available = re.search(r"^MemAvailable: +([0-9]+) kB$", meminfo.read_text(), re.MULTILINE)
    assert available
    return min(shutil.disk_usage(MEMORY).free, int(available[1]) << 10) > ROOM
