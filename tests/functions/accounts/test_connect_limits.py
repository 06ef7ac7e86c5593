"""connect_account and record_connect_attempt: a user may do each only so often within a minute."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from service.postgres.calls import Connection, Session, connect
from service.postgres.errors import InvalidArgument, TooOften
from tests.functions.conftest import connected, only, set_settings
from tests.waiting import wait_until

WAITING = """
    select count(*) from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database()
"""


def test_connections_of_an_account_are_counted_for_each_user(
    functions: Session, db: Connection
) -> None:
    set_settings(db, max_connects_a_minute=2)
    connected(functions)
    connected(functions)
    with pytest.raises(TooOften, match="connections of a Gmail account"):
        connected(functions)
    connected(functions, "bob")
    db.execute("update gmail_sync.audit_event set at = at - %s", [timedelta(minutes=1)])
    connected(functions)


def test_each_step_on_the_way_to_google_is_counted_by_itself(
    functions: Session, db: Connection
) -> None:
    set_settings(db, max_connects_a_minute=2)
    for act in ("connect_begun", "connect_answered"):
        functions.value("record_connect_attempt", "ann", act)
        functions.value("record_connect_attempt", "ann", act)
        with pytest.raises(TooOften, match="connections of a Gmail account"):
            functions.value("record_connect_attempt", "ann", act)
    functions.value("record_connect_attempt", "bob", "connect_begun")
    connected(functions)
    db.execute("update gmail_sync.audit_event set at = at - %s", [timedelta(minutes=1)])
    functions.value("record_connect_attempt", "ann", "connect_begun")
    acts = [row["act"] for row in functions.rows("list_audit_events", "ann")]
    assert acts == ["connect_begun", "connected", *2 * ["connect_answered"], *2 * ["connect_begun"]]


@pytest.mark.parametrize(
    ("user", "act"), [("ann", "connected"), ("ann", None), ("", "connect_begun")]
)
def test_no_other_step_is_counted(functions: Session, user: str, act: str | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.value("record_connect_attempt", user, act)
    assert functions.rows("list_audit_events") == []


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("record_connect_attempt", ["ann", "connect_answered"]),
        ("connect_account", ["ann", "ann@mail.example", b"sealed"]),
    ],
)
def test_those_that_come_together_are_not_let_in_together(
    service_url: str,
    database_url: str,
    db: Connection,
    function: str,
    arguments: list[object],
) -> None:
    set_settings(db, max_connects_a_minute=3)
    sessions = [Session(service_url, "test") for _ in range(8)]

    def is_let_in(session: Session) -> bool:
        try:
            session.value(function, *arguments)
        except TooOften:
            return False
        finally:
            session.close()
        return True

    with ThreadPoolExecutor(8) as threads:
        with connect(database_url, "holder") as holder, holder.transaction():
            holder.execute("select gmail_sync._lock_user_mail('ann')")
            asked = [threads.submit(is_let_in, session) for session in sessions]
            wait_until(lambda: only(db, WAITING) == 8)
        assert sum(each.result() for each in asked) == 3
