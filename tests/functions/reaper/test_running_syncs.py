import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import insert_run, only, shift

WORKERS = ("0badcafe-0000-4000-8000-000000000001", "0badcafe-0000-4000-8000-000000000002")


@pytest.fixture
def runs(db: Connection) -> None:
    """Of ann, who is silent, bob, who is stalled, cy, who is well, and di, who waits."""
    insert_run(db, task_id="silent", user_id="ann", claimed_by=WORKERS[0])
    insert_run(db, task_id="stalled", user_id="bob", claimed_by=WORKERS[1])
    insert_run(db, task_id="well", user_id="cy", claimed_by=WORKERS[1])
    insert_run(db, task_id="queued", user_id="di", claimed_at=None, phase="queued")
    shift(db, "silent", "-61 s", "updated_at")
    shift(db, "stalled", "-1 h", "claimed_at")


@pytest.mark.parametrize(
    ("filters", "users"),
    [
        ({}, ["ann", "bob", "cy", "di"]),
        ({"p_limit": 2}, ["ann", "bob"]),
        ({"p_limit": 2, "p_after": "bob"}, ["cy", "di"]),
        ({"p_user_id": "bob"}, ["bob"]),
        ({"p_user_id": "bo"}, []),
        ({"p_cause": "zombie"}, ["ann", "bob"]),
        ({"p_cause": "zombie", "p_limit": 1}, ["ann"]),
        ({"p_cause": "zombie", "p_after": "ann"}, ["bob"]),
        ({"p_cause": "silent"}, ["ann"]),
        ({"p_cause": "stalled", "p_user_id": "ann"}, []),
        ({"p_worker": WORKERS[1]}, ["bob", "cy"]),
        ({"p_worker": "0BADCAFE"}, ["ann", "bob", "cy"]),
        ({"p_worker": "0badcafe", "p_limit": 1, "p_after": "ann"}, ["bob"]),
        ({"p_worker": "0badcafe", "p_cause": "stalled"}, ["bob"]),
        ({"p_worker": "0badcafe", "p_limit": 2}, ["ann", "bob"]),
        ({"p_worker": "0badcafe0"}, []),
        ({"p_worker": "badcafe"}, []),
        ({"p_worker": "0"}, ["ann", "bob", "cy"]),
        ({"p_worker": "-"}, []),
        ({"p_worker": "%"}, []),
    ],
)
def test_pages_and_filters(
    functions: Session, runs: None, filters: dict[str, object], users: list[str]
) -> None:
    found = functions.rows("list_running_syncs", **filters)
    assert [run["user_id"] for run in found] == users


def test_a_page_by_cause_reads_so_many_runs_and_says_how_far(
    functions: Session, db: Connection
) -> None:
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " select 't' || n, to_char(n, '0000'),"
        " now() - case when n in (7, 3005) then interval '61 s' else '0 s' end"
        " from generate_series(1, 3010) n"
    )

    def zombies(after: str | None, limit: int = 50) -> list[str]:
        rows = functions.rows("list_running_syncs", limit, after, p_cause="zombie")
        return [row["task_id"] for row in rows]

    read_to = functions.value("running_syncs_read_to", 50)
    assert read_to == only(db, "select to_char(3000, '0000')")
    assert (zombies(None), zombies(read_to)) == (["t7"], ["t3005"])
    assert functions.value("running_syncs_read_to", 50, read_to) is None
    # A longer page reads as many runs as it may have.
    assert zombies(None, 3005) == ["t7", "t3005"]


def test_an_unknown_cause_is_refused(functions: Session) -> None:
    with pytest.raises(InvalidArgument, match="tired"):
        functions.rows("list_running_syncs", p_cause="tired")


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
