"""A call through the router beside the same call at the node.

The node, the router and pgbouncer share the machine, fsync on. One client calls in turns here and
there, without prepared statements. CPU is that of the router's session and of pgbouncer
together. A latency includes the node's work, so the shorter a call, the dearer the way to it looks.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import NamedTuple
from unittest import SkipTest

import psycopg

from service import migrate
from service.demo.routed import superuser
from service.postgres.calls import Session
from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.turns import take_turns
from tests.cluster import Cluster
from tests.functions.conftest import claimed, listed, message, store, taken
from tests.functions.crowd import add_ended_runs
from tests.router.conftest import Installation, missing_package

ROUNDS = 5
CALLS = 300
USER = "ann"
MESSAGES = 2_000
RUNS = 10_000
BEGIN_MS = 1_700_000_000_000
# A page of a mailbox, as a list of mail shows it.
PAGE = """
select message_id, thread_id, internal_date, label_ids, subject, sender, snippet
from gmail_sync.messages where user_id = %s
order by internal_date desc, message_id desc limit 30
"""


class Call(NamedTuple):
    """A statement with one argument, and how many times the direct call it may take."""

    what: str
    statement: str
    bar: float


CALLS_OF = {
    "router_start": Call(
        "`start_sync_idempotent`", "select gmail_sync.start_sync_idempotent(%s)", 1.3
    ),
    "router_status": Call("`sync_status`", "select * from gmail_sync.sync_status(%s)", 1.3),
    "router_heartbeat": Call("`heartbeat`", "select gmail_sync.heartbeat(%s)", 2),
    "router_page": Call(f"30 of {MESSAGES:,} messages, by view", PAGE, 5),
}


class Routed(NamedTuple):
    """A node, its router and the processes between an application and the node."""

    node: psycopg.Connection[tuple[object, ...]]
    router: psycopg.Connection[tuple[object, ...]]
    processes: list[int]
    task_id: str


def measure() -> Iterator[Figure]:
    with Cluster() as node, Cluster() as router, routed(node, router) as way:
        yield from measured(way, ROUNDS, CALLS)


@contextmanager
def routed(node: Cluster, router: Cluster) -> Iterator[Routed]:
    """Clusters that have no gmail-sync yet become a node and its router."""
    if missing := missing_package(node):
        raise SkipTest(missing)
    migrate.upgrade(node.url())
    with (
        Installation.installed([node], router) as installation,
        superuser(node.url()) as direct,
        superuser(installation.router_url) as through,
    ):
        direct.prepare_threshold = through.prepare_threshold = None
        task_id = fill(node.url())
        # Plans made for empty tables would read them whole.
        add_ended_runs(direct, RUNS)
        direct.execute("vacuum analyze")
        processes = [through.info.backend_pid, installation.pgbouncer.pid]
        yield Routed(direct, through, processes, task_id)


def fill(url: str) -> str:
    """The task_id of a claimed run of a user with mail."""
    with closing(Session(url, "benchmark")) as functions:
        task_id = claimed(functions, USER)
        listed(functions, task_id, *(f"{number:05}" for number in range(MESSAGES)))
        while batch := taken(functions, task_id, 100):
            dated = [message(each, internal_date=f"{BEGIN_MS + int(each)}") for each in batch]
            store(functions, task_id, *dated)
    return task_id


def measured(way: Routed, rounds: int, calls: int) -> Iterator[Figure]:
    new_user = itertools.count()
    arguments: dict[str, Callable[[], str]] = {
        "router_start": lambda: f"new-user-{next(new_user)}",
        "router_heartbeat": lambda: way.task_id,
    }
    for name, call in CALLS_OF.items():
        argument = arguments.get(name, lambda: USER)
        cpu: list[float] = []

        through = partial(routed_ms, way, cpu, call.statement, argument, calls)
        direct = partial(median_ms, way.node, call.statement, argument, calls)
        turns = take_turns(rounds, through, direct)
        yield Figure(
            name,
            f"{call.what}, through the router",
            "the same call at the node",
            turns.ratio,
            bar=call.bar,
            direction="at most",
            details={
                **turns.details("routed_ms", "direct_ms"),
                "router_cpu_ms": round(statistics.median(cpu), 3),
            },
        )


def routed_ms(
    way: Routed, cpu: list[float], statement: str, argument: Callable[[], str], calls: int
) -> float:
    """The median latency; the CPU time of a call, in ms, is added to `cpu`."""
    before = cpu_seconds(way.processes)
    latency = median_ms(way.router, statement, argument, calls)
    cpu.append((cpu_seconds(way.processes) - before) / calls * 1000)
    return latency


def median_ms(
    connection: psycopg.Connection[tuple[object, ...]],
    statement: str,
    argument: Callable[[], str],
    calls: int,
) -> float:
    seconds: list[float] = []
    for _ in range(calls):
        given = argument()
        began = time.perf_counter()
        connection.execute(statement.encode(), [given]).fetchall()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000
