"""What a call reads does not grow with the installation: with a hundred times as many accounts and
queued runs it reads as many rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from service import migrate
from service.postgres.calls import Connection, connect
from tests.cluster import Cluster
from tests.functions.conftest import only
from tests.functions.crowd import add_accounts, add_queued_runs

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
