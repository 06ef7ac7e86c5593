"""A click, asked from Python over 8 connections: ours beside the two job queues for Postgres.

Both sides run in one environment and through one driver: beside procrastinate psycopg in threads,
beside pgqueuer asyncpg in tasks, each the faster of its two ways. Each turn starts with an empty
database of one cluster, fsync on, nobody working. Distinct users: each request makes a job. Hot
users: ten, so that all but the first ten requests meet a job that is there already.

What is asked for is not quite the same. Ours answers with the task_id of the run that does it,
be it queued, running, or a zombie's successor. procrastinate's queueing_lock holds for jobs that
wait, not for one that runs, and says by an exception that there is one; pgqueuer's dedupe_key
(on_conflict="skip") holds for both, and says nothing of the job that is there.
"""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Installation, installed
from tests.benchmarks.peers.database import peer_database
from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.turns import take_turns

# The driver each peer is asked through, and how.
PEERS = {
    "procrastinate": ("psycopg", "procrastinate `defer` with `queueing_lock`"),
    "pgqueuer": ("asyncpg", "pgqueuer `enqueue` with `dedupe_key`"),
}
KINDS = {"distinct": "distinct users", "hot": "10 hot users"}
ROUNDS = 3
SECONDS = 3


def measure() -> Iterator[Figure]:
    queues = Environment("queues")
    queues.install()
    with installed() as installation:
        yield from measured(queues, installation, ROUNDS, SECONDS)


def measured(
    queues: Environment, installation: Installation, rounds: int, seconds: float
) -> Iterator[Figure]:
    for kind, users in KINDS.items():
        for peer, (driver, call) in PEERS.items():
            turns = take_turns(
                rounds,
                partial(ours, queues, installation, driver, kind, seconds),
                partial(theirs, queues, installation, peer, kind, seconds),
                warm_up=False,
            )
            yield Figure(
                f"start_python_{kind}_{peer}",
                f"`start_sync_idempotent` from Python ({driver}), {users}, 8 connections",
                call,
                turns.ratio,
                bar=1.5,
                details=turns.details("calls_a_second", f"{peer}_a_second"),
            )


def ours(
    queues: Environment, installation: Installation, driver: str, kind: str, seconds: float
) -> float:
    with installation.database() as database:
        rate: float = queues.run("plain_sql", driver, database.url, kind, str(seconds))
    return rate


def theirs(
    queues: Environment, installation: Installation, peer: str, kind: str, seconds: float
) -> float:
    with peer_database(installation.cluster, queues, peer) as url:
        rate: float = queues.run(peer, "ask", url, kind, str(seconds))
    return rate
