"""watch_is_due and store_watch: when Gmail is asked again to push."""

from datetime import UTC, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import LeaseLost
from tests.functions.conftest import claimed, connected, only, set_settings

IN_A_WEEK = datetime.now(UTC) + timedelta(days=7)


def is_due(functions: Session, task_id: str) -> bool:
    due: bool = functions.value("watch_is_due", task_id)
    return due


def test_a_new_account_is_to_be_watched_until_it_is(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    assert is_due(functions, task_id)
    functions.rows("store_watch", task_id, IN_A_WEEK)
    assert not is_due(functions, task_id)
    assert only(db, "select watch_expires_at from gmail_sync.account") == IN_A_WEEK


def test_a_watch_is_renewed_after_the_interval(functions: Session, db: Connection) -> None:
    set_settings(db, watch_interval="1 hour")
    task_id = claimed(functions)
    functions.rows("store_watch", task_id, IN_A_WEEK)
    for age, due in [("59 min", False), ("61 min", True)]:
        db.execute(
            "update gmail_sync.account set connected_at = now() - interval '1 day',"
            " watched_at = now() - %s::interval",
            [age],
        )
        assert is_due(functions, task_id) is due


def test_a_refused_watch_stays_due(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    functions.rows("store_watch", task_id, None)
    assert is_due(functions, task_id)
    assert only(db, "select watched_at is not null from gmail_sync.account")


def test_a_watch_of_earlier_credentials_is_not_stored(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    connected(functions)
    functions.rows("store_watch", task_id, IN_A_WEEK)
    assert only(db, "select watch_expires_at from gmail_sync.account") is None


def test_a_run_that_has_ended_watches_nothing(functions: Session) -> None:
    task_id = claimed(functions)
    functions.value("cancel_sync", task_id)
    with pytest.raises(LeaseLost):
        functions.rows("store_watch", task_id, IN_A_WEEK)
    with pytest.raises(LeaseLost):
        functions.value("watch_is_due", task_id)
