"""A Postgres with fsync on and all else as it is shipped, and pgbench to load it."""

import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from service.demo.cluster import find_programs, quoted, run_as_server_user
from service.postgres.calls import Connection
from tests.cluster import Cluster
from tests.conftest import make_template
from tests.functions.conftest import only

CLIENTS = 8
THREADS = 2
# Beyond the time it was given.
PATIENCE_SECONDS = 60


class Server(NamedTuple):
    cluster: Cluster
    template: str

    @contextmanager
    def database(self) -> Iterator[str]:
        """The superuser's URL of a migrated database, dropped in the end."""
        with new_database(self.cluster, self.template) as name:
            yield self.cluster.url(name)


@contextmanager
def new_database(cluster: Cluster, template: str = "template1") -> Iterator[str]:
    """The name of a copy of `template`, dropped in the end."""
    name = f"bench_{secrets.token_hex(6)}"
    cluster.create_database(name, template=template)
    try:
        yield name
    finally:
        cluster.drop_database(name)


class KeptCluster(Cluster):
    """A cluster in a folder that stays. It is started again if the folder has one."""

    def initialize_database(self) -> None:
        data = Path(self.get_data_directory())
        if (data / "PG_VERSION").exists():
            run_as_server_user(
                [self.postgres, "--single", "-D", str(data), "postgres"],
                f"alter role postgres password {quoted(self.password)}\n",
            )
        else:
            super().initialize_database()


@contextmanager
def running_server() -> Iterator[Server]:
    with Cluster() as cluster:
        yield Server(cluster, make_template(cluster))


def pgbench(url: str, script: str, seconds: int, *, prepared: bool = False) -> float:
    """How often a second CLIENTS connections together get through the script."""
    program = find_programs() / "pgbench"
    options = {
        "--protocol": "prepared" if prepared else "simple",
        "--client": CLIENTS,
        "--jobs": THREADS,
        "--time": seconds,
        "--file": "-",
    }
    command = [f"{program}", "--no-vacuum", *(f"{name}={options[name]}" for name in options), url]
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, timeout=seconds + PATIENCE_SECONDS
    )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.M)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench failed: {done.stderr}")
    return float(found[1])


def index_all(db: Connection) -> tuple[int, float]:
    """Index the words of all mail that is stored, as workers do; of how many, and in how many
    seconds."""
    indexed, began = 0, time.perf_counter()
    while count := only(db, "select gmail_sync.index_messages()"):
        indexed += count
    return indexed, time.perf_counter() - began


def server_version() -> str:
    """As in "postgres (PostgreSQL) 15.14 (Debian 15.14-1)"."""
    command = [f"{find_programs() / 'postgres'}", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return said.stdout.split()[2]
