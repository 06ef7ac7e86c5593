"""Lists and history come in pages with oddities of their own; the cursor must miss nothing."""

from decimal import Decimal

import psycopg

from service.postgres.calls import Row
from service.simulator import Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.worker.conftest import Account, start_held
from tests.worker.tables import account_row, queue, stored
from tests.worker.test_sync import MAIL, NOTHING

# Ids and records in a page, as the client asks for them.
PAGE = 500


def in_one_run(account: Account, force_full: bool = False) -> Row:
    """A sync that its first run carries through: no successor, no second try."""
    task_id = account.start(force_full)
    run = account.finish(task_id)
    assert (run["task_id"], run["outcome"]) == (task_id, "succeeded"), run["error_message"]
    return run


def make_history(mailbox: Mailbox, message_id: str, records: int) -> None:
    """That many changes of one message; an odd number leaves it starred."""
    for number in range(records):
        if number % 2:
            mailbox.modify(message_id, remove=["STARRED"])
        else:
            mailbox.modify(message_id, add=["STARRED"])


def set_cursor(db: psycopg.Connection[Row], history_id: int) -> None:
    db.execute("update gmail_sync.account set history_id = %s", [history_id])


# Pages.


def test_an_empty_page_of_the_listing_is_not_its_end(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(PAGE + 10))
    simulator.faults.add(Fault("messages.list", "empty_page", every=2))
    simulator.faults.add(Fault("messages.list", "empty_page", count=1))

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": PAGE + 10, "new": PAGE + 10}
    assert simulator.requests.methods["messages.list"] > 3


