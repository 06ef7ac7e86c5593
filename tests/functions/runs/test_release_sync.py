import uuid

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    counts,
    listed,
    message,
    only,
    queued,
    raises_sqlstate,
    run_of,
    set_run,
    store,
)


def test_a_run_succeeds_at_a_hundred_percent(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    assert functions.value("release_sync", task_id) is True
    run = run_of(db, task_id)
    assert (run["outcome"], run["progress_percentage"], run["phase"], run["error_message"]) == (
        "succeeded", 100, "done", None,
    )  # fmt: skip
    assert run["finished_at"] is not None


def test_a_run_fails_with_its_reason_at_zero(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    store(functions, task_id, message("a"))
    assert functions.value("release_sync", task_id, "Google took the access away.") is True
    run = run_of(db, task_id)
    assert (run["outcome"], run["progress_percentage"], run["error_message"]) == (
        "failed", 0, "Google took the access away.",
    )  # fmt: skip
    assert counts(db, task_id) == {"found": 2, "new": 1, "pending": 1}
    assert functions.rows("sync_run", task_id)[0]["successor"] is None


def test_an_unknown_task_was_not_running(functions: Session) -> None:
    for task_id in ["unknown", None]:
        assert functions.value("release_sync", task_id) is False


def test_a_run_is_released_once(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    functions.value("release_sync", task_id)
    before = run_of(db, task_id)
    assert functions.value("release_sync", task_id, "too late") is False
    assert run_of(db, task_id) == before


def test_a_run_with_pending_messages_does_not_succeed(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    with raises_sqlstate("23514", "success_leaves_nothing_pending"):
        functions.value("release_sync", task_id)
    assert run_of(db, task_id)["is_syncing"]


@pytest.mark.parametrize("error", [None, "failed in words"])
def test_what_was_asked_for_meanwhile_follows(
    functions: Session, db: Connection, error: str | None
) -> None:
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    queued(functions, p_source="push")
    functions.value("release_sync", task_id, error)
    follower = functions.rows("sync_status", "ann")[0]
    assert follower["task_id"] != task_id
    assert (follower["phase"], follower["sync_type"]) == ("queued", "incremental")
    assert functions.value("claim_sync", uuid.uuid4()) == follower["task_id"]


def test_a_full_follow_up_is_full(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    set_run(db, task_id, follow_up="full")
    functions.value("release_sync", task_id)
    assert functions.rows("sync_status", "ann")[0]["sync_type"] == "full"


def test_nothing_follows_what_nobody_asked_for(functions: Session, db: Connection) -> None:
    functions.value("release_sync", claimed(functions))
    assert only(db, "select count(*) from gmail_sync.user_sync_status where is_syncing") == 0
