"""What goes on beside the end of an account: two connections, one stopped where it is dangerous."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import psycopg
import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import SyncError
from tests.functions.conftest import (
    busy_user,
    calls,
    claimed,
    connected,
    insert_run,
    only,
    queued,
    run_of,
    set_run,
    shift,
    somebody_waits_for_a_lock,
)
from tests.functions.traces import ADDRESS, USER, lived_in, places
from tests.waiting import wait_until

Locked = Callable[[str], psycopg.Connection[Row]]

DELETE = f"select gmail_sync.delete_account('{USER}')"
# What makes rows of a user: of one who is connected and idle, and due by schedule.
CALLS: dict[str, list[object]] = {
    "start_sync": [USER, False, "api"],
    "start_sync_idempotent": [USER],
    "receive_push": [ADDRESS, 10**9],
    "enqueue_due_syncs": [],
    "retry_failed_messages": [USER],
    "refetch_messages": [USER, ["m"]],
    "set_content_mode": [USER, "raw"],
    "reserve_account_quota": [USER, calls("attachments.get")],
    "mark_credentials_rejected": [USER, f"sealed {USER}".encode(), "reauth_required", "why"],
    "disconnect_account": [USER],
    "begin_disconnect": [USER],
    "record_audit_event": ["operator_read", USER],
}


@pytest.fixture
def idle(functions: Session, db: Connection) -> None:
    """USER is known everywhere, has mail to retry, and no run is under way."""
    functions.value("cancel_sync", lived_in(functions, db))
    db.execute("delete from gmail_sync.user_sync_status")
    db.execute(
        "update gmail_sync.account"
        " set status = 'connected', status_code = null, sync_interval = '1 min'"
    )
    db.execute("update gmail_sync.fetch_queue set dead = true")


def call(functions: Session, function: str, *arguments: object) -> None:
    with suppress(SyncError):
        functions.rows(function, *arguments)


@pytest.mark.parametrize("function", CALLS)
def test_what_is_begun_during_a_deletion_leaves_nothing(
    functions: Session, db: Connection, locked: Locked, idle: None, function: str
) -> None:
    deletion = locked(DELETE)
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(call, functions, function, *CALLS[function])
        wait_until(lambda: late.done() or somebody_waits_for_a_lock(db))
        deletion.commit()
        late.result(60)
    assert places(db, USER) == []


@pytest.mark.parametrize("function", CALLS)
def test_what_was_begun_before_a_deletion_goes_with_it(
    functions: Session, db: Connection, locked: Locked, idle: None, function: str
) -> None:
    early = locked("select 1")
    marks = ", ".join(["%s"] * len(CALLS[function]))
    early.execute(f"select * from gmail_sync.{function}({marks})".encode(), CALLS[function])
    with ThreadPoolExecutor(1) as threads:
        deletion = threads.submit(functions.value, "delete_account", USER)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        early.commit()
        assert deletion.result(60) is True
    assert places(db, USER) == []


# What a worker or the reaper does to the run under way.
ENDS: dict[str, str] = {
    "release": "select gmail_sync.release_sync('{}')",
    "failure": "select gmail_sync.release_sync('{}', 'why')",
    "handover": "select gmail_sync.handover_sync('{}', 'why')",
    "reap": "select * from gmail_sync.reap_zombie_syncs()",
    "click": f"select gmail_sync.start_sync('{USER}')",
    "push": f"select gmail_sync.start_sync('{USER}', false, 'push')",
    "charge": """select gmail_sync.reserve_run_quota('{}', '[{{"method": "labels.list"}}]')""",
    "beat": "select gmail_sync.heartbeat('{}')",
}


@pytest.fixture
def under_way(functions: Session, db: Connection) -> str:
    """A run of USER that can be released and reaped, and is to be followed by one more."""
    task_id = lived_in(functions, db)
    db.execute("delete from gmail_sync.fetch_queue")
    set_run(db, task_id, found=0, new=0, pending=0, follow_up="incremental")
    return task_id


@pytest.mark.parametrize("end", ENDS)
def test_a_run_that_ends_before_a_deletion_leaves_no_other(
    functions: Session, db: Connection, locked: Locked, under_way: str, end: str
) -> None:
    if end == "reap":
        shift(db, under_way, "-61 s", "updated_at")
    early = locked(ENDS[end].format(under_way))
    with ThreadPoolExecutor(1) as threads:
        deletion = threads.submit(functions.value, "delete_account", USER)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        early.commit()
        assert deletion.result(60) is True
    assert places(db, USER) == []


@pytest.mark.parametrize("end", ENDS)
def test_a_run_that_ends_during_a_deletion_leaves_no_other(
    service_url: str, db: Connection, locked: Locked, under_way: str, end: str
) -> None:
    if end == "reap":
        shift(db, under_way, "-61 s", "updated_at")
    deletion = locked(DELETE)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(service_url, autocommit=True) as late:
        ending = threads.submit(late.execute, ENDS[end].format(under_way).encode())
        wait_until(lambda: ending.done() or somebody_waits_for_a_lock(db))
        deletion.commit()
        with suppress(psycopg.DatabaseError):
            ending.result(60)
    assert places(db, USER) == []


def test_a_claim_during_a_deletion_leaves_nothing(
    functions: Session, db: Connection, locked: Locked
) -> None:
    """A claim would note what is queued, which the deletion has passed already: it passes over."""
    functions.value("cancel_sync", lived_in(functions, db))
    db.execute("delete from gmail_sync.touched")
    queued(functions, USER)
    message = locked("select from gmail_sync.message for update")
    with ThreadPoolExecutor(1) as threads:
        deletion = threads.submit(functions.value, "delete_account", USER)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        claim = db.execute("select * from gmail_sync.claim_sync(gen_random_uuid())")
        assert claim.fetchall() == []
        message.commit()
        assert deletion.result(60) is True
    assert places(db, USER) == []


@pytest.mark.parametrize("deleted_first", [True, False])
def test_a_repair_beside_a_deletion_leaves_nothing(
    database_url: str, db: Connection, locked: Locked, idle: None, deleted_first: bool
) -> None:
    """A repair puts another row in the place of the one the deletion has seen."""
    db.execute("alter table gmail_sync.user_sync_status drop constraint chk_sync_state_consistency")
    insert_run(
        db, task_id="t", user_id=USER, is_syncing=False, progress_percentage=50,
        finished_at="now", outcome="cancelled",
    )  # fmt: skip
    repair = "select * from gmail_sync.repair_sync_consistency()"
    statements = [DELETE, repair] if deleted_first else [repair, DELETE]
    first = locked(statements[0])
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database_url, autocommit=True) as other:
        second = threads.submit(other.execute, statements[1].encode())
        wait_until(lambda: somebody_waits_for_a_lock(db))
        first.commit()
        second.result(60)
    assert places(db, USER) == []


def test_an_adoption_that_was_begun_goes_with_the_user(
    functions: Session, db: Connection, locked: Locked
) -> None:
    db.execute("create table public.legacy (task_id text, user_id text, is_syncing boolean)")
    db.execute("insert into public.legacy values ('sync_old', %s, false)", [USER])
    adoption = locked("select * from gmail_sync.adopt_legacy_sync_status('public.legacy')")
    with ThreadPoolExecutor(1) as threads:
        deletion = threads.submit(functions.value, "delete_account", USER)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        adoption.commit()
        assert deletion.result(60) is True
    assert places(db, USER) == []


def test_a_start_during_a_deletion_waits_for_nobody_and_makes_nothing(
    functions: Session, db: Connection, locked: Locked, idle: None
) -> None:
    deletion = locked(DELETE)
    started = functions.row("start_sync", USER)
    assert started is not None
    assert started["task_id"].startswith(f"sync_{USER}_")
    assert started["created"] is False
    assert functions.row("sync_run", started["task_id"]) is None
    queued(functions, "bo")
    deletion.commit()
    assert run_of(db, queued(functions, USER))["phase"] == "queued"


def test_an_application_s_transaction_is_waited_for_and_not_deadlocked(
    functions: Session, db: Connection, locked: Locked, idle: None
) -> None:
    application = locked(f"select gmail_sync.start_sync_idempotent('{USER}')")
    with ThreadPoolExecutor(1) as threads:
        deletion = threads.submit(functions.value, "delete_account", USER)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        application.execute(f"select gmail_sync.retry_failed_messages('{USER}')".encode())
        application.commit()
        assert deletion.result(60) is True
    assert places(db, USER) == []


def test_bookings_of_others_wait_for_no_deletion(
    functions: Session, db: Connection, locked: Locked, idle: None
) -> None:
    """Both delete charges: a booking leaves those that are going anyway."""
    connected(functions, "bo", "google-standard")
    db.execute("update gmail_sync.quota_charge set charged_at = now() - interval '1 day'")
    deletion = locked(DELETE)
    deletion.execute("select from gmail_sync.quota_charge for update")
    assert functions.value("reserve_account_quota", "bo", calls("attachments.get")) is None
    deletion.commit()
    assert only(db, "select array_agg(user_id::text) from gmail_sync.quota_charge") == ["bo"]


def test_a_deletion_that_waits_for_a_repair_keeps_nobody_waiting(
    functions: Session, db: Connection, locked: Locked, idle: None
) -> None:
    repair = locked("select * from gmail_sync.repair_sync_consistency()")
    with ThreadPoolExecutor(1) as threads:
        deletion = threads.submit(functions.value, "delete_account", USER)
        wait_until(lambda: somebody_waits_for_a_lock(db))
        assert only(db, f"select created from gmail_sync.start_sync('{USER}')")
        repair.commit()
        assert deletion.result(60) is True
    assert places(db, USER) == []


def test_a_follow_up_that_is_being_started_ends_with_the_run(
    functions: Session, db: Connection, locked: Locked
) -> None:
    task_id = claimed(functions)
    set_run(db, task_id, follow_up="full")
    release = locked(f"select gmail_sync.release_sync('{task_id}')")
    with ThreadPoolExecutor(1) as threads:
        ending = threads.submit(functions.value, "disconnect_account", "ann")
        wait_until(lambda: somebody_waits_for_a_lock(db))
        release.commit()
        assert ending.result(60) is True
    outcomes = "select array_agg(outcome order by started_at) from gmail_sync.user_sync_status"
    assert only(db, outcomes) == ["succeeded", "cancelled"]


def test_a_closed_account_is_used_by_nobody_and_its_run_has_ended(
    functions: Session, db: Connection
) -> None:
    task_id = busy_user(functions)
    assert functions.value("begin_disconnect", "ann") == b"sealed"
    assert run_of(db, task_id)["outcome"] == "cancelled"
    (account,) = functions.rows("list_accounts", "ann")
    assert account["status"] == "disconnected"
    db.execute("update gmail_sync.account set sync_interval = '1 min'")
    assert functions.rows("enqueue_due_syncs") == []
    assert functions.rows("receive_push", account["email"], 10**9) == []
    # Nothing is lost: who was interrupted closes it again, and who changes his mind connects.
    assert functions.value("begin_disconnect", "ann") == b"sealed"
    connected(functions)
    assert functions.rows("list_accounts", "ann")[0]["status"] == "connected"


def test_there_is_nothing_to_close_of_somebody_unknown(functions: Session) -> None:
    assert functions.value("begin_disconnect", "nobody") is None
    functions.value("disconnect_account", connected(functions))
    assert functions.value("begin_disconnect", "ann") is None


@pytest.mark.parametrize("end", ["disconnect", "disconnect with mail", "delete"])
@pytest.mark.parametrize("opened", [b"sealed", b""])
def test_credentials_that_came_meanwhile_are_not_forgotten(
    functions: Session, db: Connection, end: str, opened: bytes
) -> None:
    """Opened were others, or none at all."""
    task_id = busy_user(functions)
    functions.value("replace_credentials", "ann", b"sealed", b"consent")
    before = db.execute("select * from gmail_sync.account").fetchall()
    forget: Callable[[bytes], object] = {
        "disconnect": partial(functions.value, "disconnect_account", "ann", False),
        "disconnect with mail": partial(functions.value, "disconnect_account", "ann", True),
        "delete": partial(functions.value, "delete_account", "ann"),
    }[end]
    assert forget(opened) is None
    assert db.execute("select * from gmail_sync.account").fetchall() == before
    assert run_of(db, task_id)["is_syncing"] is True
    assert forget(b"consent") is True
    assert only(db, "select count(*) from gmail_sync.account where credentials is not null") == 0
    assert forget(b"") is False


def test_a_closed_account_is_disconnected_with_its_event(functions: Session) -> None:
    connected(functions)
    functions.value("begin_disconnect", "ann")
    assert functions.value("disconnect_account", "ann", False, b"sealed") is True
    acts = [row["act"] for row in functions.rows("list_audit_events", "ann")]
    assert acts == ["disconnected", "connected"]
