"""A real Postgres with pg_cron for tests, as fast as it can be."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, LiteralString

import psycopg
from psycopg import sql

from service.demo import cluster as demo
from service.demo.cluster import SHUTDOWN_SIGNALS

MEMORY = Path("/dev/shm")
# Bytes: twice what the clusters of four processes that test at once have taken.
ROOM = 4 << 30


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

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Restart on the same port and data, as `pg_ctl restart -m mode` does."""
        self._shut_down(SHUTDOWN_SIGNALS if mode == "fast" else SHUTDOWN_SIGNALS[1:])
        self.start()

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as server:
            server.execute(statement)


@contextmanager
def fast_cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """In memory if that has room. On a disk, most of a test's time goes to the 300 files of its
    database."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    with (
        TemporaryDirectory(dir=MEMORY if roomy else None) as folder,
        Cluster(fsync=False, settings=settings, folder=folder) as cluster,
    ):
        yield cluster
