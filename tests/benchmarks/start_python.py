"""A click, sent from Python over 8 connections: ours beside the two job queues for Postgres.

Both sides run in one environment and through one driver. Beside procrastinate that is psycopg in
threads, beside pgqueuer asyncpg in tasks. Each is the faster of its two ways. Each turn starts with
an empty database of one cluster, fsync on, without workers. Its first four seconds are not counted.
Distinct users: each request creates a job. Hot users: ten, so nearly all requests meet a job.

Commits that notify wait for one another, in all three. Ours notifies unless a run has been due for
3 s. Then all workers are busy and will look for work themselves. So this measures a backlog.

The three requests are not quite the same. Ours returns the task_id of the run that does the work,
whether it is queued, running, or a zombie's successor. procrastinate's queueing_lock holds for jobs
that wait, not for one that runs, and raises an exception if there is one. pgqueuer's dedupe_key
(on_conflict="skip") holds for both, and returns nothing about the job that exists.
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
ROUNDS = 5
WARM_UP_SECONDS = 4
SECONDS = 2


def measure() -> Iterator[Figure]:
    queues = Environment("queues")
    queues.install()
    with installed() as installation:
        yield from measured(queues, installation, ROUNDS, WARM_UP_SECONDS, SECONDS)


def measured(
    queues: Environment, installation: Installation, rounds: int, warm_up: float, seconds: float
) -> Iterator[Figure]:
    stretch = (f"{warm_up}", f"{seconds}")
    for kind, users in KINDS.items():
        for peer, (driver, call) in PEERS.items():
            turns = take_turns(
                rounds,
                partial(ours, queues, installation, driver, kind, *stretch),
                partial(theirs, queues, installation, peer, kind, *stretch),
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
    queues: Environment, installation: Installation, driver: str, kind: str, *stretch: str
) -> float:
    with installation.database() as database:
        rate: float = queues.run("plain_sql", driver, database.url, kind, *stretch)
    return rate


def theirs(
    queues: Environment, installation: Installation, peer: str, kind: str, *stretch: str
) -> float:
    with peer_database(installation.cluster, queues, peer) as url:
        rate: float = queues.run(peer, "ask", url, kind, *stretch)
    return rate
