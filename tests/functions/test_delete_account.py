"""delete_account: nothing of a user is left, wherever one looks."""

import uuid
from hashlib import sha256

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from service.database import Connection, Session
from service.errors import InvalidArgument, LeaseLost
from tests.functions.conftest import (
    claimed,
    connected,
    email_of,
    insert_run,
    listed,
    message,
    queued,
    store,
    taken,
)

USER = "ann-4711"
ADDRESS = email_of(USER)


def places(db: Connection, word: str) -> list[str]:
    """The tables of the schema that hold a word anywhere in a row, jsonb, arrays and bytes too."""
    tables = db.execute(
        "select relname from pg_class"
        " where relnamespace = 'gmail_sync'::regnamespace and relkind in ('r', 'p', 'm')"
    ).fetchall()
    assert len(tables) > 12
    found = []
    for row in tables:
        table = sql.Identifier("gmail_sync", row["relname"])
        query = sql.SQL(
            "select 1 from {} t where strpos(t::text, {}) > 0 or strpos(t::text, {}) > 0 limit 1"
        ).format(table, sql.Literal(word), sql.Literal(word.encode().hex()))
        if db.execute(query).fetchone():
            found.append(row["relname"])
    return found


def lived_in(functions: Session, db: Connection, user: str = USER) -> str:
    """A user of whom every table knows something; the task_id of the run under way."""
    functions.value("connect_account", user, email_of(user), f"sealed {user}".encode())
    insert_run(db, task_id=f"sync_{user}_00000000_1", user_id=user, is_syncing=True)
    db.execute(
        "insert into gmail_sync.repair_log (source, user_id, reason, original)"
        " values ('test', %s, 'because', %s)",
        [user, Jsonb({"user_id": user})],
    )
    functions.value("cancel_sync", f"sync_{user}_00000000_1")
    task_id = queued(functions, user)
    assert functions.value("claim_sync", uuid.uuid4()) == task_id
    listed(functions, task_id, "a", "b", "c", token="more")
    attachment = {
        "part_id": "1",
        "filename": f"{user}.pdf",
        "mime_type": "application/pdf",
        "size": 1,
        "content_id": None,
        "inline": False,
    }
    store(functions, task_id, message("a", "INBOX", body_text=user, attachments=[attachment]))
    labels = [{"id": f"L-{user}", "name": "Work", "type": "user"}]
    functions.rows("store_labels", task_id, Jsonb(labels))
    taken(functions, task_id, 1)
    functions.value("charge_quota", task_id, "messages.get", 1)
    functions.value("refuse_credentials", user, f"sealed {user}".encode(), "suspended", "why")
    functions.value("record_audit", "operator_read", user, Jsonb({"view": "health"}))
    return task_id


def test_nothing_of_the_user_is_left_in_any_table(functions: Session, db: Connection) -> None:
    lived_in(functions, db)
    assert set(places(db, USER)) == {
        "account", "attachment", "audit_event", "fetch_queue", "label", "listing", "message",
        "quota_charge", "repair_log", "touched", "user_sync_status",
    }  # fmt: skip
    assert functions.value("delete_account", USER) is True
    assert places(db, USER) == []
    assert places(db, ADDRESS) == []


def test_everybody_else_is_left_alone(functions: Session, db: Connection) -> None:
    lived_in(functions, db, "bo-4712")
    before = places(db, "bo-4712")
    lived_in(functions, db)
    functions.value("delete_account", USER)
    assert places(db, "bo-4712") == before


def test_what_is_kept_is_that_somebody_was_deleted(functions: Session, db: Connection) -> None:
    lived_in(functions, db)
    functions.value("delete_account", USER)
    (event,) = functions.rows("list_audit_events")
    assert (event["act"], event["user_id"]) == ("deleted", None)
    assert event["detail"] == {"user_sha256": sha256(USER.encode()).hexdigest()}
    assert event["actor"] == event["role"] == "service_login"


def test_the_run_s_worker_is_refused_and_writes_nothing_back(
    functions: Session, db: Connection
) -> None:
    task_id = lived_in(functions, db)
    functions.value("delete_account", USER)
    assert functions.value("heartbeat", task_id) is False
    late = [
        lambda: store(functions, task_id, message("b")),
        lambda: functions.value("charge_quota", task_id, "messages.get", 1),
        lambda: functions.value("set_account_status", task_id, "suspended", "why"),
        lambda: functions.value("handover_sync", task_id, "why"),
        lambda: functions.value("release_sync", task_id, "why"),
    ]
    for act in late:
        try:
            assert not act()
        except LeaseLost:
            continue
    assert functions.value("save_credentials", USER, b"sealed", b"renewed") is False
    assert places(db, USER) == []


def test_a_second_time_there_is_nothing(functions: Session, db: Connection) -> None:
    connected(functions, USER)
    assert functions.value("delete_account", USER) is True
    assert functions.value("delete_account", USER) is False
    assert functions.value("delete_account", "nobody") is False
    assert len(functions.rows("list_audit_events")) == 1


def test_a_user_who_only_asked_for_a_sync_is_deleted_too(
    functions: Session, db: Connection
) -> None:
    queued(functions, USER)
    assert functions.value("delete_account", USER) is True
    assert places(db, USER) == []


def test_who_was_deleted_may_come_again(functions: Session, db: Connection) -> None:
    lived_in(functions, db)
    functions.value("delete_account", USER)
    functions.value("connect_account", USER, "other@mail.example", b"sealed")
    assert functions.rows("sync_history", USER) == []
    claimed_again = claimed(functions, "bo")
    assert claimed_again.startswith("sync_bo_")


def test_what_is_no_user_id_is_refused(functions: Session) -> None:
    for user in ("", None, "a\nb"):
        with pytest.raises(InvalidArgument):
            functions.value("delete_account", user)
