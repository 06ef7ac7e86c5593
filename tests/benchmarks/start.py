"""start_sync_idempotent beside the bare INSERT that it needs.

Both sides use pgbench with its defaults over 8 connections and one login, fsync on. The INSERT
creates the row that a start creates, column for column, or meets the user's active run. It does not
return the run it met, checks no argument and wakes no worker. Distinct users: each call creates a
run. Hot users: ten, so nearly each call finds one.

Starts outrun any workers here, so a run already waits, as in most of such a rush. Before that,
workers are woken by NOTIFY. Commits that notify wait for one another in Postgres until the WAL is
on disk, so no two of them share an fsync. That is start_waking, which has no bar: a start cannot
know that a worker woken by another has not looked already. Prepared statements have none either:
they save the INSERT its planning, which the function never repeats.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from service.postgres.calls import connect
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import Server, pgbench, running_server
from tests.benchmarks.turns import take_turns

ROUNDS = 5
SECONDS = 3
# Shorter than it takes until a run that waits is seen as waiting.
WAKING_SECONDS = 2
MANY = 1_000_000_000


class Shape(NamedTuple):
    called: str
    users: int
    queue_stands: bool = True
    prepared: bool = False
    bar: float | None = 0.90


SHAPES = {
    "start_distinct": Shape("distinct users", MANY),
    "start_hot": Shape("10 hot users", 10),
    "start_prepared": Shape("distinct users, prepared statements", MANY, prepared=True, bar=None),
    "start_waking": Shape("distinct users, waking workers", MANY, queue_stands=False, bar=None),
}

CALL = r"""
\set u random(1, {users})
select gmail_sync.start_sync_idempotent('user-' || :u);
"""
# As _start_sync does it.
BARE = r"""
\set u random(1, {users})
insert into gmail_sync.user_sync_status
  (task_id, user_id, sync_type, source, phase, started_at, updated_at, not_before, claimed_at)
values (
  format(
    'sync_%s_%s_%s', 'user-' || :u, left(gen_random_uuid()::text, 8),
    floor(extract(epoch from clock_timestamp()))
  ),
  'user-' || :u, 'full', 'sql', 'queued',
  clock_timestamp(), clock_timestamp(), clock_timestamp(), null
)
on conflict do nothing;
"""

STANDING = """
insert into gmail_sync.user_sync_status
  (task_id, user_id, phase, started_at, not_before, claimed_at)
values ('standing', 'standing', 'queued', now() - interval '1 min', now() - interval '1 min', null)
"""


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, ROUNDS, SECONDS)


def measured(server: Server, rounds: int, seconds: int) -> Iterator[Figure]:
    with server.database() as url:
        for name, shape in SHAPES.items():
            call, bare = (partial(starts, url, script, shape, seconds) for script in (CALL, BARE))
            turns = take_turns(rounds, call, bare)
            yield Figure(
                name,
                f"`start_sync_idempotent`, {shape.called}, 8 clients",
                "the bare `INSERT … ON CONFLICT DO NOTHING`",
                turns.ratio,
                bar=shape.bar,
                details=turns.details("calls_a_second", "inserts_a_second"),
            )


def starts(url: str, script: str, shape: Shape, seconds: int) -> float:
    """How many a second, of users who have no run yet."""
    with connect(url, "benchmark") as db:
        db.execute("truncate gmail_sync.user_sync_status")
        if shape.queue_stands:
            db.execute(STANDING)
        db.execute("checkpoint")
    seconds = seconds if shape.queue_stands else min(seconds, WAKING_SECONDS)
    return pgbench(url, script.format(users=shape.users), seconds, prepared=shape.prepared)
