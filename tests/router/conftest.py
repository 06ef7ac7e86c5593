"""Three nodes with pg_cron, a pgbouncer, and a router in another database of the first node."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from db.router import pooler
from db.router.generate import SLOTS
from db.router.install import LOGIN, Connection, Pooler, install
from service import migrate
from service.demo.cluster import as_server_user, server_user
from service.postgres.calls import connect
from tests.cluster import Cluster, fast_cluster
from tests.waiting import wait_until

NODES = 3
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


@dataclass
class Installation:
    """The nodes' clusters, and where the router and its pgbouncer are."""

    nodes: list[Cluster]
    pooler: Pooler
    password: str

    @property
    def node_urls(self) -> list[str]:
        """As a superuser."""
        return [node.url() for node in self.nodes]

    @property
    def router_url(self) -> str:
        """As a superuser."""
        return self.nodes[0].url("router")

    def install(self, slots: dict[int, int] | None = None) -> None:
        """Install the router; `slots` are led to other nodes than before."""
        with ExitStack() as stack:
            router = stack.enter_context(superuser(self.router_url))
            nodes = [stack.enter_context(superuser(url)) for url in self.node_urls]
            install(router, nodes, self.password, self.pooler)
            if slots:
                for slot, node in slots.items():
                    router.execute(
                        "update gmail_sync_route.slot set node = %s where slot = %s", [node, slot]
                    )
                install(router, nodes, self.password, self.pooler)


@contextmanager
def superuser(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def pgbouncer(urls: list[str], password: str, folder: Path) -> Iterator[Pooler]:
    """pgbouncer as `gmail-sync router pooler` configures it, on a port of its own."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed: docker/install-postgres.sh --with-pgbouncer")
    place = Pooler(port=free_port())
    folder.mkdir(mode=0o700)
    users, file = folder / "userlist.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{LOGIN}" "{password}"\n')
    text = pooler.configuration(urls)
    text = text.replace("/etc/pgbouncer/userlist.txt", str(users))
    file.write_text(
        text.replace("listen_port = 6432", f"listen_port = {place.port}\nunix_socket_dir =")
    )
    for path in (folder, users, file):
        os.chown(path, *server_user())
    with (folder / "log").open("wb") as log:
        command = as_server_user([PGBOUNCER, "--quiet", str(file)])
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"postgresql://{LOGIN}:{password}@{place.host}:{place.port}/node0"
        wait_until(lambda: process.poll() is not None or answers(url))
        assert process.poll() is None, (folder / "log").read_text()
        yield place
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    try:
        connect(url, "test").close()
    except psycopg.OperationalError as error:
        # The login is made by the installation.
        return "authentication failed" in str(error)
    return True


@contextmanager
def spread(installation: Installation) -> Iterator[Installation]:
    """Slots by turns at each node, and afterwards all at node 0 again."""
    installation.install({slot: slot % NODES for slot in range(SLOTS)})
    yield installation
    installation.install(dict.fromkeys(range(SLOTS), 0))


def user_at(installation: Installation, node: int, prefix: str = "user") -> str:
    """The id of a user whose mail is at this node."""
    with superuser(installation.router_url) as router:
        found = router.execute(
            "select u from (select %s || '-' || n as u from generate_series(1, 1000) n) ids"
            " where gmail_sync_router.node_of(u) = %s limit 1",
            [prefix, node],
        ).fetchone()
    assert found is not None
    return str(found[0])


@pytest.fixture(scope="session")
def nodes() -> Iterator[list[Cluster]]:
    with ExitStack() as stack:
        clusters = [stack.enter_context(fast_cluster()) for _ in range(NODES)]
        for cluster in clusters:
            migrate.upgrade(cluster.url())
        yield clusters


@pytest.fixture(scope="session")
def has_plproxy(nodes: list[Cluster]) -> None:
    with closing(psycopg.connect(nodes[0].url("postgres"))) as server:
        query = "select from pg_available_extensions where name = 'plproxy'"
        if not server.execute(query).rowcount:
            pytest.skip("PL/Proxy is not installed: docker/install-postgres.sh --with-plproxy")


@pytest.fixture(scope="session")
def installation(nodes: list[Cluster], has_plproxy: None) -> Iterator[Installation]:
    """A router whose slots are all at node 0."""
    password = secrets.token_urlsafe()
    urls = [node.url() for node in nodes]
    nodes[0].create_database("router")
    folder = Path(nodes[0].base_dir) / "pgbouncer"
    with pgbouncer(urls, password, folder) as place:
        made = Installation(nodes, place, password)
        made.install()
        yield made
