"""What a call costs in installations of three sizes.

Of each size are the accounts, the queued and the ended runs, and the messages of one mailbox. A
thousand runs are running in each. Nothing is due by schedule, and nothing is to be reaped. The
databases take turns over one connection like the service's. A turn is the median time of some
calls, each of which is rolled back. Autovacuum has done its work.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from service.postgres.calls import Connection, connect
from tests.benchmarks.figure import Figure
from tests.benchmarks.growth import median_ms
from tests.benchmarks.postgres import Server, running_server
from tests.benchmarks.turns import Turns
from tests.functions.crowd import add_accounts, add_ended_runs, add_queued_runs, add_running_runs

SIZES = (1_000, 10_000, 100_000)
RUNNING = 1_000
ROUNDS = 5
CALLS = 15
# By name: the call, the statement, and the bar.
STATEMENTS = {
    "schedule": ("`enqueue_due_syncs`, nothing due", "select gmail_sync.enqueue_due_syncs()", 1.5),
    "heartbeat": ("`heartbeat`", "select gmail_sync.heartbeat('running-7')", 1.5),
    "start": ("`start_sync_idempotent`", "select gmail_sync.start_sync_idempotent('new')", 1.5),
    "claim": ("`claim_sync`", "select * from gmail_sync.claim_sync(gen_random_uuid())", 1.5),
    "reap": (
        "`reap_zombie_syncs`, nothing to reap",
        "select * from gmail_sync.reap_zombie_syncs()",
        1.5,
    ),
    "health": ("`sync_health`, which the metrics read", "select gmail_sync.sync_health()", 2),
    "running": ("`list_running_syncs`", "select * from gmail_sync.list_running_syncs()", 2),
    "messages": ("`count_messages`", "select * from gmail_sync.count_messages('owner')", 2),
}
MAILBOX = """
insert into gmail_sync.message (
  user_id, message_id, thread_id, history_id, internal_date, label_ids, headers, snippet,
  size_estimate, change_number
)
select 'owner', 'm-' || n, 't-' || n, 1, now() - n * interval '1 min', '{}', '[]', '', 1000, n
from generate_series(1, %s) n
"""


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, SIZES, RUNNING, ROUNDS, CALLS)


def measured(
    server: Server, sizes: Sequence[int], running: int, rounds: int, calls: int
) -> Iterator[Figure]:
    with ExitStack() as down:
        databases = [filled(server, down, size, running) for size in sizes]
        for name, (call, statement, bar) in STATEMENTS.items():
            taken = [
                [median_ms(db, statement, calls) for db in databases] for _ in range(rounds + 1)
            ][1:]  # the first is a warm-up
            of_each_size = list(zip(*taken, strict=True))
            yield Figure(
                f"size_{name}",
                f"{call}, {sizes[-1]:,} accounts",
                f"with {sizes[0]:,}",
                Turns(list(of_each_size[-1]), list(of_each_size[0])).ratio,
                bar=bar,
                direction="at most",
                details={
                    "call": call,
                    "sizes": list(sizes),
                    "ms": [round(statistics.median(times), 3) for times in of_each_size],
                },
            )


def filled(server: Server, down: ExitStack, size: int, running: int) -> Connection:
    db = down.enter_context(connect(down.enter_context(server.database()), "benchmark"))
    db.execute("set statement_timeout = 0")
    # Those that run do not beat, and must outlive what is measured.
    db.execute("update gmail_sync.settings set heartbeat_timeout = '1 h', stall_timeout = '1 h'")
    add_ended_runs(db, size)
    add_queued_runs(db, size)
    add_running_runs(db, running)
    add_accounts(db, size)
    db.execute(MAILBOX, [size])
    db.execute("vacuum (analyze)")
    db.execute("checkpoint")
    return db
