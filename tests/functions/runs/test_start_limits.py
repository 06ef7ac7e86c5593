from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from service.postgres.calls import Connection, Session, connect
from service.postgres.errors import InvalidArgument, TooOften
from tests.functions.conftest import claimed, connected, only, raises_sqlstate, set_settings
from tests.waiting import wait_until

WAITING = """
    select count(*) from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database()
"""


def limit(db: Connection, ago: list[str], most: int) -> None:
    db.execute(
        "select gmail_sync._check_rate_limit('clicks', array("
        "select clock_timestamp() - ago from unnest(%s::interval[]) as ago), %s)",
        [ago, most],
    )


def test_less_than_the_most_passes(db: Connection) -> None:
    limit(db, [], 1)
    limit(db, ["1 s", "2 s"], 3)


def test_the_most_is_refused_with_the_seconds_until_one_is_a_minute_old(db: Connection) -> None:
    for ago, most, seconds in (
        (["0 s"], 1, 60),
        (["10 s", "59.5 s"], 2, 1),
        # Newest first: the third of five is the one that must go.
        (["1 s", "2 s", "30 s", "40 s", "50 s"], 3, 30),
    ):
        with pytest.raises(psycopg.Error) as error:
            limit(db, ago, most)
        assert error.value.sqlstate == "SY005"
        assert error.value.diag.message_primary == f"clicks within a minute: {most} are the most"
        assert error.value.diag.message_detail == str(seconds)


def start(functions: Session, source: str) -> None:
    """Start a run that is over at once."""
    functions.value("cancel_sync", functions.value("start_sync", "ann", False, source))


def test_new_runs_of_a_person_are_counted(functions: Session, db: Connection) -> None:
    set_settings(db, max_starts_a_minute=2)
    start(functions, "api")
    start(functions, "api")
    with pytest.raises(TooOften) as error:
        start(functions, "api")
    assert 0 < int(error.value.detail or "") <= 60
    assert only(db, "select count(*) from gmail_sync.user_sync_status where is_syncing") == 0


@pytest.mark.parametrize("source", ["sql", "schedule", "push"])
def test_what_no_person_does_is_neither_counted_nor_refused(
    functions: Session, db: Connection, source: str
) -> None:
    set_settings(db, max_starts_a_minute=1)
    start(functions, source)
    start(functions, "api")
    start(functions, source)
    with pytest.raises(TooOften):
        start(functions, "api")


def test_a_click_that_joins_or_heals_is_never_refused(functions: Session, db: Connection) -> None:
    set_settings(db, max_starts_a_minute=1)
    start(functions, "api")
    task_id = claimed(functions)
    for _ in range(3):
        assert functions.value("start_sync", "ann", False, "api") == task_id
    db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '61 s'"
        " where is_syncing"
    )
    healed = functions.row("start_sync", "ann", False, "api")
    assert healed is not None
    assert healed["task_id"] != task_id
    assert healed["created"] is False


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


def test_a_limit_of_none_at_all_is_no_limit_to_set(db: Connection) -> None:
    for name in ("max_starts_a_minute", "max_connects_a_minute"):
        with raises_sqlstate("23514", "rates_are_positive"):
            set_settings(db, **{name: 0})
