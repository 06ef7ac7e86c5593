"""The operators' page of 100,000 accounts, of which 10,000 sync, after 100,000 syncs in a day."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.postgres.calls import Connection
from tests.api.conftest import client_of, serving
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD
from tests.functions.crowd import add_busy_day

pytestmark = pytest.mark.gate

# Milliseconds of a processor that a page may take: the service's, its client's and Postgres'. Other
# tests that run meanwhile do not count.
MOST = 300
QUERIES = {
    "the page": "",
    "a next page": "?runs_after=account-5&workers_after=5",
    "a user": "?user_id=account-7",
    "a cause": "?cause=zombie",
    "a worker": "?worker=c4ca4238",
}


@pytest.fixture(scope="module")
def olga(
    cluster: Cluster, shared_database: str, shared_db: Connection
) -> Iterator[tuple[httpx.Client, Callable[[], float]]]:
    """An operator, and the milliseconds of processors that all have taken so far."""
    shared_db.execute("set statement_timeout = 0")
    add_busy_day(shared_db, 100_000, 10_000, 100_000)
    url = cluster.url(shared_database, SERVICE_LOGIN, SERVICE_PASSWORD)
    with serving(url) as running, client_of(running, "olga", "operator") as client:

        def taken() -> float:
            backends = shared_db.execute(
                "select pid from pg_stat_activity where datname = current_database()"
                " and application_name like 'gmail-sync%'"
            ).fetchall()
            return 1000 * time.process_time() + sum(
                int(Path(f"/proc/{row['pid']}/schedstat").read_text().split()[0]) / 1e6
                for row in backends
            )

        yield client, taken


@pytest.mark.parametrize("query", QUERIES)
def test_it_takes_little_time(olga: tuple[httpx.Client, Callable[[], float]], query: str) -> None:
    client, taken = olga

    def ask() -> float:
        before = taken()
        answer = client.get(f"/operator{QUERIES[query]}", headers={"Accept": "text/html"})
        assert answer.status_code == 200
        return taken() - before

    ask()  # the first opens connections
    assert statistics.median(ask() for _ in range(5)) <= MOST


def test_it_shows_what_there_is(olga: tuple[httpx.Client, Callable[[], float]]) -> None:
    page = olga[0].get("/operator?worker=c4ca4238").text
    assert page.count('name="action" value="cancel_sync"') == 20
    assert "100,000" in olga[0].get("/operator").text
