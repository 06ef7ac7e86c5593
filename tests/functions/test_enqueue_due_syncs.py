import pytest

from service.database import Connection, Session
from tests.functions.conftest import connected, insert_run, queued, run_of


def every(db: Connection, user: str, interval: str) -> None:
    db.execute(
        "update gmail_sync.account set sync_interval = %s where user_id = %s", [interval, user]
    )


def ran(db: Connection, user: str, ago: str, outcome: str = "cancelled") -> None:
    insert_run(
        db, task_id=f"{user} {ago}", user_id=user, is_syncing=False, finished_at="now",
        outcome=outcome, error_message="why" if outcome == "failed" else None,
    )  # fmt: skip
    db.execute(
        "alter table gmail_sync.user_sync_status disable trigger user;"
        f"update gmail_sync.user_sync_status set started_at = now() - '{ago}'::interval"
        f" where task_id = '{user} {ago}';"
        "alter table gmail_sync.user_sync_status enable trigger user".encode()
    )


def enqueued(functions: Session) -> list[str]:
    return [
        functions.rows("sync_run", row["enqueue_due_syncs"])[0]["user_id"]
        for row in functions.rows("enqueue_due_syncs")
    ]


def test_an_account_without_an_interval_is_left_alone(functions: Session, db: Connection) -> None:
    connected(functions)
    ran(db, "ann", "3 days")
    assert enqueued(functions) == []


def test_an_account_is_due_at_once_and_again_when_its_interval_has_passed(
    functions: Session, db: Connection
) -> None:
    for user in ("fresh", "due", "early"):
        every(db, connected(functions, user), "10 min")
    ran(db, "due", "11 min")
    ran(db, "early", "9 min")
    assert enqueued(functions) == ["fresh", "due"]
    assert functions.rows("sync_status", "due")[0]["source"] == "schedule"
    assert enqueued(functions) == []


@pytest.mark.parametrize("status", ["reauth_required", "suspended", "disconnected"])
def test_an_account_that_is_not_connected_is_skipped(
    functions: Session, db: Connection, status: str
) -> None:
    every(db, connected(functions), "10 min")
    db.execute("update gmail_sync.account set status = %s", [status])
    assert enqueued(functions) == []


def test_a_running_run_is_left_alone(functions: Session, db: Connection) -> None:
    every(db, connected(functions), "10 min")
    task_id = queued(functions)
    before = run_of(db, task_id)
    assert enqueued(functions) == []
    assert run_of(db, task_id) == before


@pytest.mark.parametrize(
    ("not_before", "dead", "due"),
    [("-1 s", False, ["ann"]), ("1 min", False, []), ("-1 s", True, [])],
)
def test_messages_whose_wait_is_over_wake_their_user(
    functions: Session, db: Connection, not_before: str, dead: bool, due: list[str]
) -> None:
    connected(functions)
    ran(db, "ann", "1 min")
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, not_before, dead)"
        " values ('ann', 'm', 'listed', now() + %s::interval, %s)",
        [not_before, dead],
    )
    assert enqueued(functions) == due


@pytest.mark.parametrize(("ago", "due"), [("9 min", []), ("11 min", ["ann"])])
def test_a_failed_run_is_not_tried_again_at_once(
    functions: Session, db: Connection, ago: str, due: list[str]
) -> None:
    every(db, connected(functions), "1 min")
    ran(db, "ann", ago, "failed")
    assert enqueued(functions) == due


def test_a_pass_is_bounded_and_the_longest_waiting_goes_first(
    functions: Session, db: Connection
) -> None:
    for minutes in (20, 40, 30):
        user = f"user{minutes}"
        every(db, connected(functions, user), "10 min")
        ran(db, user, f"{minutes} min")
    assert len(functions.rows("enqueue_due_syncs", 2)) == 2
    assert enqueued(functions) == ["user20"]
