"""A node that dies or hangs costs its own users, and nobody else."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.postgres.calls import Session
from tests.cluster import Cluster
from tests.router.conftest import NODES, Installation, spread, user_at
from tests.waiting import wait_until

pytestmark = pytest.mark.gate

DOWN = 2
# pgbouncer gives up a query that waits after 3 s; a loaded machine may take as long again.
BOUND_SECONDS = 8


@pytest.fixture(scope="module")
def at_all_nodes(installation: Installation) -> Iterator[Installation]:
    with spread(installation):
        yield installation


@pytest.fixture
def functions(at_all_nodes: Installation) -> Iterator[Session]:
    session = Session(at_all_nodes.router_url, "test")
    yield session
    session.close()


def outage(functions: Session, function: str, *arguments: object) -> float:
    """The seconds until the call fails as for a node that cannot be asked."""
    start = time.monotonic()
    with pytest.raises(psycopg.Error) as error:
        functions.rows(function, *arguments)
    assert error.value.sqlstate == "08006", error.value
    return time.monotonic() - start


def check_what_others_see(installation: Installation, functions: Session) -> None:
    """With the node down: its users get an error in time, the others what they asked for."""
    for node in range(NODES):
        user = user_at(installation, node, "clicks")
        if node == DOWN:
            assert outage(functions, "start_sync", user) < BOUND_SECONDS
        else:
            task_id = functions.value("start_sync_idempotent", user)
            assert functions.value("start_sync_idempotent", user) == task_id
    health = functions.value("sync_health")
    assert {"node": DOWN, "healthy": False} in health["nodes"]
    assert any(reason.startswith(f"node {DOWN} cannot be asked") for reason in health["reasons"])
    # Half a list would pass for the whole.
    outage(functions, "list_running_syncs")
    assert functions.value("schema_version")


def test_a_node_that_is_killed_and_comes_back(
    at_all_nodes: Installation, functions: Session
) -> None:
    user = user_at(at_all_nodes, DOWN, "kept")
    task_id = functions.value("start_sync_idempotent", user)
    node = at_all_nodes.nodes[DOWN]
    stop(node)
    check_what_others_see(at_all_nodes, functions)
    node.start()
    wait_until(lambda: succeeds(functions, user))
    # Its runs are as they were.
    assert functions.value("start_sync_idempotent", user) == task_id


def test_a_node_that_hangs(at_all_nodes: Installation, functions: Session) -> None:
    user = user_at(at_all_nodes, DOWN, "hung")
    node = at_all_nodes.nodes[DOWN]
    signal_all(node, signal.SIGSTOP)
    try:
        check_what_others_see(at_all_nodes, functions)
    finally:
        signal_all(node, signal.SIGCONT)
    wait_until(lambda: succeeds(functions, user))


def stop(node: Cluster) -> None:
    """As kill -9 of the server."""
    node._shut_down([signal.SIGKILL])


def signal_all(node: Cluster, number: signal.Signals) -> None:
    """Signal the server and each process of it."""
    postmaster = int((Path(node.get_data_directory()) / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for process in (postmaster, *map(int, children)):
        os.kill(process, number)


def succeeds(functions: Session, user: str) -> bool:
    try:
        functions.value("start_sync_idempotent", user)
    except psycopg.OperationalError:
        return False
    return True
