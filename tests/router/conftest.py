"""Three nodes with pg_cron, a router, and a pgbouncer between: each a server of its own."""

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

from db.router.generate import SLOTS
from db.router.install import LOGIN, Connection, Pooler, install
from db.router.pooler import configuration
from service import migrate
from service.demo.cluster import as_server_user, server_user
from service.postgres.calls import connect
from tests.cluster import Cluster, fast_cluster
from tests.waiting import wait_until

NODES = 3
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


class PgBouncer:
    """pgbouncer as `gmail-sync router pooler` configures it, on a port of its own."""

    def __init__(self, text: str, password: str, folder: Path) -> None:
        assert PGBOUNCER
        self.place = Pooler(port=free_port())
        self._url = f"postgresql://{LOGIN}:{password}@{self.place.host}:{self.place.port}/node0"
        self._log = folder / "log"
        folder.mkdir(mode=0o700)
        users, file = folder / "userlist.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{LOGIN}" "{password}"\n')
        text = text.replace("/etc/pgbouncer/userlist.txt", str(users))
        port = f"listen_port = {self.place.port}\nunix_socket_dir ="
        file.write_text(text.replace("listen_port = 6432", port))
        for path in (folder, users, file):
            os.chown(path, *server_user())
        self._command = as_server_user([PGBOUNCER, "--quiet", str(file)])

    def __enter__(self) -> "PgBouncer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(lambda: self._process.poll() is not None or answers(self._url))
        assert self._process.poll() is None, self._log.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


@dataclass
class Installation:
    """The servers, and the password of the router's login at the nodes."""

    nodes: list[Cluster]
    router: Cluster
    pgbouncer: PgBouncer
    password: str

    @property
    def pooler(self) -> Pooler:
        return self.pgbouncer.place

    @property
    def node_urls(self) -> list[str]:
        """As a superuser."""
        return [node.url() for node in self.nodes]

    @property
    def router_url(self) -> str:
        """As a superuser."""
        return self.router.url()

    def install(self) -> None:
        with superuser(self.router_url) as router, self.superusers() as nodes:
            install(router, nodes, self.password, self.pooler)

    def lead(self, slots: dict[int, int]) -> None:
        """Lead and open slots at these nodes; no mail moves."""
        with superuser(self.router_url) as router, self.superusers() as nodes:
            for slot, place in slots.items():
                router.execute(
                    "update gmail_sync_route.slot set node = %s where slot = %s", [place, slot]
                )
                nodes[place].execute(
                    "delete from gmail_sync.slot_elsewhere where slot = %s", [slot]
                )
            install(router, nodes, self.password, self.pooler)

    @contextmanager
    def superusers(self) -> Iterator[list[Connection]]:
        with ExitStack() as stack:
            yield [stack.enter_context(superuser(url)) for url in self.node_urls]


@contextmanager
def superuser(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


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
    installation.lead({slot: slot % NODES for slot in range(SLOTS)})
    try:
        yield installation
    finally:
        installation.lead(dict.fromkeys(range(SLOTS), 0))


def clear(installation: Installation) -> None:
    """Remove what other tests left. Their runs would be claimed, and their users counted."""
    for url in installation.node_urls:
        with superuser(url) as node:
            node.execute(
                "truncate gmail_sync.account, gmail_sync.message, gmail_sync.user_sync_status"
                " cascade"
            )


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


def missing_package(cluster: Cluster) -> str | None:
    """What the router needs and this machine does not have."""
    if PGBOUNCER is None:
        return "pgbouncer is not installed: docker/install-postgres.sh --with-pgbouncer"
    with closing(psycopg.connect(cluster.url("postgres"))) as server:
        query = "select from pg_available_extensions where name = 'plproxy'"
        if not server.execute(query).rowcount:
            return "PL/Proxy is not installed: docker/install-postgres.sh --with-plproxy"
    return None


@pytest.fixture(scope="session")
def installation(nodes: list[Cluster]) -> Iterator[Installation]:
    """A router whose slots are all at node 0."""
    if missing := missing_package(nodes[0]):
        pytest.skip(missing)
    with fast_cluster() as router, installed(nodes, router) as installation:
        yield installation


@contextmanager
def installed(nodes: list[Cluster], router: Cluster) -> Iterator[Installation]:
    """The router in a cluster without gmail-sync."""
    password = secrets.token_urlsafe()
    folder = Path(router.base_dir) / "pgbouncer"
    text = configuration([node.url() for node in nodes])
    with PgBouncer(text, password, folder) as pgbouncer:
        installation = Installation(nodes, router, pgbouncer, password)
        installation.install()
        yield installation
