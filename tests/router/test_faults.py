"""What breaks costs its own users, and other users nothing."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from db.router.install import Connection
from service.demo.routed import superuser
from service.postgres.calls import Row, Session, connect
from service.postgres.errors import UserElsewhere
from tests.cluster import Cluster
from tests.functions.conftest import zombie
from tests.router.conftest import NODES, Installation, clear, user_at
from tests.waiting import wait_until

pytestmark = pytest.mark.gate

DOWN = 2
# As the README says. pgbouncer ends a wait within a third of a second after query_wait_timeout. A
# session that read from the node before waits twice: postgres_fdw opens another connection.
CALL_SECONDS, VIEW_SECONDS = 3.0, 5.0
TRIES = 2


@pytest.fixture
def functions(at_all_nodes: Installation) -> Iterator[Session]:
    clear(at_all_nodes)
    with closing(Session(at_all_nodes.router_url, "test")) as session:
        yield session


@pytest.fixture
def router(at_all_nodes: Installation) -> Iterator[Connection]:
    with superuser(at_all_nodes.router_url) as router:
        yield router


def outage(act: Callable[[], object]) -> None:
    """It fails as for a node that cannot be asked."""
    with pytest.raises(psycopg.Error) as error:
        act()
    assert (error.value.sqlstate or "")[:3] in ("080", "57P"), error.value


def read_view(router: Connection, user: str) -> None:
    router.execute("select * from gmail_sync.messages where user_id = %s limit 5", [user])


class Others:
    """Users of the other nodes, who call and read in threads of their own.

    They say how late a busy machine is, too.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._ended = threading.Event()
        # How long each round of a call and a read took.
        self.rounds: list[float] = []

    def __enter__(self) -> "Others":
        self._threads = ThreadPoolExecutor(NODES - 1)
        users = [user_at(self._installation, n, "others") for n in range(NODES) if n != DOWN]
        self._calls = [self._threads.submit(self._call, user) for user in users]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._threads.shutdown()
        for each in self._calls:
            each.result()

    def _call(self, user: str) -> None:
        url = self._installation.router_url
        with closing(Session(url, "test")) as functions, superuser(url) as router:
            while not self._ended.wait(0.05):
                began_at = time.monotonic()
                functions.value("start_sync_idempotent", user)
                read_view(router, user)
                self.rounds.append(time.monotonic() - began_at)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is done takes no longer, apart from what others waited for the machine meanwhile."""
        before, began_at = len(self.rounds), time.monotonic()
        yield
        took, after = time.monotonic() - began_at, len(self.rounds)
        # Those that were under way are of that time, too.
        wait_until(lambda: len(self.rounds) > after + NODES)
        slowest = max(self.rounds[before:])
        assert took < seconds + TRIES * slowest


def check_outage(installation: Installation, functions: Session, router: Connection) -> None:
    """With the node down: its users get an error in time, the others what they asked for."""
    user = user_at(installation, DOWN, "clicks")
    with Others(installation) as others:
        for _ in range(2):
            with others.within(CALL_SECONDS):
                outage(lambda: functions.value("start_sync", user))
            with others.within(VIEW_SECONDS):
                outage(lambda: read_view(router, user))
        with others.within(CALL_SECONDS):
            health = functions.value("sync_health")
        assert {"node": DOWN, "healthy": False} in health["nodes"]
        assert any(
            reason.startswith(f"node {DOWN} cannot be asked") for reason in health["reasons"]
        )
        # Half a list would pass for the whole.
        with others.within(CALL_SECONDS):
            outage(lambda: functions.rows("list_running_syncs"))
        assert functions.value("schema_version")
    # They waited for nothing of that.
    assert len(others.rounds) >= 10


def succeeds(functions: Session, user: str) -> bool:
    try:
        functions.value("start_sync_idempotent", user)
    except psycopg.OperationalError:
        return False
    return True


def test_a_node_that_is_killed_and_comes_back(
    at_all_nodes: Installation, functions: Session, router: Connection
) -> None:
    user = user_at(at_all_nodes, DOWN, "kept")
    task_id = functions.value("start_sync_idempotent", user)
    node = at_all_nodes.nodes[DOWN]
    kill(node)
    try:
        check_outage(at_all_nodes, functions, router)
    finally:
        node.start()
    wait_until(lambda: succeeds(functions, user))
    # Its runs are as they were.
    assert functions.value("start_sync_idempotent", user) == task_id


def test_a_node_that_hangs(
    at_all_nodes: Installation, functions: Session, router: Connection
) -> None:
    user = user_at(at_all_nodes, DOWN, "hung")
    # pgbouncer has connections that were in use just before.
    functions.value("start_sync_idempotent", user)
    read_view(router, user)
    node = at_all_nodes.nodes[DOWN]
    signal_all(node, signal.SIGSTOP)
    try:
        check_outage(at_all_nodes, functions, router)
    finally:
        signal_all(node, signal.SIGCONT)
    wait_until(lambda: succeeds(functions, user))


def test_a_router_that_is_killed_and_restarted(
    at_all_nodes: Installation, functions: Session
) -> None:
    """What lives on the nodes goes on without it."""
    user = user_at(at_all_nodes, 1, "kept")
    task_id = functions.value("start_sync_idempotent", user)
    kill(at_all_nodes.router)
    try:
        assert not succeeds(functions, user)
        with closing(Session(at_all_nodes.node_urls[1], "test")) as direct:
            assert direct.value("claim_sync", uuid.uuid4()) == task_id
            assert direct.value("heartbeat", task_id)
    finally:
        at_all_nodes.router.start()
    wait_until(lambda: succeeds(functions, user))
    (run,) = functions.rows("sync_status", user)
    assert (run["task_id"], run["claimed_at"] is None) == (task_id, False)


def test_a_call_whose_answer_is_lost_can_be_repeated(
    at_all_nodes: Installation, functions: Session
) -> None:
    user = user_at(at_all_nodes, 1, "lost")
    with answer_withheld(at_all_nodes.nodes[1]) as is_asked, ThreadPoolExecutor(1) as threads:
        call = threads.submit(functions.value, "start_sync_idempotent", user)
        wait_until(is_asked)
        at_all_nodes.pgbouncer.kill()
        outage(call.result)
    # The node finished the call.
    with superuser(at_all_nodes.node_urls[1]) as node:
        wait_until(lambda: task_of(node, user))
        task_id = task_of(node, user)
    at_all_nodes.pgbouncer.start()
    assert functions.value("start_sync_idempotent", user) == task_id


def test_a_start_stays_when_its_transaction_rolls_back(at_all_nodes: Installation) -> None:
    user = user_at(at_all_nodes, 1, "undone")
    with superuser(at_all_nodes.router_url) as router:
        with router.transaction(force_rollback=True):
            router.execute("select gmail_sync.start_sync_idempotent(%s)", [user])
        with superuser(at_all_nodes.node_urls[1]) as node:
            assert task_of(node, user)


def test_a_router_that_was_not_told_of_a_move(
    at_all_nodes: Installation, functions: Session
) -> None:
    """The node refuses; nothing is made for a user who lives elsewhere."""
    user = user_at(at_all_nodes, 1, "moved")
    with superuser(at_all_nodes.node_urls[1]) as node:
        node.execute(
            "insert into gmail_sync.slot_elsewhere (slot) select gmail_sync._user_slot(%s)", [user]
        )
        try:
            with pytest.raises(UserElsewhere):
                functions.value("start_sync_idempotent", user)
            assert task_of(node, user) is None
        finally:
            node.execute(
                "delete from gmail_sync.slot_elsewhere where slot = gmail_sync._user_slot(%s)",
                [user],
            )


def test_a_node_whose_pg_cron_is_dead(at_all_nodes: Installation, functions: Session) -> None:
    """Health says which node it is, and a worker of the router reaps there."""
    url = at_all_nodes.node_urls[1]
    with connect(url, "test") as node, closing(Session(url, "test")) as direct:
        node.execute("update cron.job set active = false")
        try:
            wait_until(lambda: is_silent(node))
            task_id = zombie(direct, node, user_at(at_all_nodes, 1, "zombie"))
            reasons = functions.value("sync_health")["reasons"]
            assert any(each.startswith("node 1: pg_cron has not reaped") for each in reasons)
            assert functions.value("run_fallback_reaper") == 1
            (run,) = functions.rows("sync_run", task_id)
            assert run["outcome"] == "reaped"
        finally:
            node.execute("update cron.job set active = true")


def is_silent(node: psycopg.Connection[Row]) -> bool:
    """Whether pg_cron does nothing any more. What it still does is ended here."""
    ended = node.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'reap_loop'"
        " and pid <> pg_backend_pid()"
    ).rowcount
    beaten = node.execute(
        "update gmail_sync.reaper_beat set beat_at = beat_at - interval '10 min'"
        " where reaper = 'pg_cron' and beat_at > now() - interval '5 min'"
    ).rowcount
    return not ended and not beaten


def task_of(node: psycopg.Connection[tuple[object, ...]], user: str) -> str | None:
    row = node.execute(
        "select task_id from gmail_sync.user_sync_status where user_id = %s", [user]
    ).fetchone()
    return str(row[0]) if row else None


@contextmanager
def answer_withheld(node: Cluster) -> Iterator[Callable[[], bool]]:
    """A node that finishes no start until the end; the result says whether one waits."""
    waiting = (
        "select from pg_stat_activity"
        " where usename = 'gmail_sync_router' and wait_event_type = 'Lock'"
    )
    with (
        superuser(node.url()) as observer,
        superuser(node.url()) as holder,
        holder.transaction(),
    ):
        holder.execute("lock table gmail_sync.user_sync_status in share mode")
        yield lambda: bool(observer.execute(waiting).rowcount)


def kill(cluster: Cluster) -> None:
    """As kill -9 of the server."""
    cluster._shut_down([signal.SIGKILL])


def signal_all(node: Cluster, number: signal.Signals) -> None:
    """Signal the server and each process of it."""
    postmaster = int((Path(node.get_data_directory()) / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for process in (postmaster, *map(int, children)):
        os.kill(process, number)
