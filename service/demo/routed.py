"""Several nodes with pg_cron, a router, and a pgbouncer between: each a server of its own.

For the demo and the tests.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

from db.router.install import Connection, Pooler, Report, install
from db.router.pooler import configuration
from service.demo.cluster import Cluster
from service.demo.pgbouncer import PgBouncer


@dataclass
class Routed:
    """The servers, and the password of the router's login at the nodes."""

    nodes: Sequence[Cluster]
    router: Cluster
    pgbouncer: PgBouncer
    password: str

    @classmethod
    @contextmanager
    def installed(
        cls, nodes: Sequence[Cluster], router: Cluster, report: Report = lambda _: None
    ) -> Iterator[Self]:
        """The router in a cluster without gmail-sync, before nodes that are migrated."""
        password = secrets.token_urlsafe()
        text = configuration([node.url() for node in nodes])
        with PgBouncer(text, password, Path(router.base_dir) / "pgbouncer") as pgbouncer:
            routed = cls(nodes, router, pgbouncer, password)
            routed.install(report)
            yield routed

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

    def install(self, report: Report = lambda _: None) -> None:
        with superuser(self.router_url) as router, self.superusers() as nodes:
            install(router, nodes, self.password, self.pooler, report)

    @contextmanager
    def superusers(self) -> Iterator[list[Connection]]:
        """A connection to each node."""
        with ExitStack() as stack:
            yield [stack.enter_context(superuser(url)) for url in self.node_urls]


@contextmanager
def superuser(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
