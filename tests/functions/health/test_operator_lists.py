"""list_workers, list_accounts_to_reconnect, list_dead_letters: what operators are shown."""

import uuid
from datetime import timedelta

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, connected, insert_run, only, queued

LISTS = ["list_workers", "list_accounts_to_reconnect", "list_dead_letters"]


def give_up(db: Connection, user: str, message_id: str, error: str | None) -> None:
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead, last_error)"
        " values (%s, %s, 'listed', true, %s)",
        [user, message_id, error],
    )


def silence_of(db: Connection, version: str) -> timedelta:
    since: timedelta = only(
        db, "select clock_timestamp() - seen_at from gmail_sync.worker where version = %s", version
    )
    return since


def test_workers_say_how_busy_they_are(functions: Session, db: Connection) -> None:
    worker = uuid.uuid4()
    functions.rows("worker_heartbeat", worker, "1.2", 4)
    queued(functions, connected(functions))
    functions.rows("claim_sync", worker)
    claimed(functions, "of another worker")
    (row,) = functions.rows("list_workers")
    assert (row["worker"], row["version"]) == (str(worker)[:8], "1.2")
    assert (row["alive"], row["busy"], row["capacity"]) == (True, 1, 4)
    assert timedelta(0) <= row["seen_for"] <= silence_of(db, "1.2")


def test_a_worker_that_has_gone_silent_is_not_alive(functions: Session, db: Connection) -> None:
    functions.rows("worker_heartbeat", uuid.uuid4(), "1.2", 4)
    db.execute("update gmail_sync.worker set seen_at = now() - interval '61 s'")
    functions.rows("worker_heartbeat", uuid.uuid4(), "1.3", 4)
    new, old = functions.rows("list_workers")
    assert (new["version"], new["alive"], new["busy"]) == ("1.3", True, 0)
    assert (old["version"], old["alive"]) == ("1.2", False)
    assert timedelta(seconds=61) <= old["seen_for"] <= silence_of(db, "1.2")


def test_accounts_to_reconnect_say_why_and_since_when(functions: Session, db: Connection) -> None:
    connected(functions, "well")
    functions.value(
        "mark_credentials_rejected",
        connected(functions),
        b"sealed",
        "reauth_required",
        "Token revoked.",
    )
    db.execute("update gmail_sync.audit_event set at = '2026-01-02T03:04Z' where user_id = 'ann'")
    connected(functions, "zoe")
    db.execute("update gmail_sync.account set status = 'suspended' where user_id = 'zoe'")
    ann, zoe = functions.rows("list_accounts_to_reconnect")
    assert (ann["user_id"], ann["status"]) == ("ann", "reauth_required")
    assert (ann["email"], ann["status_reason"]) == ("ann@mail.example", "Token revoked.")
    assert ann["refused_at"].isoformat() == "2026-01-02T03:04:00+00:00"
    assert (zoe["status"], zoe["refused_at"]) == ("suspended", None)


def test_dead_letters_are_counted_by_user_and_reason(functions: Session, db: Connection) -> None:
    for number in range(3):
        give_up(db, "ann", f"m{number}", "too_large: larger than 50 MB")
    give_up(db, "ann", "n", "its parts cannot be read")
    give_up(db, "zoe", "o", "too_large: larger than 50 MB")
    give_up(db, "zoe", "p", None)
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, last_error)"
        " values ('zoe', 'to be tried again', 'listed', 'x')"
    )
    assert [tuple(row.values()) for row in functions.rows("list_dead_letters")] == [
        ("ann", "too_large", "larger than 50 MB", 3, "m0"),
        ("ann", None, "its parts cannot be read", 1, "n"),
        ("zoe", "too_large", "larger than 50 MB", 1, "o"),
        ("zoe", None, None, 1, "p"),
    ]


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


@pytest.mark.parametrize("function", LISTS)
@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_list_has_a_length(functions: Session, function: str, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows(function, limit)


@pytest.mark.parametrize("function", LISTS)
def test_a_list_is_no_longer_than_asked_for(
    functions: Session, db: Connection, function: str
) -> None:
    for user in ("ann", "bob"):
        functions.rows("worker_heartbeat", uuid.uuid4(), "1", 1)
        connected(functions, user)
        give_up(db, user, "m", "why")
    db.execute("update gmail_sync.account set status = 'suspended'")
    assert len(functions.rows(function)) == 2
    assert len(functions.rows(function, 1)) == 1
