"""begin_listing, store_listing_page, restart_listing, reconcile_listing."""

import uuid

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    claimed,
    counts,
    history,
    listed,
    message,
    only,
    queue_of,
    record,
    run_of,
    store,
    stored_messages,
    taken,
)


def account(db: Connection) -> dict[str, object]:
    row = db.execute("select * from gmail_sync.account where user_id = 'ann'").fetchone()
    assert row is not None
    return row


def complete(functions: Session, task_id: str) -> None:
    while not functions.value("reconcile_listing", task_id):
        pass


def test_a_listing_begins_at_the_first_page_with_the_history_id_pinned(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    (place,) = functions.rows("begin_listing", task_id, 1000, 7)
    assert place == {"page_token": None, "complete": False}
    assert (account(db)["listing_history_id"], account(db)["messages_total"]) == (1000, 7)


def test_an_interrupted_listing_is_deleted_in_steps_before_another_begins(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    db.execute(
        "insert into gmail_sync.listing (user_id, message_id)"
        " select 'ann', n::text from generate_series(1, 7000) n"
    )
    assert functions.rows("begin_listing", task_id, 1000, 7) == []
    assert account(db)["listing_history_id"] is None
    (place,) = functions.rows("begin_listing", task_id, 2000, 7)
    assert place == {"page_token": None, "complete": False}
    assert account(db)["listing_history_id"] == 2000
    assert only(db, "select count(*) from gmail_sync.listing") == 0


def test_an_empty_listing_of_a_mailbox_with_mail_is_refused(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    functions.rows("begin_listing", task_id, 1000, 7)
    with pytest.raises(InvalidArgument):
        functions.rows("store_listing_page", task_id, [], None)
    assert account(db)["listing_complete"] is False


def test_closing_a_listing_can_be_repeated(functions: Session) -> None:
    task_id = claimed(functions)
    listed(functions, task_id)
    assert functions.value("reconcile_listing", task_id) is True
    assert functions.value("reconcile_listing", task_id) is True


def test_a_successor_does_not_list_again_what_its_predecessor_closed(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id)
    functions.value("reconcile_listing", task_id)
    successor = functions.value("handover_sync", task_id, "drain")
    assert run_of(db, successor)["sync_type"] == "incremental"
    functions.value("claim_sync", uuid.uuid4())
    assert run_of(db, successor)["sync_type"] == "incremental"


def test_a_listing_goes_on_where_a_dead_run_left_it(functions: Session, db: Connection) -> None:
    first = claimed(functions)
    listed(functions, first, "a", "b", token="page 2")
    functions.value("handover_sync", first, "drain")
    second = functions.value("claim_sync", uuid.uuid4())
    (place,) = functions.rows("begin_listing", second, 2000, 9)
    assert place == {"page_token": "page 2", "complete": False}
    assert account(db)["listing_history_id"] == 1000
    functions.rows("store_listing_page", second, ["c"], None)
    (place,) = functions.rows("begin_listing", second, 3000, 9)
    assert place == {"page_token": None, "complete": True}
    assert counts(db, second) == {"found": 3, "pending": 3}


def test_pages_queue_each_message_once(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b", "a", token="page 2")
    listed(functions, task_id, "b", "c", token="page 3")
    listed(functions, task_id, token="page 4")
    listed(functions, task_id, "c")
    assert set(queue_of(db)) == {"a", "b", "c"}
    assert counts(db, task_id) == {"found": 3, "pending": 3}
    assert account(db)["listing_complete"]


def test_only_a_page_that_lists_something_new_is_progress(
    functions: Session, db: Connection
) -> None:
    """So the stall timeout ends a run that Gmail sends round and round."""
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b", token="page 2")
    before = run_of(db, task_id)
    for ids in (["b", "a"], []):
        functions.rows("store_listing_page", task_id, ids, "page 3")
    repeated = run_of(db, task_id)
    assert repeated["progressed_at"] == before["progressed_at"]
    assert repeated["updated_at"] > before["updated_at"]
    functions.rows("store_listing_page", task_id, ["b", "c"], "page 4")
    assert run_of(db, task_id)["progressed_at"] > before["progressed_at"]


def test_the_end_of_a_listing_is_progress(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", token="page 2")
    before = run_of(db, task_id)["progressed_at"]
    functions.rows("store_listing_page", task_id, [], None)
    assert run_of(db, task_id)["progressed_at"] > before


def test_messages_are_fetched_newest_first(functions: Session) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "z9", "a5", "m7", token="page 2")
    listed(functions, task_id, "b1", "y0")
    assert taken(functions, task_id) == ["z9", "a5", "m7", "b1", "y0"]


def test_listing_again_fetches_nothing_twice(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b", token="page 2")
    store(functions, task_id, message("a"))
    functions.rows("restart_listing", task_id)
    assert account(db)["listing_page_token"] is None
    listed(functions, task_id, "new", "a", "b")
    assert set(queue_of(db)) == {"new", "b"}
    assert counts(db, task_id) == {"found": 3, "new": 1, "pending": 2}


def test_a_message_from_history_is_not_queued_again(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    history(functions, task_id, record(5, "messagesAdded", "a"))
    listed(functions, task_id, "a")
    assert counts(db, task_id) == {"found": 1, "pending": 1}


def test_what_a_complete_listing_lacks_is_deleted(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("kept"), message("lost"))
    functions.value("release_sync", task_id)
    task_id = claimed(functions)
    listed(functions, task_id, "kept")
    store(functions, task_id, message("kept"))
    complete(functions, task_id)
    assert counts(db, task_id) == {"found": 2, "unchanged": 1, "deleted": 1}
    assert stored_messages(db)["lost"]["deleted_at"] is not None
    assert stored_messages(db)["kept"]["deleted_at"] is None


def test_messages_still_to_be_fetched_are_not_deleted(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "pending")
    complete(functions, task_id)
    assert set(queue_of(db)) == {"pending"}
    assert counts(db, task_id) == {"found": 1, "pending": 1}


def test_reconciling_puts_the_cursor_where_the_listing_began(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    assert functions.value("get_cursor", task_id) is None
    listed(functions, task_id, "a")
    complete(functions, task_id)
    assert functions.value("get_cursor", task_id) == 1000
    assert account(db)["listing_history_id"] is None
    assert only(db, "select count(*) from gmail_sync.listing") == 0


@pytest.mark.parametrize("opened", [False, True])
def test_a_listing_that_is_not_complete_deletes_nothing(
    functions: Session, db: Connection, opened: bool
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"))
    if opened:
        listed(functions, task_id, "b", token="page 2")
    with pytest.raises(InvalidArgument):
        functions.value("reconcile_listing", task_id)
    assert stored_messages(db)["a"]["deleted_at"] is None


def test_reconciling_goes_in_steps(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, *(message(f"m{n}") for n in range(5)))
    listed(functions, task_id, "m0", "m2", "not stored")
    steps = [functions.value("reconcile_listing", task_id, 2) for _ in range(3)]
    assert steps == [False, False, True]
    assert counts(db, task_id)["deleted"] == 3
    assert {each for each, row in stored_messages(db).items() if row["deleted_at"] is None} == {
        "m0", "m2",
    }  # fmt: skip
    assert only(db, "select count(*) from gmail_sync.listing") == 0


def test_reconciling_deletes_no_other_users_mail(functions: Session, db: Connection) -> None:
    other = claimed(functions, "bo")
    store(functions, other, message("m"))
    task_id = claimed(functions)
    listed(functions, task_id)
    complete(functions, task_id)
    assert stored_messages(db, "bo")["m"]["deleted_at"] is None


def test_reconciling_nothing_at_a_time_is_refused(functions: Session) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("lost"))
    listed(functions, task_id)
    with pytest.raises(InvalidArgument):
        functions.value("reconcile_listing", task_id, 0)
