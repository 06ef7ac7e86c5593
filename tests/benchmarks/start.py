"""start_sync_idempotent beside the bare INSERT it cannot do without.

pgbench with prepared statements over 8 connections, fsync on, both sides as the same login and
from an empty table. The INSERT makes the row that a start makes, column for column, or meets the
user's running run; it says nothing of the run it met, checks no argument, tells no worker.
Distinct users: each call makes a run. Hot users: ten, so that nearly each call finds one.
"""

from collections.abc import Iterator
from functools import partial

from service.database import connect
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import Server, pgbench, running_server
from tests.benchmarks.turns import take_turns

ROUNDS = 5
SECONDS = 4
# name: (what it is called, how many users there are)
SHAPES = {"start_distinct": ("distinct users", 1_000_000_000), "start_hot": ("10 hot users", 10)}

CALL = r"""
\set u random(1, {users})
select gmail_sync.start_sync_idempotent('user-' || :u);
"""
# As _queue_run does it.
BARE = r"""
\set u random(1, {users})
insert into gmail_sync.user_sync_status
  (task_id, user_id, sync_type, source, phase, started_at, updated_at, not_before, claimed_at)
values (
  format(
    'sync_%s_%s_%s', 'user-' || :u, left(md5(gen_random_uuid()::text), 8),
    floor(extract(epoch from clock_timestamp()))
  ),
  'user-' || :u, 'full', 'sql', 'queued',
  clock_timestamp(), clock_timestamp(), clock_timestamp(), null
)
on conflict do nothing;
"""


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, ROUNDS, SECONDS)


def measured(server: Server, rounds: int, seconds: int) -> Iterator[Figure]:
    with server.database() as url:
        for name, (users_called, users) in SHAPES.items():
            call, bare = (
                partial(starts, url, script.format(users=users), seconds) for script in (CALL, BARE)
            )
            turns = take_turns(rounds, call, bare)
            yield Figure(
                name,
                f"`start_sync_idempotent`, {users_called}, 8 clients",
                "the bare `INSERT … ON CONFLICT DO NOTHING`",
                turns.ratio,
                bar=0.80,
                details=turns.details("calls_a_second", "inserts_a_second"),
            )


def starts(url: str, script: str, seconds: int) -> float:
    """How many a second, from an empty table on."""
    with connect(url, "benchmark") as db:
        db.execute("truncate gmail_sync.user_sync_status")
        db.execute("checkpoint")
    return pgbench(url, script, seconds)
