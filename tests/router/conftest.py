"""Three nodes with pg_cron, a router, and a pgbouncer between: each a server of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from db.router.generate import SLOTS
from db.router.install import install
from service import migrate
from service.demo.pgbouncer import PROGRAM
from service.demo.routed import Routed, superuser
from tests.cluster import Cluster, fast_cluster

NODES = 3


@dataclass
class Installation(Routed):
    """The demo's, with clusters of tests."""

    nodes: list[Cluster]
    router: Cluster

    def urls(self, login: str, password: str) -> list[str]:
        """The nodes as the service reaches them."""
        return [node.url("gmail_sync", login, password) for node in self.nodes]

    def address(self, login: str, password: str) -> str:
        """The router as the service reaches it."""
        return self.router.url("gmail_sync", login, password)

    @property
    def servers(self) -> list[Cluster]:
        return [*self.nodes, self.router]

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
def spread(installation: Installation) -> Iterator[Installation]:
    """Slots by turns at each node, and afterwards all at node 0 again."""
    installation.lead({slot: slot % NODES for slot in range(SLOTS)})
    try:
        yield installation
    finally:
        installation.lead(dict.fromkeys(range(SLOTS), 0))


def clear(installation: Installation) -> None:
    """Remove what other tests left. Their runs would be claimed, their users counted, and a day's
    limit that they noted be waited for."""
    for url in installation.node_urls:
        with superuser(url) as node:
            node.execute(
                "truncate gmail_sync.account, gmail_sync.message, gmail_sync.user_sync_status,"
                " gmail_sync.quota_charge, gmail_sync.quota_day cascade"
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
    if PROGRAM is None:
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
    with fast_cluster() as router, Installation.installed(nodes, router) as installation:
        yield installation


@pytest.fixture(scope="module")
def at_all_nodes(installation: Installation) -> Iterator[Installation]:
    with spread(installation):
        yield installation
