import uuid
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row, Session
from tests.functions.conftest import (
    announced,
    claimed,
    connected,
    counts,
    history,
    insert_run,
    listed,
    message,
    only,
    queued,
    record,
    run_of,
    set_settings,
    shift,
    store,
    successor_of,
    taken,
    together,
)

Sessions = Callable[[int], list[Session]]


def next_user(functions: Session) -> str | None:
    row = functions.row("claim_sync", uuid.uuid4())
    return row["user_id"] if row else None


def test_nothing_is_due(functions: Session) -> None:
    assert functions.rows("claim_sync", uuid.uuid4()) == []


def test_gives_the_worker_all_it_needs(functions: Session, db: Connection) -> None:
    worker = uuid.uuid4()
    task_id = queued(functions, connected(functions))
    expected = {
        "task_id": task_id,
        "user_id": "ann",
        "sync_type": "full",
        "attempt": 1,
        "email": "ann@mail.example",
        "account_status": "connected",
        "status_reason": None,
        "credentials": b"sealed",
        "content_mode": "full",
        "quota_profile": "unlimited",
        "heartbeat_interval": timedelta(seconds=15),
        "heartbeat_timeout": timedelta(seconds=60),
    }
    (row,) = functions.rows("claim_sync", worker)
    assert row | expected == row
    run = run_of(db, task_id)
    assert (run["claimed_by"], run["phase"]) == (worker, "listing")
    assert run["claimed_at"] is not None


def test_settings_are_read_anew(functions: Session, db: Connection) -> None:
    set_settings(db, heartbeat_interval="2 s", heartbeat_timeout="9 s")
    queued(functions)
    row = functions.rows("claim_sync", uuid.uuid4())[0]
    assert row["heartbeat_timeout"] == timedelta(seconds=9)


def test_a_run_without_an_account_is_given_to_a_worker_too(functions: Session) -> None:
    queued(functions)
    row = functions.rows("claim_sync", uuid.uuid4())[0]
    assert (row["email"], row["account_status"]) == (None, None)


def test_people_go_before_pushes_and_those_before_schedules(
    functions: Session, db: Connection
) -> None:
    for user, source in (("d", "schedule"), ("c", "push"), ("b", "sql"), ("a", "api")):
        queued(functions, user, p_source=source)
    shift(db, queued(functions, "b"), "-1 s", "started_at")
    assert [next_user(functions) for _ in range(5)] == ["b", "a", "c", "d", None]


def test_a_successor_has_the_rank_of_a_push(functions: Session, db: Connection) -> None:
    functions.value("handover_sync", claimed(functions, "resumed"), "drain", None, False)
    queued(functions, "scheduled", p_source="schedule")
    queued(functions, "pushed", p_source="push")
    queued(functions, "person")
    assert [next_user(functions) for _ in range(4)] == ["person", "resumed", "pushed", "scheduled"]


def test_schedules_age_into_the_rank_of_pushes_and_never_into_that_of_people(
    functions: Session, db: Connection
) -> None:
    old = queued(functions, "old", p_source="schedule")
    shift(db, old, "-6 min", "started_at", "not_before")
    queued(functions, "pushed", p_source="push")
    queued(functions, "young", p_source="schedule")
    queued(functions, "person", p_source="api")
    assert [next_user(functions) for _ in range(4)] == ["person", "old", "pushed", "young"]


def test_within_a_rank_the_run_that_has_been_due_longest_comes_first(
    functions: Session, db: Connection
) -> None:
    ages = {"push": ["-9 min", "-7 min", "-2 min"], "schedule": ["-8 min", "-6 min", "-4 min"]}
    for source, of_source in ages.items():
        for age in of_source:
            task_id = queued(functions, f"{source} {age}", p_source=source)
            shift(db, task_id, age, "started_at", "not_before")
    successor = functions.value("handover_sync", claimed(functions, "waited"), "why")
    shift(db, successor, "-1 h", "started_at")
    shift(db, successor, "-3 min", "not_before")

    assert [next_user(functions) for _ in range(8)] == [
        "push -9 min", "schedule -8 min", "push -7 min", "schedule -6 min",
        "waited", "push -2 min", "schedule -4 min", None,
    ]  # fmt: skip


def test_nothing_is_claimed_before_it_is_due(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    shift(db, task_id, "1 min", "not_before")
    assert next_user(functions) is None
    shift(db, task_id, "-1 s", "not_before")
    assert next_user(functions) == "ann"


def test_a_run_is_claimed_once(functions: Session) -> None:
    queued(functions)
    assert next_user(functions) == "ann"
    assert next_user(functions) is None


def test_workers_at_once_claim_each_run_once(
    sessions: Sessions, functions: Session, db: Connection
) -> None:
    for index in range(40):
        queued(functions, f"user {index}")
    workers = sessions(10)

    def drain(index: int) -> list[str]:
        claims: list[str] = []
        while row := workers[index].row("claim_sync", uuid.UUID(int=index)):
            claims.append(row["task_id"])
        return claims

    claims = [task_id for batch in together(10, drain) for task_id in batch]
    # A claimer that finds only what another is claiming goes away empty; its poll comes again.
    claims += drain(0)
    assert len(claims) == len(set(claims)) == 40


def test_a_locked_run_is_not_waited_for(
    functions: Session, locked: Callable[[str], psycopg.Connection[Row]]
) -> None:
    queued(functions, "first")
    queued(functions, "second")
    locked("select from gmail_sync.user_sync_status where user_id = 'first' for update")
    assert next_user(functions) == "second"


def test_due_messages_enter_as_found_and_pending(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, not_before, dead) values"
        " ('ann', 'due', 'history', now(), false), ('ann', 'dead', 'history', now(), true),"
        " ('ann', 'later', 'history', now() + interval '1 min', false),"
        " ('bo', 'foreign', 'history', now(), false)"
    )
    task_id = queued(functions)
    functions.rows("claim_sync", uuid.uuid4())
    assert counts(db, task_id) == {"found": 1, "pending": 1}


