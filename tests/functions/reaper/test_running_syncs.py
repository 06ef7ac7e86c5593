import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import insert_run, only


def test_zombies_come_before_the_longest_silent(functions: Session, db: Connection) -> None:
    insert_run(db, task_id="fresh", user_id="a")
    insert_run(db, task_id="silent", user_id="b")
    insert_run(db, task_id="stalled", user_id="c")
    db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '50 s'"
        " where task_id = 'silent'"
    )
    db.execute(
        "update gmail_sync.user_sync_status set claimed_at = now() - interval '1 hour'"
        " where task_id = 'stalled'"
    )
    runs = functions.rows("list_running_syncs")
    assert [(run["task_id"], run["cause"]) for run in runs] == [
        ("stalled", "stalled"),
        ("silent", None),
        ("fresh", None),
    ]


def test_the_view_shows_the_same_runs(functions: Session, db: Connection) -> None:
    insert_run(db, task_id="fresh", user_id="a", found=3, new=2, pending=1)
    (run,) = functions.rows("list_running_syncs")
    assert (run["done"], run["found"], run["cause"]) == (2, 3, None)
    (row,) = db.execute("select * from gmail_sync.running_syncs").fetchall()
    assert {**run, "silent_for": None} == {**row, "silent_for": None}


def test_an_ended_run_is_not_running(functions: Session, db: Connection) -> None:
    insert_run(db, task_id="ended")
    functions.value("cancel_sync", "ended")
    assert only(db, "select count(*) from gmail_sync.running_syncs") == 0


@pytest.mark.parametrize("limit", [0, -1, 10001, None])
def test_a_limit_out_of_range_is_refused(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_running_syncs", limit)
