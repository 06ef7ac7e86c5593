"""A changed price or a used-up day changes what a worker does, without a change of code."""

import re
from collections import Counter

import psycopg
import pytest

from service.postgres.calls import Row, Session
from service.simulator import Limits, Mailbox, Simulator
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account
from tests.worker.tables import stored

PROFILE = "google-standard"
MAIL = b"Subject: %d\r\n\r\ntext"


@pytest.fixture
def limited(simulator: Simulator, functions: Session, account: Account) -> None:
    """Google's quota, in the simulator and in the ledger."""
    simulator.set_limits(Limits(PROFILE))
    functions.value("set_quota_profile", USER, PROFILE)


def fill(mailbox: Mailbox, count: int) -> list[str]:
    return [mailbox.insert(MAIL % number, ["INBOX"]) for number in range(count)]


def charged(simulator: Simulator) -> Counter[int]:
    """How often each number of units was charged by the simulator."""
    return Counter(charge.units for charge in simulator.quota.charges)


def booked(db: psycopg.Connection[Row]) -> int:
    row = db.execute("select sum(units)::int as units from gmail_sync.quota_charge").fetchone()
    assert row is not None
    units: int = row["units"]
    return units


def refused(simulator: Simulator) -> list[str]:
    return [each for each in simulator.requests.statuses if not each.endswith(" 200")]


def test_a_price_of_60_changes_batches_ledger_and_time_left(
    mailbox: Mailbox,
    account: Account,
    limited: None,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    simulator.set_limits(Limits(PROFILE, costs={"messages.get full": 60, "messages.get raw": 60}))
    db.execute(
        "update gmail_sync.quota_cost set units = 60"
        " where profile = %s and method = 'messages.get' and format in ('full', 'raw')",
        [PROFILE],
    )
    fill(mailbox, 200)
    task_id = account.start()

    def waiting() -> Row | None:
        run = account.run(task_id)
        return run if run["phase"] == "waiting" else None

    run = wait_until(waiting)
    # A thread costs 40, even for its one message. So 6,000 units a minute are 150 messages, less
    # what the lists cost.
    assert 130 <= run["current_stats"]["new"] <= 149
    assert charged(simulator).keys() & {20, 60} == set()
    assert booked(db) >= sum(charge.units for charge in simulator.quota.charges)
    assert 0 < run["eta_seconds"] <= 62
    assert refused(simulator) == []


def test_a_used_up_day_is_waited_for_in_sight(
    mailbox: Mailbox,
    account: Account,
    limited: None,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    simulator.set_limits(Limits(PROFILE, day_units=1_000))
    db.execute("update gmail_sync.quota_profile set day_units = 1000 where name = %s", [PROFILE])
    fill(mailbox, 60)
    first = account.start()

    def handed_over() -> Row | None:
        run = account.last_of_chain(first)
        return run if run["task_id"] != first else None

    run = wait_until(handed_over)
    ended = account.run(first)
    assert ended["outcome"] == "superseded"
    assert re.search(r"quota for today is used up.*midnight Pacific", ended["error_message"])
    assert (run["phase"], run["attempt"]) == ("queued", 1)
    reset = db.execute("select gmail_sync._quota_reset_at(clock_timestamp()) as at").fetchone()
    assert reset is not None
    assert run["waiting_until"] == run["not_before"] == reset["at"]
    # A full sync may use 90 % of the day: 900 units.
    assert 25 <= len(stored(db)) < 45
    spent = sum(charge.units for charge in simulator.quota.charges)
    assert spent <= 900

    # The next day begins.
    db.execute("delete from gmail_sync.quota_day")
    db.execute("update gmail_sync.quota_profile set day_units = 2000 where name = %s", [PROFILE])
    simulator.set_limits(Limits(PROFILE, day_units=2_000))
    db.execute(
        "update gmail_sync.user_sync_status set not_before = now(), waiting_until = null"
        " where is_syncing"
    )
    assert account.finish(first)["outcome"] == "succeeded"
    assert len(stored(db)) == 60
    assert refused(simulator) == []


def test_labels_are_listed_where_that_costs_less_and_the_rows_are_the_same(
    mailbox: Mailbox,
    account: Account,
    limited: None,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    ids = fill(mailbox, 60)
    label = mailbox.create_label("Work")
    mailbox.modify(ids[0], add=[label])
    account.sync()
    mailbox.modify(ids[0], remove=[label])
    mailbox.modify(ids[1], add=[label, "STARRED"], remove=["INBOX"])
    mailbox.modify(ids[2], add=["TRASH"], remove=["INBOX"])
    mailbox.delete(ids[3])
    new = mailbox.insert(MAIL % 99, [label])
    mailbox.expire_history()
    simulator.set_limits(Limits(PROFILE))

    run = account.sync()

    assert (run["outcome"], run["sync_type"]) == ("succeeded", "full")
    stats = {name: count for name, count in run["current_stats"].items() if count}
    assert stats == {"found": 61, "new": 1, "updated": 3, "unchanged": 56, "deleted": 1}
    # Only the new message is fetched; the rest are lists.
    assert charged(simulator)[20] == 1
    rows = stored(db)
    assert rows[new]["label_ids"] == [label]

    # As if lists were dear: now each message is fetched, and is as it was stored.
    db.execute("update gmail_sync.quota_cost set units = 1000 where method = 'messages.list'")
    simulator.set_limits(Limits())
    db.execute("delete from gmail_sync.quota_charge")
    again = account.sync(force_full=True)
    assert again["current_stats"]["unchanged"] == 60
    assert stored(db) == rows
