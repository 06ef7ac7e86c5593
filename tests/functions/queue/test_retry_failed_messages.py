import uuid

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument, TooOften
from tests.functions.conftest import (
    claimed,
    counts,
    listed,
    queue_of,
    queued,
    run_of,
    set_settings,
    taken,
)


def dead_letter(functions: Session, user: str = "ann") -> str:
    """A released run that gave up message `bad`."""
    task_id = claimed(functions, user)
    listed(functions, task_id, "bad")
    taken(functions, task_id)
    failure = {
        "message_id": "bad",
        "error_code": "parse",
        "error_message": "broken",
        "permanent": True,
    }
    functions.rows("fail_messages", task_id, Jsonb([failure]))
    functions.value("release_sync", task_id)
    return task_id


def test_dead_messages_are_fetched_by_a_new_run(functions: Session, db: Connection) -> None:
    old = dead_letter(functions)
    before = run_of(db, old)
    assert functions.value("retry_failed_messages", "ann") == 1
    message = queue_of(db)["bad"]
    assert (message["dead"], message["attempts"]) == (False, 0)
    run = functions.rows("claim_sync", uuid.uuid4())[0]
    assert counts(db, run["task_id"]) == {"found": 1, "pending": 1}
    assert taken(functions, run["task_id"]) == ["bad"]
    assert run_of(db, old) == before


def test_waiting_messages_become_due(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "slow")
    taken(functions, task_id)
    functions.rows(
        "fail_messages", task_id, Jsonb([{"message_id": "slow", "error_message": "timeout"}])
    )
    assert taken(functions, task_id) == []
    assert functions.value("retry_failed_messages", "ann") == 1
    assert taken(functions, task_id) == ["slow"]


def test_a_run_under_way_is_followed_by_one_more(functions: Session, db: Connection) -> None:
    dead_letter(functions)
    running = claimed(functions)
    functions.value("retry_failed_messages", "ann")
    assert run_of(db, running)["follow_up"] == "incremental"


def test_nothing_failed_starts_nothing(functions: Session) -> None:
    assert functions.value("retry_failed_messages", "ann") == 0
    assert functions.rows("sync_status", "ann") == []


def test_other_users_messages_stay_dead(functions: Session, db: Connection) -> None:
    dead_letter(functions, "bo")
    assert functions.value("retry_failed_messages", "ann") == 0
    assert queue_of(db, "bo")["bad"]["dead"]


def test_a_persons_retry_makes_a_waiting_run_due(functions: Session, db: Connection) -> None:
    dead_letter(functions)
    task_id = queued(functions, p_source="schedule")
    functions.value("retry_failed_messages", "ann")
    assert run_of(db, task_id)["source"] == "sql"


def test_a_retry_by_a_person_counts_as_a_click(functions: Session, db: Connection) -> None:
    set_settings(db, max_starts_a_minute=2)
    dead_letter(functions)
    for _ in range(2):
        assert functions.value("retry_failed_messages", "ann", "api") == 1
        run = functions.rows("claim_sync", uuid.uuid4())[0]
        assert run_of(db, run["task_id"])["source"] == "api"
        taken(functions, run["task_id"])
        failure = {
            "message_id": "bad",
            "error_code": "parse",
            "error_message": "broken",
            "permanent": True,
        }
        functions.rows("fail_messages", run["task_id"], Jsonb([failure]))
        functions.value("release_sync", run["task_id"])
    with pytest.raises(TooOften):
        functions.value("retry_failed_messages", "ann", "api")
    assert queue_of(db)["bad"]["dead"] is True
    assert functions.value("retry_failed_messages", "ann") == 1


def test_refuses_what_is_no_user(functions: Session) -> None:
    for user in [None, "", "a\nb"]:
        with pytest.raises(InvalidArgument):
            functions.value("retry_failed_messages", user)
