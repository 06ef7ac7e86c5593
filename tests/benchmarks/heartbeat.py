"""heartbeat() beside the bare UPDATE by primary key, and how many heartbeats are HOT.

Both sides use pgbench with its defaults over 8 connections and one login, fsync on. They run once
more with prepared statements, which save the UPDATE its planning; that has no bar. The clients
share 10,000 running runs: each sends heartbeats at random for its own.
"""

from collections.abc import Iterator
from functools import partial

from service.postgres.calls import Connection, connect
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import CLIENTS, Server, pgbench, running_server
from tests.benchmarks.turns import take_turns
from tests.functions.crowd import add_running_runs

RUNS = 10_000
ROUNDS = 3
SECONDS = 3

CALL = r"""
\set n random(1, {each}) * {clients} - :client_id
select gmail_sync.heartbeat('running-' || :n);
"""
BARE = r"""
\set n random(1, {each}) * {clients} - :client_id
update gmail_sync.user_sync_status set updated_at = clock_timestamp()
where task_id = 'running-' || :n;
"""


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, RUNS, ROUNDS, SECONDS)


def measured(server: Server, runs: int, rounds: int, seconds: int) -> Iterator[Figure]:
    own = {"each": runs // CLIENTS, "clients": CLIENTS}
    hot, updates = 0, 0

    def beat(prepared: bool) -> float:
        nonlocal hot, updates
        before = hot_and_all_updates(db)
        beats = pgbench(url, CALL.format(**own), seconds, prepared=prepared)
        after = hot_and_all_updates(db)
        hot, updates = hot + after[0] - before[0], updates + after[1] - before[1]
        return beats

    with server.database() as url, connect(url, "benchmark") as db:
        add_running_runs(db, runs)
        db.execute("vacuum (analyze) gmail_sync.user_sync_status")
        for name, prepared, bar in (("heartbeat", False, 0.90), ("heartbeat_prepared", True, None)):
            bare = partial(pgbench, url, BARE.format(**own), seconds, prepared=prepared)
            turns = take_turns(rounds, partial(beat, prepared), bare)
            yield Figure(
                name,
                f"`heartbeat`, 8 clients, {runs:,} running runs"
                + (", prepared statements" if prepared else ""),
                "the bare `UPDATE` by primary key",
                turns.ratio,
                bar=bar,
                details=turns.details("beats_a_second", "updates_a_second"),
            )
    yield Figure(
        "heartbeat_hot",
        "heartbeats that are HOT updates",
        "all of them",
        round(100 * hot / updates, 1),
        bar=95,
        unit="%",
        details={"hot": hot, "all": updates},
    )


def hot_and_all_updates(db: Connection) -> tuple[int, int]:
    """Of runs, since the database was made."""
    (row,) = db.execute(
        "select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables"
        " where relname = 'user_sync_status'"
    ).fetchall()
    return row["n_tup_hot_upd"], row["n_tup_upd"]
