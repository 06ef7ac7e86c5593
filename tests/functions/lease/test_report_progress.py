from datetime import UTC, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    listed,
    message,
    raises_sqlstate,
    run_of,
    shift,
    store,
)


@pytest.mark.parametrize("phase", ["listing", "fetching", "reconciling"])
def test_a_phase_is_progress_and_a_beat(functions: Session, db: Connection, phase: str) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-30 s", "updated_at")
    before = run_of(db, task_id)
    functions.rows("report_progress", task_id, phase)
    after = run_of(db, task_id)
    assert after["phase"] == phase
    assert after["updated_at"] > before["updated_at"]
    assert after["progressed_at"] is not None


def test_waiting_is_a_beat_but_no_progress(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    until = datetime.now(UTC) + timedelta(minutes=2)
    functions.rows("report_progress", task_id, "waiting", until)
    run = run_of(db, task_id)
    assert (run["phase"], run["waiting_until"], run["progressed_at"]) == ("waiting", until, None)


def test_going_on_ends_the_wait(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    functions.rows("report_progress", task_id, "waiting", datetime.now(UTC) + timedelta(hours=1))
    functions.rows("report_progress", task_id, "fetching")
    assert run_of(db, task_id)["waiting_until"] is None


@pytest.mark.parametrize("absurd", ["infinity", "9999-01-01"])
def test_a_wait_ends_within_a_day(functions: Session, db: Connection, absurd: str) -> None:
    task_id = claimed(functions)
    functions.rows("report_progress", task_id, "waiting", absurd)
    run = run_of(db, task_id)
    assert run["waiting_until"] - run["updated_at"] <= timedelta(hours=24, seconds=1)


def test_an_unknown_phase_is_refused(functions: Session) -> None:
    with raises_sqlstate("23514", "known_phase"):
        functions.rows("report_progress", claimed(functions), "sleeping")


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
    functions.rows("report_progress", task_id, "reconciling")
    look()
    assert seen == sorted(seen)
    assert seen[2] == 50
    assert seen[-1] == 99
