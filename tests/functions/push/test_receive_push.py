import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import age_runs, claimed, connected, email_of, run_of


def push(functions: Session, history_id: int, email: str = "ann@mail.example") -> list[str]:
    """The task_ids of the runs that a push started."""
    return [row["receive_push"] for row in functions.rows("receive_push", email, history_id)]


def test_a_push_starts_a_run(functions: Session, db: Connection) -> None:
    connected(functions)
    (task_id,) = push(functions, 7)
    assert (run_of(db, task_id)["user_id"], run_of(db, task_id)["source"]) == ("ann", "push")


def test_the_address_is_compared_without_case(functions: Session) -> None:
    connected(functions)
    assert len(push(functions, 7, "ANN@Mail.Example")) == 1


def test_a_push_reaches_a_mailbox_that_was_connected_under_another_spelling(
    functions: Session, db: Connection
) -> None:
    functions.value("connect_account", "ann", "john.doe@googlemail.com", b"sealed")
    assert len(push(functions, 7, "johndoe@gmail.com")) == 1
    assert push(functions, 8, "janedoe@gmail.com") == []


def test_all_users_of_a_mailbox_get_a_run(functions: Session, db: Connection) -> None:
    for user in ("bo", "ann"):
        functions.value("connect_account", user, "shared@mail.example", b"sealed")
    started = push(functions, 7, "shared@mail.example")
    assert [run_of(db, task_id)["user_id"] for task_id in started] == ["ann", "bo"]


@pytest.mark.parametrize(("pushed", "runs"), [(99, 0), (100, 0), (101, 1)])
def test_only_news_starts_a_run(functions: Session, db: Connection, pushed: int, runs: int) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 100")
    assert len(push(functions, pushed)) == runs


@pytest.mark.parametrize("code", ["reauth_required", "account_blocked"])
def test_an_account_that_google_refuses_gets_no_run(functions: Session, code: str) -> None:
    connected(functions)
    functions.value("mark_credentials_rejected", "ann", b"sealed", code, "why")
    assert push(functions, 7) == []


def test_a_push_soon_after_a_failed_run_leaves_the_account_to_the_schedule(
    functions: Session, db: Connection
) -> None:
    functions.value("release_sync", claimed(functions), "why")
    db.execute("update gmail_sync.account set watch_expires_at = now() + interval '1 day'")
    assert push(functions, 7) == []
    assert functions.rows("enqueue_due_syncs") == []

    age_runs(db, "11 min")
    assert len(functions.rows("enqueue_due_syncs")) == 1


def test_a_push_long_after_a_failed_run_starts_one(functions: Session, db: Connection) -> None:
    functions.value("release_sync", claimed(functions), "why")
    age_runs(db, "11 min")
    assert len(push(functions, 7)) == 1


def test_an_unknown_mailbox_starts_nothing(functions: Session) -> None:
    connected(functions)
    assert push(functions, 7, email_of("bo")) == []


def test_a_push_during_a_run_asks_for_one_more(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    for history_id in (7, 8):
        assert push(functions, history_id) == [task_id]
    assert run_of(db, task_id)["follow_up"] == "incremental"