def test_a_fresh_run_counts_anew(functions: Session, db: Connection) -> None:
    first = claimed(functions)
    store(functions, first, message("m"))
    functions.value("release_sync", first)
    second = claimed(functions)
    assert counts(db, second) == {}
    store(functions, second, message("m"))
    assert counts(db, second) == {"found": 1, "unchanged": 1}


def test_a_successor_goes_on_counting(functions: Session, db: Connection) -> None:
    first = claimed(functions)
    listed(functions, first, "a", "b")
    store(functions, first, message("a"))
    assert taken(functions, first) == ["b"]
    second = functions.value("handover_sync", first, "drain")
    functions.value("claim_sync", uuid.uuid4())
    assert counts(db, second) == {"found": 2, "new": 1, "pending": 1}
    store(functions, second, message("b"), message("a"))
    assert counts(db, second) == {"found": 2, "new": 2}


def test_the_successor_of_a_run_made_by_hand_counts_anew(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    functions.value("release_sync", task_id, "Gmail is away.")
    insert_run(db, task_id="by hand")
    shift(db, "by hand", "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    successor = functions.value("claim_sync", uuid.uuid4())
    assert counts(db, successor) == {"found": 1, "pending": 1}
    store(functions, successor, message("a"))
    assert counts(db, successor) == {"found": 1, "new": 1}


def test_a_user_whose_mail_is_locked_is_passed_over(
    functions: Session, db: Connection, locked: Callable[[str], psycopg.Connection[Row]]
) -> None:
    for user in ("ann", "bo"):
        queued(functions, connected(functions, user))
    lock = locked("select gmail_sync._lock_user_mail('ann')")
    assert next_user(functions) == "bo"
    assert next_user(functions) is None
    lock.commit()
    assert next_user(functions) == "ann"


def test_a_claim_settles_the_kind_of_sync(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    assert run_of(db, queued(functions))["sync_type"] == "incremental"
    db.execute("update gmail_sync.account set history_id = null")
    assert functions.rows("claim_sync", uuid.uuid4())[0]["sync_type"] == "full"


def test_a_claim_is_no_progress(functions: Session, db: Connection) -> None:
    assert run_of(db, claimed(functions))["progressed_at"] is None


def test_a_new_run_is_announced(functions: Session, db: Connection) -> None:
    db.execute("listen gmail_sync")
    task_id = queued(functions)
    assert announced(db, 1) == [task_id]


def test_a_successor_is_announced_after_the_end_of_the_old_run(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    db.execute("listen gmail_sync")
    functions.value("handover_sync", task_id, "drain")
    changed = announced(db, 2)
    assert changed == [task_id, successor_of(db, task_id)["task_id"]]


@pytest.mark.parametrize("end", ["release_sync", "cancel_sync"])
def test_an_end_is_announced(functions: Session, db: Connection, end: str) -> None:
    task_id = claimed(functions)
    db.execute("listen gmail_sync")
    functions.value(end, task_id)
    assert announced(db, 1) == [task_id]


def test_a_beat_is_not_announced(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    db.execute("listen gmail_sync")
    functions.value("heartbeat", task_id)
    functions.rows("report_progress", task_id, "2030-01-01")
    db.execute("notify gmail_sync, 'end'")
    assert announced(db, 1) == ["end"]
    assert only(db, "select 1") == 1


def test_what_a_failed_run_left_pending_is_counted_but_not_written_again(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "new", "stored", "failed", "pending")
    store(functions, task_id, message("new"), message("stored"))
    failure = {"message_id": "failed", "error_message": "notStored", "permanent": True}
    functions.rows("fail_messages", task_id, Jsonb([failure]))
    history(functions, task_id, record(500, "messagesDeleted", "stored"))
    functions.value("release_sync", task_id, "stopped")
    before = touched(db)["pending"]
    task_id = queued(functions)

    functions.value("claim_sync", uuid.uuid4())

    assert counts(db, task_id) == {"found": 1, "pending": 1}
    assert touched(db) == {"pending": before}


def test_a_message_gone_from_the_queue_does_not_stay_pending(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    functions.value("release_sync", task_id, "stopped")
    db.execute("delete from gmail_sync.fetch_queue where message_id = 'a'")
    task_id = queued(functions)

    functions.value("claim_sync", uuid.uuid4())

    assert counts(db, task_id) == {"found": 1, "pending": 1}
    assert set(touched(db)) == {"b"}


def touched(db: Connection) -> dict[str, str]:
    """The transaction that wrote each touched message."""
    rows = db.execute("select message_id, xmin::text from gmail_sync.touched")
    return {row["message_id"]: row["xmin"] for row in rows}
