"""What the functions that read all runs cost as ended runs pile up.

Three databases have 10,000 running runs, every tenth still queued. They have 1,000, 100,000 and
1,000,000 ended runs, spread over the retention time, vacuumed and analyzed. They take turns. A turn
is the median time of some calls over one connection like the service's. Each call is rolled back,
so all find the same: nine zombies to reap, a thousand queued runs to claim from. No commit waits
for the disk, because that would only hide what grows.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

from service.postgres.calls import Connection, connect
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import Server, running_server
from tests.benchmarks.turns import Turns
from tests.functions.crowd import add_ended_runs, add_running_runs

ENDED = (1_000, 100_000, 1_000_000)
RUNNING = 10_000
ZOMBIES = 9
ROUNDS = 5
CALLS = 10
STATEMENTS = {
    "reap": ("`reap_zombie_syncs`", "select * from gmail_sync.reap_zombie_syncs()"),
    "health": ("`sync_health`", "select gmail_sync.sync_health()"),
    "claim": ("`claim_sync`", "select * from gmail_sync.claim_sync(gen_random_uuid())"),
}


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, ENDED, RUNNING, ROUNDS, CALLS)


def measured(
    server: Server, ended: tuple[int, int, int], running: int, rounds: int, calls: int
) -> Iterator[Figure]:
    with ExitStack() as down:
        databases = [filled(server, down, each, running) for each in ended]
        for name, (function, statement) in STATEMENTS.items():
            taken = [
                [median_ms(db, statement, calls) for db in databases] for _ in range(rounds + 1)
            ][1:]  # the first is a warm-up
            few, some, many = ([turn[size] for turn in taken] for size in range(len(ended)))
            turns = Turns(many, few)
            yield Figure(
                f"growth_{name}",
                f"{function} with {ended[2]:,} ended runs",
                f"with {ended[0]:,}; {running:,} running in both",
                turns.ratio,
                bar=1.5,
                direction="at most",
                details={
                    **turns.details("many_ended_ms", "few_ended_ms"),
                    "some_ended_ms": round(statistics.median(some), 3),
                },
            )


def filled(server: Server, down: ExitStack, ended: int, running: int) -> Connection:
    db = down.enter_context(connect(down.enter_context(server.database()), "benchmark"))
    db.execute("set statement_timeout = 0")
    add_ended_runs(db, ended)
    add_running_runs(db, running, queued=True)
    # Those that run do not beat, and must outlive what is measured.
    db.execute("update gmail_sync.settings set heartbeat_timeout = '1 h', stall_timeout = '1 h'")
    db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '2 h'"
        " where task_id = any (select 'running-' || n from generate_series(1, %s) n)",
        [ZOMBIES],
    )
    db.execute("vacuum (analyze)")
    db.execute("checkpoint")
    return db


def median_ms(db: Connection, statement: str, calls: int) -> float:
    """The median time of so many calls, each of which is undone."""
    seconds = []
    for _ in range(calls):
        with db.transaction(force_rollback=True):
            began = time.perf_counter()
            db.execute(statement.encode()).fetchall()
            seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)
