"""Streams of users at several nodes, while some are down."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from service.postgres.calls import Connection, Session, connect
from tests.api.conftest import Running, claim, client_of, connect_account, serving
from tests.api.test_events import NOWHERE, asks, listens, watching
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD, fresh_database
from tests.waiting import wait_until

# Long enough that only a notification can have brought an event.
NO_POLL = 60


@pytest.fixture
def far_database(cluster: Cluster, template: str) -> Iterator[str]:
    """The name of node 1's database; that of node 0 is `database`."""
    with fresh_database(cluster, template) as name:
        yield name


@pytest.fixture
def far_url(cluster: Cluster, far_database: str) -> str:
    return cluster.url(far_database, SERVICE_LOGIN, SERVICE_PASSWORD)


@pytest.fixture
def far(far_url: str) -> Iterator[Session]:
    """The functions of node 1, where bob is."""
    with closing(Session(far_url, "test")) as functions:
        connect_account(functions, "bob")
        yield functions


@pytest.fixture
def far_db(cluster: Cluster, far_database: str) -> Iterator[Connection]:
    with connect(cluster.url(far_database), "test") as connection:
        yield connection


@pytest.fixture
def running(service_url: str, far_url: str) -> Iterator[Running]:
    """Node 0 in the router's place; node 2 is down."""
    with serving(service_url, GMAIL_SYNC_NODE_URLS=f"{service_url} {far_url} {NOWHERE}") as running:
        yield running


@pytest.fixture
def bob(running: Running, far: Session) -> Iterator[httpx.Client]:
    with client_of(running, "bob") as client:
        yield client


def test_a_run_at_any_node_is_shown_before_the_next_second(
    ann: httpx.Client,
    bob: httpx.Client,
    functions: Session,
    far: Session,
    db: Connection,
    far_db: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.api.feed.POLL_SECONDS", NO_POLL)
    with watching(ann) as anns, watching(bob) as bobs:
        for stream in (anns, bobs):
            assert stream.run()["task_id"] is None
        for place in (db, far_db):
            wait_until(lambda place=place: listens(place) and asks(place))  # type: ignore[misc]
        for node, user, stream in ((functions, "ann", anns), (far, "bob", bobs)):
            task_id = node.value("start_sync_idempotent", user)
            run = stream.run()
            assert (run["user_id"], run["task_id"]) == (user, task_id)


def test_a_stream_keeps_its_state_while_its_node_is_down(
    cluster: Cluster,
    running: Running,
    ann: httpx.Client,
    bob: httpx.Client,
    functions: Session,
    far: Session,
    far_database: str,
) -> None:
    with watching(ann) as anns, watching(bob) as bobs:
        assert [stream.run()["task_id"] for stream in (anns, bobs)] == [None, None]
        task_id = far.value("start_sync_idempotent", "bob")
        assert bobs.run()["task_id"] == task_id
        with cluster.closed(far_database):
            wait_until(lambda: "progress query failed" in warnings(running, node=1))
            # Others see their runs meanwhile.
            functions.value("start_sync_idempotent", "ann")
            assert anns.run()["phase"] == "queued"
            claim(far, task_id)
        # No event in between said that bob has never synced.
        run = bobs.run()
        assert (run["task_id"], run["phase"]) == (task_id, "listing")
    assert warnings(running, node=1).count("progress query failed") == 1


def test_a_stream_shows_that_its_account_was_deleted(
    bob: httpx.Client, far: Session, far_db: Connection
) -> None:
    with watching(bob) as stream:
        assert stream.run()["task_id"] is None
        far.value("start_sync_idempotent", "bob")
        assert stream.run()["phase"] == "queued"
        far_db.execute("delete from gmail_sync.user_sync_status")
        assert stream.run()["task_id"] is None


def warnings(running: Running, node: int) -> list[Any]:
    return [line["event"] for line in running.log if line.get("node") == node]