def test_an_empty_page_of_the_history_is_not_its_end(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    in_one_run(account)
    mailbox.insert(MAIL % b"news")
    empty = simulator.faults.add(Fault("history.list", "empty_page", count=2))

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": 1, "new": 1}
    assert (empty.struck, empty.seen) == (2, 3)
    assert account_row(db)["history_id"] == mailbox.history_id


def test_ids_that_are_listed_twice_are_counted_and_fetched_once(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(PAGE + 10))
    simulator.faults.add(Fault("messages.list", "duplicate"))

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": PAGE + 10, "new": PAGE + 10}
    assert simulator.requests.fetched_twice() == {}


def test_records_that_come_twice_are_counted_and_fetched_once(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    known = mailbox.insert(MAIL % b"known")
    in_one_run(account)
    mailbox.insert(MAIL % b"first")
    make_history(mailbox, known, PAGE + 1)
    mailbox.insert(MAIL % b"last")
    simulator.faults.add(Fault("history.list", "duplicate"))
    simulator.requests.reset()

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": 3, "new": 2, "updated": 1}
    assert set(simulator.requests.fetched.values()) == {1}


def test_an_aged_page_token_starts_the_listing_again_and_fetches_nothing_twice(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(1200))
    simulator.faults.add(Fault("messages.list", "invalid_page_token", after=1, count=1))

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert run["current_stats"]["new"] == 1200
    assert simulator.requests.fetched_twice() == {}


def test_an_aged_page_token_of_the_history_goes_on_from_the_cursor(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    known = mailbox.insert(MAIL % b"known")
    in_one_run(account)
    mailbox.insert(MAIL % b"first")
    make_history(mailbox, known, PAGE + 1)
    mailbox.insert(MAIL % b"last")
    simulator.faults.add(Fault("history.list", "invalid_page_token", count=1))
    simulator.requests.reset()

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": 3, "new": 2, "updated": 1}
    assert set(simulator.requests.fetched.values()) == {1}
    assert account_row(db)["history_id"] == mailbox.history_id


def test_a_wrong_estimate_misleads_nobody(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(30))
    simulator.faults.add(Fault("messages.list", "wrong_estimate"))

    run = in_one_run(account)

    assert run["progress_percentage"] == 100
    assert run["current_stats"] == NOTHING | {"found": 30, "new": 30}


def test_a_message_that_goes_between_listing_and_fetching_is_gone(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode()) for number in range(5)]
    task_id, hang = start_held(simulator, account, Fault("batch", "hang", count=1))
    mailbox.delete(ids[1])
    hang.release()

    run = account.finish(task_id)

    assert run["outcome"] == "succeeded"
    assert run["current_stats"] == NOTHING | {"found": 5, "new": 4, "gone": 1}
    assert set(stored(db)) == set(mailbox.message_ids())
    assert queue(db) == []


# The cursor.


def test_a_cursor_from_the_future_makes_the_run_a_full_one(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(5))
    in_one_run(account)
    set_cursor(db, mailbox.history_id + 1_000_000)
    mailbox.insert(MAIL % b"news")

    run = in_one_run(account)

    assert run["sync_type"] == "full"
    assert run["current_stats"] == NOTHING | {"found": 6, "new": 1, "unchanged": 5}
    assert account_row(db)["history_id"] == mailbox.history_id


def test_a_garbled_cursor_fails_in_words_and_a_full_sync_mends_it(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    mailbox.load(generate(5))
    account.sync()
    # Gmail's are uint64, ours can be larger.
    set_cursor(db, 10**45)

    run = account.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert f"history id {10**45}" in run["error_message"]
    assert account.sync(force_full=True)["outcome"] == "succeeded"
    assert account.sync()["current_stats"] == NOTHING


def test_a_history_that_expires_during_a_full_sync_costs_no_mail(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(40))
    task_id, hang = start_held(simulator, account, Fault("messages.get", "hang", count=1, after=20))
    late = mailbox.insert(MAIL % b"late")
    mailbox.delete(mailbox.message_ids()[-1])
    mailbox.expire_history()
    hang.release()

    run = account.finish(task_id)

    assert (run["task_id"], run["outcome"]) == (task_id, "succeeded")
    assert set(stored(db)) == set(mailbox.message_ids())
    # The other batches went on, so the oldest may have been fetched before it was deleted.
    lost = {name: run["current_stats"][name] for name in ("gone", "deleted")}
    assert run["current_stats"] == NOTHING | {"found": 41, "new": 40} | lost
    assert sum(lost.values()) == 1
    assert late in stored(db)
    assert in_one_run(account)["sync_type"] == "incremental"


def test_the_cursor_is_the_first_pages_so_what_happens_meanwhile_is_found_later(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    known = mailbox.insert(MAIL % b"known")
    in_one_run(account)
    make_history(mailbox, known, PAGE + 1)
    first_page_says = mailbox.history_id
    hang = simulator.faults.add(Fault("history.list", "hang", after=1, count=1))
    task_id = account.start()
    assert hang.wait_arrived(60)
    meanwhile = mailbox.insert(MAIL % b"meanwhile")
    hang.release()

    assert account.finish(task_id)["current_stats"] == NOTHING | {"found": 1, "updated": 1}

    assert account_row(db)["history_id"] == first_page_says
    assert in_one_run(account)["current_stats"] == NOTHING | {"found": 1, "new": 1}
    assert meanwhile in stored(db)


def test_the_cursor_moves_although_nothing_changed(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    in_one_run(account)
    mailbox.skip_history(mailbox.history_id + 10_000)

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING
    assert account_row(db)["history_id"] == mailbox.history_id


def test_ids_are_opaque_and_of_any_length(
    mailbox: Mailbox, account: Account, worker: Worker, db: psycopg.Connection[Row]
) -> None:
    """Google's are hexadecimal and of 64 bits; nothing may rest on that."""
    ids = ["9" * 30, "no-hex_at.all~", "Ünï", "0x10", "00010", "10"]
    mailbox.skip_history(10**21)
    for message_id in ids[:-1]:
        mailbox.insert(MAIL % b"old", message_id=message_id)
    in_one_run(account)
    assert account_row(db)["history_id"] == Decimal(mailbox.history_id) > 10**21
    mailbox.skip_history(10**28)
    mailbox.insert(MAIL % b"news", message_id=ids[-1])
    mailbox.modify(ids[0], add=["STARRED"])
    mailbox.delete(ids[1])

    run = in_one_run(account)

    assert run["current_stats"] == NOTHING | {"found": 3, "new": 1, "updated": 1, "deleted": 1}
    assert set(stored(db)) == set(ids) - {ids[1]}
    for message_id, message in stored(db).items():
        assert message["history_id"] == mailbox.get(message_id).history_id
    assert account_row(db)["history_id"] == mailbox.history_id > 10**28
