"""delete_account: nothing of a user is left, wherever one looks."""

from contextlib import closing

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument, LeaseLost
from tests.functions.conftest import claimed, connected, gets, message, queued, store
from tests.functions.traces import ADDRESS, USER, lived_in, places


def test_nothing_of_the_user_is_left_in_any_table(functions: Session, db: Connection) -> None:
    lived_in(functions, db)
    assert set(places(db, USER)) == {
        "account", "attachment", "audit_event", "fetch_batch", "fetch_queue", "index_backlog",
        "index_queue", "label", "label_listing", "listing", "mail_count", "message",
        "message_words", "quota_charge", "repair_log", "schedule", "touched", "user_sync_status",
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


@pytest.mark.parametrize("user", ["google", "os:otto", "service_login"])
def test_a_user_called_like_an_actor_takes_nobody_s_trail_away(
    functions: Session, db: Connection, service_url: str, user: str
) -> None:
    connected(functions, "bo")
    functions.value("mark_credentials_rejected", "bo", b"sealed bo", "reauth_required", "why")
    with closing(Session(service_url, "gmail-sync account by os:otto")) as otto:
        otto.value("record_audit_event", "operator_read", "os:otto", Jsonb({}), "bo")
    before = functions.rows("list_audit_events", "bo")
    connected(functions, user)
    functions.value("delete_account", user)
    assert functions.rows("list_audit_events", "bo") == before


def test_what_an_operator_looked_at_goes_with_the_operator(functions: Session) -> None:
    connected(functions, "bo")
    functions.value("record_audit_event", "operator_read", USER, Jsonb({}), "bo")
    connected(functions, USER)
    functions.value("delete_account", USER)
    assert [event["act"] for event in functions.rows("list_audit_events", "bo")] == ["connected"]


def test_what_is_kept_is_that_somebody_was_deleted(functions: Session, db: Connection) -> None:
    lived_in(functions, db)
    functions.value("delete_account", USER)
    (event,) = functions.rows("list_audit_events")
    assert (event["act"], event["user_id"]) == ("deleted", None)
    assert set(event["detail"]) == {"user_hash"}
    assert event["actor"] == event["role"] == "service_login"


def test_the_run_s_worker_is_refused_and_writes_nothing_back(
    functions: Session, db: Connection
) -> None:
    task_id = lived_in(functions, db)
    functions.value("delete_account", USER)
    assert functions.value("heartbeat", task_id) is False
    late = [
        lambda: store(functions, task_id, message("b")),
        lambda: functions.value("reserve_run_quota", task_id, gets()),
        lambda: functions.value(
            "mark_credentials_rejected", USER, b"sealed", "account_blocked", "why"
        ),
        lambda: functions.value("handover_sync", task_id, "why"),
        lambda: functions.value("release_sync", task_id, "why"),
    ]
    for act in late:
        try:
            assert not act()
        except LeaseLost:
            continue
    assert functions.value("replace_credentials", USER, b"sealed", b"renewed") is False
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
