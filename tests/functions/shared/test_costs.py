"""What a call reads does not grow with the installation: with a hundred times as many accounts and
queued runs it reads as many rows. Operators read no more than they ask for, whatever the planner's
statistics say."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service import migrate
from service.postgres.calls import Connection, connect
from tests.cluster import Cluster
from tests.functions.conftest import only
from tests.functions.crowd import add_accounts, add_crowd, add_ended_runs, add_queued_runs

pytestmark = pytest.mark.gate

FEW, MANY = 1_000, 100_000
CLAIM = "select * from gmail_sync.claim_sync(gen_random_uuid())"
WORKERS = 50


@contextmanager
def filled(cluster: Cluster, size: int) -> Iterator[str]:
    name = f"of_{size}"
    cluster.create_database(name)
    migrate.upgrade(cluster.url(name))
    with connect(cluster.url(name), "test") as db:
        db.execute("set statement_timeout = 0")
        add_queued_runs(db, size)
        add_accounts(db, size)
        db.execute("vacuum (analyze)")
    yield cluster.url(name)
    cluster.drop_database(name)


@pytest.fixture(scope="module")
def sizes(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A small and a large installation."""
    with filled(cluster, FEW) as few, filled(cluster, MANY) as many:
        yield few, many


def rows_read(db: Connection, statement: str) -> int:
    """Rows of tables that a call visits, in a transaction that is undone."""
    counted = """
        select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint
        from pg_stat_xact_user_tables where schemaname = 'gmail_sync'
    """
    with db.transaction(force_rollback=True):
        before = only(db, counted)
        db.execute(statement.encode())
        return int(only(db, counted) - before)


def of_both(sizes: tuple[str, str], act: Callable[[str], int]) -> tuple[int, int]:
    few, many = map(act, sizes)
    return few, many


@pytest.mark.parametrize(
    "queue",
    [
        "true",
        # What is due has the last rank.
        "source <> 'push'",
        # Nothing is due.
        "source = 'resume'",
    ],
)
def test_a_claim_reads_as_many_rows_of_any_queue(sizes: tuple[str, str], queue: str) -> None:
    def claim(url: str) -> int:
        with connect(url, "test") as db, db.transaction(force_rollback=True):
            db.execute(f"delete from gmail_sync.user_sync_status where not ({queue})".encode())
            return rows_read(db, CLAIM)

    few, many = of_both(sizes, claim)
    assert many <= few + 5 <= 50


def test_a_claim_among_many_workers_reads_no_more_than_they_hold(sizes: tuple[str, str]) -> None:
    def claim(url: str) -> int:
        with ExitStack() as others, connect(url, "test") as db:
            for _ in range(WORKERS - 1):
                other = others.enter_context(connect(url, "worker"))
                others.enter_context(other.transaction(force_rollback=True))
                assert other.execute(CLAIM.encode()).fetchone()
            return rows_read(db, CLAIM)

    few, many = of_both(sizes, claim)
    assert many <= few + 5 <= 3 * WORKERS


@pytest.mark.parametrize("due", [0, 20])
def test_a_pass_of_the_schedule_reads_as_many_rows_of_any_number_of_accounts(
    sizes: tuple[str, str], due: int
) -> None:
    def enqueue(url: str) -> int:
        with connect(url, "test") as db, db.transaction(force_rollback=True):
            db.execute(
                "update gmail_sync.account set watched_at = now() - interval '25 hours'"
                " where user_id = any (select 'account-' || n from generate_series(1, %s) n)",
                [due],
            )
            return rows_read(db, "select gmail_sync.enqueue_due_syncs()")

    # A small table is read from end to end.
    few, many = of_both(sizes, enqueue)
    assert many <= few + 5
    assert many <= 20 + 40 * due


def test_a_reaper_with_nothing_to_reap_does_not_read_the_queue(sizes: tuple[str, str]) -> None:
    def reap(url: str) -> int:
        with connect(url, "test") as db:
            return rows_read(db, "select * from gmail_sync.reap_zombie_syncs()")

    _, many = of_both(sizes, reap)
    assert many <= 20


