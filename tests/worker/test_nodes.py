"""One process at several nodes: each has its own runs, and none waits for another."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import NamedTuple

import pytest
import structlog

from service.config import Node
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres import listener
from service.postgres.calls import Connection, Session, connect
from service.simulator import Fault, Mailbox, Simulator, generate
from service.worker import worker
from service.worker.workers import Workers
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD, fresh_database
from tests.functions.conftest import only
from tests.waiting import wait_until
from tests.worker.conftest import Account, start_held
from tests.worker.test_threads import REPLACED_CLAIM

MESSAGES = 30
DEAD = "postgresql://nobody@127.0.0.1:1/nothing"
CONCURRENCY = 2
ALL_INDEXED = f"select count(*) = {MESSAGES} from gmail_sync.message_words where user_id <> ''"
SERVICE_REAPS = "select exists (select from gmail_sync.reaper_beat where reaper = 'service')"


class Place(NamedTuple):
    """A node as the tests reach it."""

    name: str
    url: str
    account: Account
    db: Connection

    def messages(self) -> object:
        return only(self.db, "select count(*) from gmail_sync.message")


@pytest.fixture
def places(cluster: Cluster, template: str, keys: str, mailbox: Mailbox) -> Iterator[list[Place]]:
    """Two nodes, each with an account of the same mailbox."""
    mailbox.load(generate(MESSAGES))
    with ExitStack() as stack:
        found = []
        for _ in range(2):
            name = stack.enter_context(fresh_database(cluster, template))
            url = cluster.url(name, SERVICE_LOGIN, SERVICE_PASSWORD)
            functions = stack.enter_context(closing(Session(url, "test")))
            account = Account(functions, CredentialCipher([keys]))
            account.connect()
            db = stack.enter_context(connect(cluster.url(name), "test"))
            found.append(Place(name, url, account, db))
        yield found


@pytest.fixture
def log() -> structlog.testing.LogCapture:
    return structlog.testing.LogCapture()


@pytest.fixture
def start_workers(
    google: Google, log: structlog.testing.LogCapture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Starts a process's workers, which notice everything soon."""
    monkeypatch.setattr(worker, "HOUSEKEEPING_SECONDS", 0.1)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(listener, "RECONNECT_SECONDS", 0.1)
    with ExitStack() as stack:

        def start(*urls: str) -> None:
            nodes = [Node(url, url, number) for number, url in enumerate(urls)]
            logger = structlog.wrap_logger(
                None,
                processors=[structlog.stdlib.add_log_level, log],
                # Whatever level another test configured.
                wrapper_class=structlog.make_filtering_bound_logger(0),
            )
            workers = Workers(nodes, google, CONCURRENCY, logger)
            stack.callback(workers.stop)
            workers.start()

        yield start


def failures(log: structlog.testing.LogCapture) -> list[tuple[str, int]]:
    return [(line["event"], line["node"]) for line in log.entries if line["log_level"] == "warning"]


def test_each_node_is_served_while_another_is_down(
    places: list[Place], start_workers: Callable[..., None], log: structlog.testing.LogCapture
) -> None:
    for place in places:
        place.db.execute("update gmail_sync.settings set scheduler = 'service'")
    start_workers(*(place.url for place in places), DEAD)
    for place in places:
        assert place.account.sync()["outcome"] == "succeeded"
        assert place.messages() == MESSAGES
    for place in places:
        # Besides its runs, a worker indexes and reaps.
        wait_until(partial(only, place.db, ALL_INDEXED))
        assert only(place.db, "select count(*) from gmail_sync.worker") == 1
        assert only(place.db, SERVICE_REAPS)
    # Once, however often it was tried.
    kinds = ("claiming", "housekeeping", "listening", "sending webhooks")
    assert sorted(failures(log)) == [(f"{kind} failed", 2) for kind in kinds]


def test_a_node_that_was_down_is_served_when_it_is_back(
    cluster: Cluster,
    places: list[Place],
    start_workers: Callable[..., None],
    log: structlog.testing.LogCapture,
) -> None:
    near, far = places
    start_workers(near.url, far.url)
    with cluster.closed(far.name):
        wait_until(lambda: ("claiming failed", 1) in failures(log))
        assert near.account.sync()["outcome"] == "succeeded"
    assert far.account.sync()["outcome"] == "succeeded"
    assert far.messages() == MESSAGES
    back = {line["node"] for line in log.entries if line["event"] == "claiming works again"}
    assert back == {1}


def test_a_node_whose_slots_are_all_busy_leaves_the_others_theirs(
    simulator: Simulator, places: list[Place], start_workers: Callable[..., None]
) -> None:
    busy, idle = places
    start_workers(busy.url, idle.url)
    task_id, held = start_held(simulator, busy.account, Fault("batch", "hang", count=1))
    assert idle.account.sync()["outcome"] == "succeeded"
    assert busy.account.run(task_id)["is_syncing"]
    held.release()
    assert busy.account.finish(task_id)["outcome"] == "succeeded"


def test_the_process_ends_only_if_the_slots_of_all_nodes_fail(
    places: list[Place], start_workers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[str] = []
    monkeypatch.setattr(worker, "LIFELESS_SECONDS", 0.5)
    monkeypatch.setattr(worker, "end_process", lambda _log, reason: ends.append(reason))
    broken, other = places
    broken.db.execute(REPLACED_CLAIM.format(body="raise 'refused';").encode())
    start_workers(broken.url, other.url)
    living = "select min(living_slots) from gmail_sync.worker"
    wait_until(lambda: only(broken.db, living) == 0)
    assert other.account.sync()["outcome"] == "succeeded"
    assert not ends
    other.db.execute(REPLACED_CLAIM.format(body="raise 'refused';").encode())
    assert wait_until(lambda: ends)[0].startswith("none of the 4 slots of this process works")
