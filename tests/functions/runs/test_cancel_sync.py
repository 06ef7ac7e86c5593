import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, only, queued, run_of


@pytest.mark.parametrize("begin", [queued, claimed])
def test_a_run_is_cancelled_at_zero(functions: Session, db: Connection, begin: object) -> None:
    assert callable(begin)
    task_id = begin(functions)
    assert functions.value("cancel_sync", task_id) is True
    run = run_of(db, task_id)
    assert (run["outcome"], run["progress_percentage"], run["phase"]) == ("cancelled", 0, "done")
    assert run["error_message"] is None


def test_what_was_asked_for_meanwhile_is_dropped(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    queued(functions, p_source="push")
    functions.value("cancel_sync", task_id)
    assert only(db, "select count(*) from gmail_sync.user_sync_status where is_syncing") == 0


def test_an_ended_task_passes_the_wish_on_to_its_living_successor(
    functions: Session, db: Connection
) -> None:
    first = claimed(functions)
    second = functions.value("handover_sync", first, "drain")
    third = functions.value("handover_sync", second, "drain")
    assert functions.value("cancel_sync", first) is True
    assert run_of(db, third)["outcome"] == "cancelled"
    assert run_of(db, second)["outcome"] == "superseded"


def test_an_unknown_task_was_not_running(functions: Session) -> None:
    for task_id in ["unknown", "", None]:
        assert functions.value("cancel_sync", task_id) is False


def test_a_run_is_cancelled_once(functions: Session) -> None:
    task_id = claimed(functions)
    functions.value("cancel_sync", task_id)
    assert functions.value("cancel_sync", task_id) is False


def test_a_later_run_of_the_user_is_no_successor(functions: Session, db: Connection) -> None:
    first = claimed(functions)
    functions.value("release_sync", first)
    second = queued(functions)
    assert functions.value("cancel_sync", first) is False
    assert run_of(db, second)["is_syncing"]
