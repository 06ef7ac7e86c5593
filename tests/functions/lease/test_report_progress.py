from datetime import UTC, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    listed,
    message,
    run_of,
    shift,
    store,
)


def test_waiting_is_a_beat_but_no_progress(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-30 s", "updated_at")
    before = run_of(db, task_id)
    until = datetime.now(UTC) + timedelta(minutes=2)
    functions.rows("report_progress", task_id, until)
    run = run_of(db, task_id)
    assert (run["phase"], run["waiting_until"], run["progressed_at"]) == ("waiting", until, None)
    assert run["updated_at"] > before["updated_at"]


def test_going_on_ends_the_wait(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    functions.rows("report_progress", task_id, datetime.now(UTC) + timedelta(hours=1))
    listed(functions, task_id, "a")
    run = run_of(db, task_id)
    assert (run["phase"], run["waiting_until"]) == ("listing", None)


@pytest.mark.parametrize("absurd", ["infinity", "9999-01-01"])
def test_a_wait_ends_within_a_day(functions: Session, db: Connection, absurd: str) -> None:
    task_id = claimed(functions)
    functions.rows("report_progress", task_id, absurd)
    run = run_of(db, task_id)
    assert run["waiting_until"] - run["updated_at"] <= timedelta(hours=24, seconds=1)


def test_a_wait_without_an_end_is_over_at_once(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    functions.rows("report_progress", task_id, None)
    run = run_of(db, task_id)
    # Each reads the clock.
    assert run["waiting_until"] - run["updated_at"] < timedelta(seconds=1)


def test_the_bar_never_goes_back(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    seen = [0]

    def look() -> None:
        seen.append(run_of(db, task_id)["progress_percentage"])

    listed(functions, task_id, "a", "b", token="p2")
    look()
    store(functions, task_id, message("a"))
    look()
    listed(functions, task_id, *(f"m{n}" for n in range(50)))
    look()
    store(functions, task_id, *(message(f"m{n}") for n in range(50)))
    look()
    store(functions, task_id, message("b"))
    look()
    functions.rows("report_progress", task_id, datetime.now(UTC))
    look()
    assert seen == sorted(seen)
    assert seen[2] == 50
    assert seen[-1] == 99
