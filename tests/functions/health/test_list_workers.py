import uuid
from datetime import timedelta

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, connected, only, queued


def silence_of(db: Connection, version: str) -> timedelta:
    since: timedelta = only(
        db, "select clock_timestamp() - seen_at from gmail_sync.worker where version = %s", version
    )
    return since


def test_workers_say_how_busy_they_are(functions: Session, db: Connection) -> None:
    worker = uuid.uuid4()
    functions.rows("worker_heartbeat", worker, "1.2", 4)
    queued(functions, connected(functions))
    functions.rows("claim_sync", worker)
    claimed(functions, "of another worker")
    (row,) = functions.rows("list_workers")
    assert (row["worker"], row["version"]) == (str(worker)[:8], "1.2")
    assert (row["alive"], row["busy"], row["capacity"]) == (True, 1, 4)
    assert timedelta(0) <= row["seen_for"] <= silence_of(db, "1.2")


def test_workers_say_how_many_slots_work_and_how_many_lines_they_dropped(
    functions: Session,
) -> None:
    worker = uuid.uuid4()
    functions.rows("worker_heartbeat", worker, "1.2", 4)
    (row,) = functions.rows("list_workers")
    assert (row["living_slots"], row["dropped_log_lines"]) == (4, 0)
    functions.rows("worker_heartbeat", worker, "1.2", 4, 3, 7)
    (row,) = functions.rows("list_workers")
    assert (row["living_slots"], row["dropped_log_lines"]) == (3, 7)


def test_a_worker_that_has_gone_silent_is_not_alive(functions: Session, db: Connection) -> None:
    functions.rows("worker_heartbeat", uuid.uuid4(), "1.2", 4)
    db.execute("update gmail_sync.worker set seen_at = now() - interval '61 s'")
    functions.rows("worker_heartbeat", uuid.uuid4(), "1.3", 4)
    old, new = sorted(functions.rows("list_workers"), key=lambda row: row["version"])
    assert (new["version"], new["alive"], new["busy"]) == ("1.3", True, 0)
    assert (old["version"], old["alive"]) == ("1.2", False)
    assert timedelta(seconds=61) <= old["seen_for"] <= silence_of(db, "1.2")


def test_the_pages_are_by_id(functions: Session) -> None:
    for digit in (3, 1, 2):
        functions.rows("worker_heartbeat", uuid.UUID(str(digit) * 32), "1", 1)
    first = functions.rows("list_workers", 2)
    assert [row["worker"] for row in first] == ["1" * 8, "2" * 8]
    assert [row["worker"] for row in functions.rows("list_workers", 2, "2" * 8)] == ["3" * 8]


@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_limit_out_of_range_is_refused(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_workers", limit)