# What operators ask for, and how many rows that may visit: a page of 50 has up to 40 for each.
A_PAGE = 50 * 41 + 200
READS = {
    "runs": "select * from gmail_sync.list_running_syncs(50)",
    "runs, next page": "select * from gmail_sync.list_running_syncs(50, 'running-user-5')",
    "the run of a user": "select * from gmail_sync.list_running_syncs(p_user_id => 'running-5')",
    "runs of a worker": (
        "select * from gmail_sync.list_running_syncs(50, p_worker => left(md5('7'), 8))"
    ),
    "accounts": "select * from gmail_sync.list_accounts(p_limit => 50, p_after => 'account-5')",
    "one account": "select * from gmail_sync.list_accounts('account-7')",
    "a refused account": (
        "select * from gmail_sync.list_accounts_to_reconnect(50, p_user_id => 'account-7')"
    ),
    "workers": "select * from gmail_sync.list_workers(50)",
    "refused accounts": "select * from gmail_sync.list_accounts_to_reconnect(50)",
    "refused accounts, next page": (
        "select * from gmail_sync.list_accounts_to_reconnect(50, 'refused-5')"
    ),
    "dead letters": "select * from gmail_sync.list_dead_letters(50)",
    "dead letters, next page": "select * from gmail_sync.list_dead_letters(50, 'dead-user-5')",
    "messages": "select * from gmail_sync.count_messages('reader')",
}
# What a worker or a person asks of a single run.
ASKED_OF_A_RUN = (
    "heartbeat('running-7')", "report_progress('running-7', now())",
    "release_sync('running-7')", "cancel_sync('running-7')",
    "handover_sync('running-7', 'stop', null, false)",
)  # fmt: skip
# Searches for zombies, of which there are none. They read so many runs, first their users and then
# the runs themselves.
BY_CAUSE = {
    "zombies": "select * from gmail_sync.list_running_syncs(50, p_cause => 'zombie')",
    "zombies, next page": (
        "select * from gmail_sync.list_running_syncs(50, 'queued-user-5', p_cause => 'zombie')"
    ),
    "where the next page begins": "select gmail_sync.running_syncs_read_to(50)",
}
READ_BY_CAUSE = 2 * 3_000 + 200
HEALTH = "select gmail_sync.sync_health()"
# Health counts so many rows at most of each of seven kinds, and looks at the claimed runs.
COUNTED = 10 * 3_001 + 200


def fill(db: Connection, size: int, known: str) -> None:
    """A crowd, and what the planner knows of it."""
    if known == "of empty tables":
        db.execute("vacuum (analyze)")
    elif known == "of ended runs":
        add_ended_runs(db, 10 * FEW)
        db.execute("vacuum (analyze)")
    add_crowd(db, size)
    if known == "true":
        db.execute("vacuum (analyze)")


@pytest.fixture(scope="module", params=["true", "unknown", "of empty tables", "of ended runs"])
def crowds(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A small and a large installation, with statistics of any age."""
    with ExitStack() as down:
        urls = []
        for size in (FEW, MANY):
            name = f"crowd_of_{size}"
            cluster.create_database(name)
            down.callback(cluster.drop_database, name)
            urls.append(cluster.url(name))
            migrate.upgrade(urls[-1])
            with connect(urls[-1], "test") as db:
                db.execute("set statement_timeout = 0")
                for row in db.execute(
                    "select relname from pg_class where relkind = 'r'"
                    " and relnamespace = 'gmail_sync'::regnamespace"
                ).fetchall():
                    db.execute(
                        f"alter table gmail_sync.{row['relname']}"
                        " set (autovacuum_enabled = off)".encode()
                    )
                fill(db, size, request.param)
        yield urls[0], urls[1]


@pytest.mark.parametrize("read", READS)
def test_operators_read_no_more_than_they_ask_for(crowds: tuple[str, str], read: str) -> None:
    def ask(url: str) -> int:
        with connect(url, "test") as db:
            return rows_read(db, READS[read])

    _, many = of_both(crowds, ask)
    assert many <= A_PAGE


@pytest.mark.parametrize("call", ASKED_OF_A_RUN)
def test_a_run_is_found_without_reading_others(crowds: tuple[str, str], call: str) -> None:
    def ask(url: str) -> int:
        with connect(url, "test") as db:
            return rows_read(db, f"select gmail_sync.{call}")

    _, many = of_both(crowds, ask)
    assert many <= 20


@pytest.mark.parametrize("read", BY_CAUSE)
def test_a_search_by_cause_reads_a_part_of_the_runs(crowds: tuple[str, str], read: str) -> None:
    def ask(url: str) -> int:
        with connect(url, "test") as db:
            return rows_read(db, BY_CAUSE[read])

    _, many = of_both(crowds, ask)
    assert many <= READ_BY_CAUSE


def test_health_costs_as_much_in_any_installation(crowds: tuple[str, str]) -> None:
    def rows(url: str) -> int:
        with connect(url, "test") as db:
            return rows_read(db, HEALTH)

    few, many = of_both(crowds, rows)
    assert many <= COUNTED
    few, many = of_both(crowds, lambda url: cpu_microseconds(url, HEALTH))
    assert many <= 2 * few


def cpu_microseconds(url: str, statement: str) -> int:
    """What a call takes of a processor, whatever else the machine does: the median."""
    with connect(url, "test") as db:
        used = Path(f"/proc/{db.info.backend_pid}/schedstat")

        def taken() -> int:
            before = int(used.read_text().split()[0])
            db.execute(statement.encode()).fetchall()
            return (int(used.read_text().split()[0]) - before) // 1000

        return statistics.median_low(taken() for _ in range(11))
