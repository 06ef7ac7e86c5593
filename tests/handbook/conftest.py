"""A cluster of its own, for the handbook makes roles, and its databases are never dropped.

While pg_cron 1.4 runs a job, a `drop database` anywhere in its cluster waits for it.
"""

import secrets
from collections.abc import Callable, Iterator
from urllib.parse import quote

import psycopg
import pytest

from service import migrate
from tests.cluster import Cluster, fast_cluster

LOGINS = ("app", "reader", "dba", "service")


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    with fast_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated(server: Cluster) -> str:
    """The name of a migrated database that nobody is connected to, and a login for each role."""
    server.create_database("migrated")
    migrate.upgrade(server.url("migrated"))
    with psycopg.connect(server.url("migrated")) as connection:
        for name in LOGINS:
            connection.execute(
                f"create role test_{name} login password 'test' in role gmail_sync_{name}".encode()
            )
        connection.execute("grant gmail_sync_reader to test_app")
    return "migrated"


@pytest.fixture
def empty(server: Cluster) -> str:
    """The name of an empty database."""
    name = f"empty_{secrets.token_hex(6)}"
    server.create_database(name)
    return name


@pytest.fixture
def fresh(server: Cluster, migrated: str) -> str:
    """The name of this test's own migrated database."""
    name = f"test_{secrets.token_hex(6)}"
    server.create_database(name, template=migrated)
    return name


@pytest.fixture
def login(server: Cluster) -> Callable[[str, str], str]:
    """The URL of a database for one of LOGINS, or for a superuser."""

    def url(database: str, name: str) -> str:
        if name == "superuser":
            return server.url(database)
        return server.url(database, quote(f"test_{name}"), "test")

    return url
