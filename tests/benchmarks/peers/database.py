"""Databases that peers live in."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.postgres import new_database
from tests.cluster import Cluster


@contextmanager
def peer_database(cluster: Cluster, queues: Environment, peer: str) -> Iterator[str]:
    """The URL of one with the peer's schema and nothing in it, dropped in the end."""
    with new_database(cluster) as name:
        url: str = cluster.url(name)
        queues.run(peer, "install", url)
        yield url
