"""Databases that peers live in."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from service.demo.cluster import Cluster
from tests.benchmarks.peers.environment import Environment


@contextmanager
def peer_database(cluster: Cluster, queues: Environment, peer: str) -> Iterator[str]:
    """The URL of one with the peer's schema and nothing in it, dropped in the end."""
    name = f"{peer}_{secrets.token_hex(4)}"
    cluster.create_database(name)
    url: str = cluster.url(name)
    try:
        queues.run(peer, "install", url)
        yield url
    finally:
        cluster.drop_database(name)
