"""disconnect_account: the credentials go, the mail stays unless it is to go."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import AccountNotConnected, InvalidArgument, LeaseLost
from tests.functions.conftest import (
    claimed,
    connected,
    email_of,
    history,
    listed,
    message,
    only,
    queue_of,
    queued,
    raises_sqlstate,
    record,
    run_of,
    store,
    stored_messages,
    together,
)

MAIL_TABLES = (
    "message", "message_words", "index_queue", "attachment", "label", "listing", "fetch_queue",
    "fetch_batch", "label_listing", "touched", "account",
)  # fmt: skip


def halfway(functions: Session, user: str = "ann") -> str:
    """The task_id of a claimed run that has stored one message and has one in the queue."""
    task_id = claimed(functions, user)
    listed(functions, task_id, "a", "b", token="more")
    store(functions, task_id, message("a", "INBOX"))
    return task_id


def test_the_credentials_go_and_all_else_stays(functions: Session, db: Connection) -> None:
    halfway(functions)
    db.execute("update gmail_sync.account set history_id = 7, watch_expires_at = now()")
    before = only(db, "select to_jsonb(a) from gmail_sync.account a")
    assert functions.value("disconnect_account", "ann") is True
    gone = {
        "status": "disconnected",
        "status_reason": None,
        "credentials": None,
        "verified": False,
        "watch_expires_at": None,
    }
    assert only(db, "select to_jsonb(a) from gmail_sync.account a") == before | gone
    assert set(stored_messages(db)) == {"a"}
    assert set(queue_of(db)) == {"b"}


def test_with_the_mail_everything_of_the_mail_goes(functions: Session, db: Connection) -> None:
    halfway(functions)
    halfway(functions, "bo")
    assert functions.value("disconnect_account", "ann", True) is True
    for table in MAIL_TABLES:
        owners = db.execute(
            f"select distinct user_id from gmail_sync.{table} where user_id <> ''".encode()
        ).fetchall()
        assert [row["user_id"] for row in owners] in ([], ["bo"]), table


def test_the_run_ends_with_no_successor_and_its_worker_is_refused(
    functions: Session, db: Connection
) -> None:
    task_id = halfway(functions)
    functions.value("disconnect_account", "ann")
    run = run_of(db, task_id)
    assert (run["is_syncing"], run["outcome"]) == (False, "cancelled")
    assert functions.value("heartbeat", task_id) is False
    with pytest.raises(LeaseLost):
        store(functions, task_id, message("b"))
    assert functions.value("claim_sync", uuid.uuid4()) is None


def test_a_queued_run_ends_too(functions: Session, db: Connection) -> None:
    task_id = queued(functions, connected(functions))
    functions.value("disconnect_account", "ann")
    assert run_of(db, task_id)["outcome"] == "cancelled"


def test_a_second_time_there_is_nothing_to_do(functions: Session) -> None:
    connected(functions)
    assert functions.value("disconnect_account", "ann") is True
    assert functions.value("disconnect_account", "ann") is False
    assert functions.value("disconnect_account", "nobody") is False
    assert functions.value("disconnect_account", "nobody", True) is False
    # Disconnected before, there is mail to delete still.
    assert functions.value("disconnect_account", "ann", True) is True
    assert functions.value("disconnect_account", "ann", True) is False


@pytest.mark.parametrize("status", ["reauth_required", "suspended"])
def test_an_account_that_google_refused_can_be_disconnected(
    functions: Session, db: Connection, status: str
) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set status = %s, status_reason = 'why'", [status])
    assert functions.value("disconnect_account", "ann") is True
    row = db.execute("select status, status_reason from gmail_sync.account").fetchone()
    assert row == {"status": "disconnected", "status_reason": None}


def test_schedules_and_pushes_pass_it_over(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set sync_interval = '1 min', watched_at = '2000-01-01'")
    functions.value("disconnect_account", "ann")
    assert functions.rows("enqueue_due_syncs") == []
    assert functions.rows("receive_push", email_of("ann"), 10**9) == []


def test_the_same_mailbox_goes_on_where_it_stood(functions: Session, db: Connection) -> None:
    functions.value("release_sync", halfway(functions), "broke off")
    db.execute("update gmail_sync.account set history_id = 7")
    functions.value("disconnect_account", "ann")
    with pytest.raises(AccountNotConnected):
        functions.value("connect_account", "ann", "bo@mail.example", b"other")
    connected(functions)
    assert only(db, "select history_id from gmail_sync.account") == 7
    assert set(queue_of(db)) == {"b"}


def test_another_mailbox_may_follow_once_the_mail_is_gone(functions: Session) -> None:
    halfway(functions)
    functions.value("disconnect_account", "ann", True)
    functions.value("connect_account", "ann", "bo@mail.example", b"other")
    assert functions.rows("list_accounts", "ann")[0]["history_id"] is None


def store_late(functions: Session, task_id: str) -> None:
    with suppress(LeaseLost):
        store(functions, task_id, *(message(f"m{number}") for number in range(20)))


def disconnect(functions: Session, user: str) -> None:
    assert functions.value("disconnect_account", user, True) is True


def test_no_late_write_brings_mail_back(
    sessions: Callable[[int], list[Session]], functions: Session, db: Connection
) -> None:
    """Stores and disconnecting race; the second finds the first done."""
    for round_ in range(8):
        user = f"user-{round_}"
        task_id = claimed(functions, user)
        history(functions, task_id, *(record(5, "messagesAdded", f"m{n}") for n in range(20)))
        pair = sessions(2)

        acts = [partial(store_late, pair[0], task_id), partial(disconnect, pair[1], user)]
        together(2, lambda index, acts=acts: acts[index]())  # type: ignore[misc]
        assert stored_messages(db, user) == {}
        assert queue_of(db, user) == {}


@pytest.mark.parametrize("user", ["", " ", "a\nb", None])
def test_what_is_no_user_id_is_refused(functions: Session, user: str | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.value("disconnect_account", user)


def test_applications_and_dbas_may_and_readers_may_not(functions: Session, db: Connection) -> None:
    for role in ("gmail_sync_app", "gmail_sync_dba"):
        connected(functions)
        db.execute(f"set role {role}".encode())
        assert only(db, "select gmail_sync.disconnect_account('ann')") is True
        db.execute("reset role")
    db.execute("set role gmail_sync_reader")
    with raises_sqlstate("42501"):
        db.execute("select gmail_sync.disconnect_account('ann')")
