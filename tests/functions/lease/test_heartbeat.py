import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, only, run_of, shift
from tests.waiting import wait_until


def test_a_running_run_goes_on(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-30 s", "updated_at")
    before = run_of(db, task_id)
    assert functions.value("heartbeat", task_id) is True
    after = run_of(db, task_id)
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before


@pytest.mark.parametrize("end", ["release_sync", "cancel_sync"])
def test_an_ended_run_is_told_to_stop_and_stays_as_it_was(
    functions: Session, db: Connection, end: str
) -> None:
    task_id = claimed(functions)
    functions.value(end, task_id)
    before = run_of(db, task_id)
    assert functions.value("heartbeat", task_id) is False
    assert run_of(db, task_id) == before


def test_a_reaped_run_is_told_to_stop(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    assert functions.value("heartbeat", task_id) is False


def test_an_unknown_task_is_told_to_stop(functions: Session) -> None:
    for task_id in ["unknown", "", None]:
        assert functions.value("heartbeat", task_id) is False


def test_a_late_beat_saves_a_run_nobody_has_reaped(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-61 s", "updated_at")
    assert functions.value("heartbeat", task_id) is True
    assert functions.rows("reap_zombie_syncs") == []


def test_beats_are_hot(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    query = (
        "select {} from pg_stat_user_tables where relid = 'gmail_sync.user_sync_status'::regclass"
    )
    for _ in range(200):
        functions.value("heartbeat", task_id)
    functions.close()  # A session that ends hands in what it counted.
    wait_until(lambda: only(db, query.format("n_tup_upd")) >= 200)
    assert only(db, query.format("n_tup_hot_upd::float / n_tup_upd")) > 0.8
