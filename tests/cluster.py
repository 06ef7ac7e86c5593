"""A real Postgres with pg_cron for tests, as fast as it can be."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from service.demo.cluster import Cluster

MEMORY = Path("/dev/shm")
# Bytes: twice what the clusters of four processes that test at once have taken.
ROOM = 4 << 30


@contextmanager
def fast_cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """In memory where that has room: most of the time a test takes is for the 300 files of its
    database, if they come and go on a disk."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    with (
        TemporaryDirectory(dir=MEMORY if roomy else None) as folder,
        Cluster(fsync=False, settings=settings, folder=folder) as cluster,
    ):
        yield cluster
