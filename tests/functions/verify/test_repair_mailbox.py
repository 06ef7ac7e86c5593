import uuid

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.functions.conftest import (
    claimed,
    connected,
    counts,
    listed,
    only,
    queue_of,
    queued,
    run_of,
    taken,
)


def repair(functions: Session, *message_ids: str, user: str = "ann") -> int:
    count: int = functions.value("refetch_messages", user, list(message_ids))
    return count


def test_messages_are_queued_in_their_order_and_fetched_by_a_new_run(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    assert repair(functions, "b", "a", "b") == 2
    assert {row["reason"] for row in queue_of(db).values()} == {"refetch"}
    run = functions.rows("claim_sync", uuid.uuid4())[0]
    assert counts(db, run["task_id"]) == {"found": 2, "pending": 2}
    assert taken(functions, run["task_id"]) == ["b", "a"]


def test_what_was_given_up_or_waits_is_revived(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "dead", "slow")
    taken(functions, task_id)
    failures = [
        {"message_id": "dead", "error_code": "parse", "error_message": "broken", "permanent": True},
        {"message_id": "slow", "error_code": "transient", "error_message": "later"},
    ]
    functions.rows("fail_messages", task_id, Jsonb(failures))
    assert taken(functions, task_id) == []
    assert repair(functions, "dead", "slow") == 2
    assert [(row["dead"], row["attempts"]) for row in queue_of(db).values()] == [(False, 0)] * 2
    assert set(taken(functions, task_id)) == {"dead", "slow"}


def test_what_a_run_has_taken_stays_with_it(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    taken(functions, task_id)
    assert repair(functions, "a") == 0
    assert only(db, "select task_id from gmail_sync.fetch_batch") == task_id
    assert run_of(db, task_id)["follow_up"] == "incremental"


def test_what_is_queued_already_but_has_no_run_gets_one(functions: Session, db: Connection) -> None:
    connected(functions)
    repair(functions, "a")
    functions.value("cancel_sync", functions.rows("sync_status", "ann")[0]["task_id"])
    assert repair(functions, "a") == 0
    assert functions.rows("sync_status", "ann")[0]["is_syncing"]


def test_a_persons_repair_makes_a_waiting_run_due(functions: Session, db: Connection) -> None:
    task_id = queued(functions, connected(functions), p_source="schedule")
    repair(functions, "a")
    assert run_of(db, task_id)["source"] == "sql"


def test_nothing_to_repair_starts_nothing(functions: Session) -> None:
    connected(functions)
    assert repair(functions) == 0
    assert functions.rows("sync_status", "ann") == []


def test_who_has_no_account_is_refused(functions: Session, db: Connection) -> None:
    with pytest.raises(AccountNotConnected):
        repair(functions, "a", user="nobody")
    for user in [None, "", "a\nb"]:
        with pytest.raises(InvalidArgument):
            functions.value("refetch_messages", user, ["a"])
    assert queue_of(db, "nobody") == {}
