"""A cluster of its own, so that its roles and its pg_cron can come and go."""

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster import Cluster, fast_cluster
from tests.migrations.commands import alembic


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    with fast_cluster() as cluster:
        yield cluster


@pytest.fixture
def cron_url(server: Cluster) -> Iterator[str]:
    """The empty database pg_cron works in."""
    yield server.url()
    alembic(server.url(), "downgrade", "base")


@pytest.fixture
def empty_url(server: Cluster) -> Iterator[str]:
    """An empty database without pg_cron."""
    name = f"test_{secrets.token_hex(6)}"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)
