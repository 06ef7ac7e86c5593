"""_planned_units: what the messages of a queue are expected to cost."""

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, only


def planned(db: Connection, messages: int) -> int | None:
    units: int | None = only(db, "select gmail_sync._planned_units('ann', %s)", messages)
    return units


def fill(db: Connection, threads: int, messages_each: int) -> None:
    """Queue threads whose messages are far apart."""
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, thread_id, reason)"
        " select 'ann', 'm' || n || '.' || t, 't' || t, 'listed'"
        " from generate_series(1, %s) n, generate_series(1, %s) t order by n, t",
        [messages_each, threads],
    )


@pytest.fixture
def account(functions: Session, db: Connection) -> None:
    claimed(functions)
    db.execute("update gmail_sync.account set quota_profile = 'google-standard'")


@pytest.mark.parametrize(
    ("messages_each", "units_each"),
    # A call brings 12 messages at most.
    [(1, 20), (2, 20), (4, 10), (10, 4), (24, 40 / 12)],
)
def test_a_message_costs_its_part_of_its_thread(
    db: Connection, account: None, messages_each: int, units_each: float
) -> None:
    fill(db, 100, messages_each)
    assert planned(db, 3_000) == pytest.approx(3_000 * units_each, abs=1)


def test_the_sample_is_taken_from_the_whole_queue(db: Connection, account: None) -> None:
    fill(db, 500, 1)
    fill_from = "update gmail_sync.fetch_queue set thread_id = 'u' || position / 4"
    db.execute(f"{fill_from} where position > (select avg(position) from gmail_sync.fetch_queue)")
    # Half of the messages cost 20, half of them 10.
    assert planned(db, 1_000) == pytest.approx(15_000, rel=0.05)


def test_without_a_queue_each_message_is_fetched_singly(db: Connection, account: None) -> None:
    assert planned(db, 7) == 140
    db.execute("update gmail_sync.quota_cost set units = 60 where format = 'full'")
    assert planned(db, 7) == 420


def test_raw_copies_are_fetched_singly(db: Connection, account: None) -> None:
    fill(db, 10, 4)
    db.execute("update gmail_sync.account set content_mode = 'raw'")
    assert planned(db, 40) == 800


def test_nothing_is_planned_without_prices(db: Connection, account: None) -> None:
    db.execute("update gmail_sync.account set quota_profile = 'unlimited'")
    assert planned(db, 40) is None
