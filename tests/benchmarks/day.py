"""A day of a busy installation in fast motion: do tables and indexes stop growing?

Each account syncs 96 times, as in a day with a sync each quarter of an hour. In one of a hundred
accounts each sync finds a message that replaces another. Five more runs last all day. All times
shrink with the day: intervals, passes of schedule and reaper, the quota's window. History is kept
for an eighth of the day. Autovacuum looks each second, its shortest time. That is 24 minutes in a
day of a minute, where it looks each minute in a real one.

The growth of a table or index compares its largest sizes in neighbouring quarters of the day, from
the second on. The smaller of the two ratios counts: a late vacuum makes one step, which is not
growth. It is near 1 only if autovacuum keeps up. The smallest are left out, because a page more or
less is much of them.
"""

import json
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise

from service import migrate
from service.postgres.calls import Connection, connect, connection_string
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import pgbench
from tests.cluster import fast_cluster
from tests.functions.conftest import message, only

ACCOUNTS = 400
SECONDS = 60
SYNCS = 96
PASSES_A_SYNC = 15
LASTING = 5
SMALL = 16 * 8192
AUTOVACUUM = {"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "0"}
DATABASE = "day"
WORKER = "00000000-0000-0000-0000-000000000009"

RUN = r"""
select coalesce(max(task_id), '') as task, count(*) as claimed, floor(random() * 10)::int as n,
  (coalesce(max(user_id), '') ~ '00$')::int as mail,
  floor(extract(epoch from clock_timestamp()) * 1000000) as deleted,
  floor(extract(epoch from clock_timestamp()) * 1000000) + 1 as added
from gmail_sync.claim_sync(('00000000-0000-0000-0000-00000000000' || :client_id)::uuid) \gset
\if :claimed
select gmail_sync.heartbeat(':task');
select gmail_sync.reserve_run_quota(':task', '[{"method": "labels.list"}]');
select gmail_sync.reserve_run_quota(':task', '[{"method": "history.list"}]');
\if :mail
select gmail_sync.apply_history(':task', '{deletion}');
select gmail_sync.apply_history(':task', '{addition}', :added);
select gmail_sync.store_labels(':task', '{labels}');
select * from gmail_sync.take_messages(':task');
select gmail_sync.store_messages(':task', '{mail}', '{nothing}');
\else
select gmail_sync.apply_history(':task', '[]', :added);
select gmail_sync.store_labels(':task', '{labels}');
\endif
select gmail_sync.heartbeat(':task');
select gmail_sync.release_sync(':task');
\else
\sleep 20 ms
\endif
"""


FILL = """
insert into gmail_sync.account
  (user_id, email, credentials, history_id, watched_at, verified, sync_interval)
select 'account-' || n, 'account-' || n || '@mail.example', 'sealed', 1, now(), true,
  case when n > 0 then %s * interval '1 s' end
from generate_series(1 - %s, %s) n
"""
SHORTEN = (
    "alter table gmail_sync.account drop constraint interval_is_a_minute_or_more",
    "update gmail_sync.settings set history_retention = {day} * interval '1 s' / 8",
    "update gmail_sync.quota_profile set project_units = 2000000000, user_units = 2000000000,"
    " window_length = window_length * {day} / 86400 where project_units is not null",
)
SIZES = """
select relname as name, pg_relation_size(oid) as size
from pg_class
where relnamespace = 'gmail_sync'::regnamespace and relkind in ('r', 'i')
"""
# In the order in which a pass makes them. The last is made in one pass of ten.
PASS = (
    "select gmail_sync.enqueue_due_syncs(1000)",
    "select gmail_sync.run_reaper('pg_cron')",
    "select gmail_sync.index_messages()",
    f"select gmail_sync.worker_heartbeat('{WORKER}', '1', 8)",
    "select gmail_sync.prune_sync_history()",
)
HOT = "select pg_stat_get_xact_tuples_hot_updated('gmail_sync.user_sync_status'::regclass)"
CLAIM = f"select task_id from gmail_sync.claim_sync('{WORKER}')"
RUNS = "select pg_stat_get_tuples_inserted('gmail_sync.user_sync_status'::regclass)"


@dataclass(frozen=True)
class Day:
    """`sizes` has bytes of each table and index along the day, `hot` the share of the lasting runs'
    heartbeats in percent."""

    runs: int
    hot: float
    sizes: dict[str, list[int]]

    @property
    def growth(self) -> dict[str, float]:
        quarters = {name: of_quarters(sizes) for name, sizes in self.sizes.items()}
        return {
            name: round(min(third / second, last / third), 3)
            for name, (_, second, third, last) in quarters.items()
            if second > SMALL
        }


def of_quarters(sizes: list[int]) -> list[int]:
    """The largest of each quarter."""
    ends = [len(sizes) * quarter // 4 for quarter in range(5)]
    return [max(sizes[begin:end]) for begin, end in pairwise(ends)]


def measure() -> Iterator[Figure]:
    with migrated_cluster() as url:
        day = live(url, ACCOUNTS, SECONDS)
    most = max(day.growth, key=day.growth.__getitem__)
    yield Figure(
        "day_growth",
        f"`{most}`, which grew most of all tables and indexes in a day with {day.runs:,} runs",
        "a quarter of the day before",
        day.growth[most],
        bar=1.2,
        direction="at most",
        details=dict(day.growth),
    )
    yield Figure(
        "day_hot",
        "heartbeats of that day that are HOT updates",
        "all of them",
        day.hot,
        bar=95,
        unit="%",
    )


@contextmanager
def migrated_cluster() -> Iterator[str]:
    """The superuser's URL of a database whose autovacuum is in a hurry."""
    with fast_cluster(AUTOVACUUM) as cluster:
        cluster.create_database(DATABASE)
        migrate.upgrade(cluster.url(DATABASE))
        yield cluster.url(DATABASE)


def live(url: str, accounts: int, seconds: int) -> Day:
    """A day of so many accounts, in so many seconds."""
    with connect(url, "benchmark") as db, ThreadPoolExecutor(1) as pool:
        begin(db, accounts, seconds)
        lasting = [only(db, CLAIM) for _ in range(LASTING)]
        workers = pool.submit(pgbench, connection_string(url, "worker"), script(), seconds)
        beats: list[bool] = []
        samples: list[dict[str, int]] = []
        for number in count():
            for statement in PASS if number % 10 == 0 else PASS[:-1]:
                db.execute(statement.encode())
            beats.extend(is_hot(db, task_id) for task_id in lasting)
            samples.append({row["name"]: row["size"] for row in db.execute(SIZES)})
            if workers.done():
                break
            time.sleep(seconds / SYNCS / PASSES_A_SYNC)
        workers.result()
        return Day(
            only(db, RUNS),
            100 * statistics.mean(beats),
            {name: [each[name] for each in samples] for name in samples[0]},
        )


def begin(db: Connection, accounts: int, seconds: int) -> None:
    """Accounts that are all due, settings as short as the day, and the lasting runs."""
    for statement in SHORTEN:
        db.execute(statement.format(day=seconds).encode())
    db.execute(FILL, [seconds / SYNCS, LASTING, accounts])
    for n in range(LASTING):
        db.execute("select gmail_sync.start_sync_idempotent(%s)", [f"account-{-n}"])


def is_hot(db: Connection, task_id: str) -> bool:
    """Whether a heartbeat, which is sent here, is a HOT update."""
    with db.transaction():
        before = only(db, HOT)
        db.execute("select gmail_sync.heartbeat(%s)", [task_id])
        return bool(only(db, HOT) - before)


def script() -> str:
    ids = {"id": "m-:n", "threadId": "t"}
    mail = message("m-:n", "INBOX", history_id=":added")
    texts = {
        "deletion": [{"id": ":deleted", "messagesDeleted": [{"message": ids}]}],
        "addition": [{"id": ":added", "messagesAdded": [{"message": ids}]}],
        "labels": [{"id": each, "name": each, "type": "system"} for each in ("INBOX", "UNREAD")],
        "mail": [mail],
    }
    text = RUN.replace("{nothing}", "{null}")
    for name, value in texts.items():
        text = text.replace(f"{{{name}}}", json.dumps(value))
    return text
