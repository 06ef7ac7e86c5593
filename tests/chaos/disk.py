"""Faults of the disk under Postgres."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import SkipTest

import psycopg

from service.demo.cluster import server_user
from tests.chaos.site import Site
from tests.chaos.trial import Scene
from tests.waiting import wait_until

# Room for the messages, and what is free beside all the data, in bytes.
MESSAGES_ROOM = 32 << 20
FREE_ROOM = 64 << 20
COPY_SECONDS = 60
WRITE_AND_SWITCH = "select pg_logical_emit_message(true, 'chaos', 'x'), pg_switch_wal()"


@contextmanager
def full_under_the_messages(scene: Scene) -> Iterator[None]:
    with _messages_on_a_small_disk(scene.site) as disk:
        ballast = _fill(disk)
        wait_until(lambda: "No space left on device" in scene.site.server_log())
        ballast.unlink()
        yield


@contextmanager
def full_under_everything(scene: Scene) -> Iterator[None]:
    """Postgres cannot write its log ahead, and goes down; it is started when there is room."""
    site = scene.site
    with _data_on_a_small_disk(site) as disk:
        ballast = _fill(disk)
        # Segments that were kept for later are used first.
        with suppress(psycopg.Error), site.connect() as db:
            while True:
                db.execute(WRITE_AND_SWITCH)
        wait_until(lambda: "PANIC" in site.server_log())
        ballast.unlink()
        site.cluster.restart("immediate")
        yield


def _fill(disk: Path) -> Path:
    """The file that takes all room left."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    return ballast


@contextmanager
def _messages_on_a_small_disk(site: Site) -> Iterator[Path]:
    with _small_disk(site, MESSAGES_ROOM) as disk:
        try:
            site.execute(f"create tablespace small location '{disk}'")
            # Room within the table, left by users before, would do for the whole sync.
            site.execute("vacuum full gmail_sync.message")
            site.execute("alter table gmail_sync.message set tablespace small")
            yield disk
        finally:
            site.execute("alter table gmail_sync.message set tablespace pg_default")
            site.execute("checkpoint")
            site.execute("drop tablespace if exists small")


@contextmanager
def _data_on_a_small_disk(site: Site) -> Iterator[Path]:
    """The whole data directory, within."""
    data = Path(site.cluster.get_data_directory())
    aside = data.with_name("aside")
    size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    with _small_disk(site, size + FREE_ROOM) as disk:
        site.cluster.terminate()
        data.rename(aside)
        try:
            _copy(aside, disk / "data")
            data.symlink_to(disk / "data")
            site.cluster.start()
            yield disk
        finally:
            site.cluster.terminate()
            data.unlink()
            shutil.rmtree(aside)
            _copy(disk / "data", data)
            site.cluster.start()


def _copy(source: Path, target: Path) -> None:
    """With owners and modes."""
    command = ["cp", "--archive", str(source), str(target)]
    subprocess.run(command, check=True, timeout=COPY_SECONDS)


@contextmanager
def _small_disk(site: Site, size: int) -> Iterator[Path]:
    """A disk of so many bytes that is the server's. Raises SkipTest."""
    folder = Path(site.cluster.base_dir) / "small"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, timeout=10).returncode:
        raise SkipTest("no small disk can be mounted")
    try:
        os.chown(folder, *server_user())
        yield folder
    finally:
        # Lazily: sessions may still have files open that are gone.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)
