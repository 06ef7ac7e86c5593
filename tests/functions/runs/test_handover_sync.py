from datetime import UTC, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    counts,
    listed,
    message,
    only,
    queued,
    run_of,
    set_run,
    set_settings,
    shift,
    store,
)


def due_in(db: Connection, task_id: str) -> float:
    """Seconds until a run is due."""
    seconds = only(
        db,
        "select extract(epoch from not_before - clock_timestamp())"
        " from gmail_sync.user_sync_status where task_id = %s",
        task_id,
    )
    return float(seconds)


def test_a_successor_takes_up_the_work(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    store(functions, task_id, message("a"))
    set_run(db, task_id, follow_up="full")
    successor = functions.value("handover_sync", task_id, "Gmail is away.")
    old, new = run_of(db, task_id), run_of(db, successor)
    assert (old["outcome"], old["progress_percentage"], old["error_message"], old["phase"]) == (
        "superseded", 0, "Gmail is away.", "done",
    )  # fmt: skip
    assert (new["resumes"], new["source"], new["phase"], new["claimed_at"]) == (
        task_id, "resume", "queued", None,
    )  # fmt: skip
    assert (new["progress_percentage"], new["follow_up"]) == (50, "full")
    assert counts(db, successor) == {"found": 2, "new": 1, "pending": 1}
    assert functions.rows("sync_run", task_id)[0]["successor"] == successor


def test_a_try_without_progress_is_charged(functions: Session, db: Connection) -> None:
    successor = functions.value("handover_sync", claimed(functions), "why")
    assert run_of(db, successor)["attempt"] == 2
    assert due_in(db, successor) < 1


def test_a_drain_is_not_charged(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    set_run(db, task_id, attempt=5)
    successor = functions.value("handover_sync", task_id, "drain", p_charge_attempt=False)
    assert run_of(db, successor)["attempt"] == 5


def test_progress_starts_the_tries_anew(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    set_run(db, task_id, attempt=5)
    store(functions, task_id, message("a"))
    assert run_of(db, functions.value("handover_sync", task_id, "why"))["attempt"] == 1


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 0), (2, 30), (3, 60), (4, 120), (5, 240), (6, 480), (7, 600)]
)
def test_tries_back_off_from_the_second_in_a_row(
    functions: Session, db: Connection, attempt: int, seconds: int
) -> None:
    task_id = claimed(functions)
    set_run(db, task_id, attempt=attempt)
    successor = functions.value("handover_sync", task_id, "why")
    assert due_in(db, successor) == pytest.approx(seconds, abs=12)


def test_the_last_try_fails_without_a_successor(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    set_run(db, task_id, attempt=12)
    assert functions.value("handover_sync", task_id, "Gmail is away.") is None
    run = run_of(db, task_id)
    assert (run["outcome"], run["error_message"]) == ("failed", "Gmail is away.")
    assert functions.rows("sync_run", task_id)[0]["successor"] is None


def test_settings_say_how_many_tries_there_are(functions: Session, db: Connection) -> None:
    set_settings(db, max_attempts=1)
    task_id = claimed(functions)
    assert functions.value("handover_sync", task_id, "why") is None
    assert run_of(db, task_id)["outcome"] == "failed"


def test_the_wait_for_google_goes_along(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    until = datetime.now(UTC) + timedelta(hours=1)
    functions.rows("report_progress", task_id, until)
    successor = functions.value("handover_sync", task_id, "wait", until, False)
    run = run_of(db, successor)
    assert (run["waiting_until"], run["not_before"]) == (until, until)


def test_a_wait_that_is_over_stays_behind(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-1 s", "waiting_until")
    assert run_of(db, functions.value("handover_sync", task_id, "x"))["waiting_until"] is None


@pytest.mark.parametrize("absurd", ["infinity", "9999-01-01"])
def test_a_successor_is_due_within_a_day(functions: Session, db: Connection, absurd: str) -> None:
    successor = functions.value("handover_sync", claimed(functions), "wait", absurd)
    assert due_in(db, successor) == pytest.approx(24 * 3600, abs=10)


def test_a_run_is_handed_over_once(functions: Session) -> None:
    task_id = claimed(functions)
    functions.value("handover_sync", task_id, "why")
    assert functions.value("handover_sync", task_id, "why") is None


def test_an_unknown_task_is_not_handed_over(functions: Session) -> None:
    for task_id in ["unknown", None]:
        assert functions.value("handover_sync", task_id, "why") is None


def test_a_queued_run_is_handed_over_without_a_charge(functions: Session, db: Connection) -> None:
    successor = functions.value("handover_sync", queued(functions), "moved")
    assert run_of(db, successor)["attempt"] == 1
