"""A database that is away, or that can be read but not written, and comes back."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from service.simulator import Fault, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.api.conftest import Running, client_of, problem, serving
from tests.cluster import Cluster, fast_cluster
from tests.conftest import SERVICE_LOGIN, make_template
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account, start_held

START = "/api/gmail/sync/smart"
# Without requests meanwhile, the pool's pauses would be at 15 s by then, and end at 31 s.
LONG_SECONDS = 18
Outage = Callable[[Cluster, str], AbstractContextManager[None]]
# 5 s are promised; this machine may be busy.
BACK_SECONDS = 12


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of this module's own, which it stops and closes for writing."""
    with fast_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(cluster: Cluster) -> str:
    return make_template(cluster)


@pytest.fixture
def running(service_url: str) -> Iterator[Running]:
    with serving(service_url) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with client_of(running, USER) as client:
        yield client


def status(client: httpx.Client) -> int:
    return client.post(START).status_code


def is_ready(client: httpx.Client) -> bool:
    return client.get("/readyz").status_code == 200


def administrator(cluster: Cluster) -> psycopg.Connection:
    url, options = cluster.url("postgres"), "-c default_transaction_read_only=off"
    return psycopg.connect(url, autocommit=True, options=options)


@contextmanager
def closed_by_reload(cluster: Cluster, _database: str) -> Iterator[None]:
    with administrator(cluster) as admin:
        admin.execute("alter system set default_transaction_read_only = on")
        admin.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            admin.execute("alter system reset default_transaction_read_only")
            admin.execute("select pg_reload_conf()")


@contextmanager
def closed_to_new_sessions(cluster: Cluster, database: str) -> Iterator[None]:
    """As after a failover that broke all sessions, to a database that is not opened yet."""
    with administrator(cluster) as admin:
        admin.execute(f"alter database {database} set default_transaction_read_only = on".encode())
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database]
        )
        try:
            yield
        finally:
            admin.execute(f"alter database {database} reset all".encode())


@contextmanager
def standby(cluster: Cluster, _database: str) -> Iterator[None]:
    """The server comes back as a standby, and is promoted."""
    cluster.terminate()
    Path(cluster.get_data_directory(), "standby.signal").touch()
    cluster.start()
    yield
    with administrator(cluster) as admin:
        assert admin.execute("select pg_promote()").fetchone() == (True,)


def sessions(cluster: Cluster) -> list[str]:
    """Names of the service's sessions that call functions every few seconds."""
    with administrator(cluster) as admin:
        rows = admin.execute(
            "select application_name from pg_stat_activity"
            " where usename = %s and application_name <> all (%s)",
            [SERVICE_LOGIN, ["test", "gmail-sync listener", "gmail-sync housekeeping"]],
        )
        return [name for (name,) in rows]


@pytest.mark.parametrize("outage", [closed_by_reload, closed_to_new_sessions, standby])
def test_a_database_that_cannot_be_written_is_an_outage(
    cluster: Cluster,
    database: str,
    client: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    outage: Outage,
) -> None:
    assert status(client) == 202
    with outage(cluster, database):
        wait_until(lambda: "cannot be written" in client.get("/readyz").json().get("detail", ""))
        answer = problem(client.post(START), 503, "database_read_only")
        assert "cannot be written" in answer["detail"]
        wait_until(lambda: sessions(cluster) == [])
    wait_until(lambda: is_ready(client))
    assert status(client) == 202
    wait_until(lambda: client.get("/api/gmail/sync/status").json()["outcome"] == "succeeded")


def test_a_run_waits_while_the_database_cannot_be_written(
    cluster: Cluster,
    database: str,
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
) -> None:
    mailbox.load(generate(50))
    task_id, held = start_held(simulator, account, Fault("batch", "hang", count=1))
    with closed_by_reload(cluster, database):
        held.release()
        wait_until(lambda: sessions(cluster) == [])
    run = account.finish(task_id)
    assert (run["task_id"], run["outcome"], run["current_stats"]["new"]) == (
        task_id,
        "succeeded",
        50,
    )


def test_one_request_finds_all_lost_sessions(
    cluster: Cluster, account: Account, client: httpx.Client
) -> None:
    with ThreadPoolExecutor(8) as requests:

        def pool_is_full() -> bool:
            list(requests.map(lambda _: status(client), range(40)))
            return sessions(cluster).count("gmail-sync api") == 8

        wait_until(pool_is_full)
    cluster.restart()
    assert status(client) == 202


@pytest.mark.gate
def test_the_api_is_back_soon_after_a_long_outage(
    cluster: Cluster, account: Account, client: httpx.Client
) -> None:
    assert status(client) == 202
    cluster.terminate()
    ends_at = time.monotonic() + LONG_SECONDS
    while time.monotonic() < ends_at:
        problem(client.post(START), 503, "database_unavailable")
    cluster.start()
    wait_until(lambda: status(client) == 202, BACK_SECONDS)
