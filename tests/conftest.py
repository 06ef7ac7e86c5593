"""A real Postgres with pg_cron for the session, and a database of its own for each test."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from service import migrate
from service.postgres.calls import Connection, Session, connect
from tests.cluster import Cluster, fast_cluster

# The files that take longest begin first: one that began last would be waited for by all.
LONGEST = (
    "functions/search/test_paging.py",
    "model/test_lock_order.py",
    "functions/scheduler/test_scheduler_status.py",
    "functions/shared/test_clock.py",
    "chaos/test_chaos.py",
    "web/test_nginx.py",
    "worker/test_content.py",
    "web/test_accessibility.py",
    "chaos/test_streams.py",
    "worker/test_session_settings.py",
    "web/test_live.py",
    "web/test_mail_html.py",
    "worker/test_faults.py",
    "worker/test_threads.py",
    "functions/shared/test_plans.py",
    "demo/test_demo.py",
)
SERVICE_LOGIN = "service_login"
SERVICE_PASSWORD = secrets.token_urlsafe()


def pytest_configure() -> None:
    # A shell has what runs in the background ignore Ctrl-C, and whatever that starts as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with fast_cluster() as cluster:
        yield cluster


def make_template(cluster: Cluster) -> str:
    """The name of a migrated database that nobody is connected to; and the service's login."""
    name = "template_gmail_sync"
    cluster.create_database(name)
    migrate.upgrade(cluster.url(name))
    with psycopg.connect(cluster.url(name), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login password {} in role gmail_sync_service").format(
                sql.Identifier(SERVICE_LOGIN), sql.Literal(SERVICE_PASSWORD)
            )
        )
    return name


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    return make_template(cluster)


@contextmanager
def fresh_database(cluster: Cluster, template: str) -> Iterator[str]:
    """The name of a migrated database, which is dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    cluster.create_database(name, template=template)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def database(cluster: Cluster, template: str) -> Iterator[str]:
    """The name of this test's own migrated database."""
    with fresh_database(cluster, template) as name:
        yield name


@pytest.fixture(scope="module")
def shared_database(cluster: Cluster, template: str) -> Iterator[str]:
    """For a module whose tests only read, or keep apart: it has `database` return this one."""
    with fresh_database(cluster, template) as name:
        yield name


@pytest.fixture(scope="module")
def shared_db(cluster: Cluster, shared_database: str) -> Iterator[Connection]:
    with connect(cluster.url(shared_database), "test") as connection:
        yield connection


@pytest.fixture(scope="module")
def shared_functions(cluster: Cluster, shared_database: str) -> Iterator[Session]:
    session = Session(cluster.url(shared_database, SERVICE_LOGIN, SERVICE_PASSWORD), "test")
    yield session
    session.close()


@pytest.fixture
def database_url(cluster: Cluster, database: str) -> str:
    """This test's database as its superuser."""
    return cluster.url(database)


@pytest.fixture
def service_url(cluster: Cluster, database: str) -> str:
    """This test's database as the service logs in: member of gmail_sync_service only."""
    return cluster.url(database, SERVICE_LOGIN, SERVICE_PASSWORD)


@pytest.fixture
def db(database_url: str) -> Iterator[psycopg.Connection[dict[str, object]]]:
    """A superuser's connection in autocommit, rows as dicts."""
    with connect(database_url, "test") as connection:
        yield connection


@pytest.fixture
def functions(service_url: str) -> Iterator[Session]:
    """The stored functions, called as the service calls them."""
    session = Session(service_url, "test")
    yield session
    session.close()
