"""What operators may do for everybody, and nobody else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.api.operator import ACTIONS
from service.postgres.calls import Connection, Session
from tests.api.conftest import Running, client_of, connect_account, problem


@pytest.fixture
def olga(running: Running) -> Iterator[httpx.Client]:
    """An operator."""
    with client_of(running, "olga", "operator") as client:
        yield client


def path(action: str) -> str:
    return f"/api/operator/{action}"


def done(answer: httpx.Response, action: str) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["action"] == action
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def notes(db: Connection) -> list[tuple[Any, ...]]:
    """Who did what upon whom."""
    rows = db.execute(
        "select actor, detail ->> 'action' as action, user_id from gmail_sync.audit_event"
        " where act = 'operator_act' order by id"
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize("action", ACTIONS)
def test_it_is_for_operators_only(ann: httpx.Client, db: Connection, action: str) -> None:
    answer = ann.post(
        path(action), params={"user_id": "ann"} if ACTIONS[action].for_one_user else {}
    )
    problem(answer, 403, "operators_only")
    assert notes(db) == []
    assert db.execute("select from gmail_sync.user_sync_status").fetchall() == []


def test_zombies_are_reaped_and_named(olga: httpx.Client, db: Connection) -> None:
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " values ('t', 'zoe', now() - interval '61 s')"
    )
    (row,) = done(olga.post(path("reap_zombie_syncs")), "reap_zombie_syncs")
    assert (row["task_id"], row["user_id"], row["cause"]) == ("t", "zoe", "silent")
    assert 61 <= row["silent_for"] < 90
    assert row["successor"].startswith("sync_zoe_")
    assert done(olga.post(path("reap_zombie_syncs")), "reap_zombie_syncs") == []
    assert notes(db) == [("olga", "reap_zombie_syncs", None)] * 2


@pytest.mark.parametrize(
    "action", [name for name, action in ACTIONS.items() if not action.for_one_user]
)
def test_an_act_for_all_is_done_twice_without_harm(olga: httpx.Client, action: str) -> None:
    assert done(olga.post(path(action)), action) == done(olga.post(path(action)), action)
    problem(olga.post(path(action), params={"user_id": "ann"}), 400, "no_user_id_needed")


def test_a_user_s_sync_is_started_once_and_cancelled_once(
    olga: httpx.Client, functions: Session, db: Connection
) -> None:
    connect_account(functions, "a/b%c")
    ask = {"user_id": "a/b%c"}
    (first,) = done(olga.post(path("start_sync"), params=ask), "start_sync")
    (second,) = done(olga.post(path("start_sync"), params=ask), "start_sync")
    assert (first["created"], second["created"]) == (True, False)
    (row,) = done(olga.post(path("cancel_sync"), params=ask), "cancel_sync")
    assert row == {"task_id": first["task_id"], "cancelled": True}
    assert done(olga.post(path("cancel_sync"), params=ask), "cancel_sync") == []
    assert notes(db)[0] == ("olga", "start_sync", "a/b%c")


def test_a_user_s_failed_messages_are_tried_again(
    olga: httpx.Client, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " values ('ann', 'm', 'listed', true)"
    )
    for tried in (1, 0):
        answer = olga.post(path("retry_failed_messages"), params={"user_id": "ann"})
        assert done(answer, "retry_failed_messages") == [{"retry_failed_messages": tried}]


def test_a_mistyped_user_gets_no_sync(olga: httpx.Client, db: Connection) -> None:
    problem(olga.post(path("start_sync"), params={"user_id": "nobody"}), 404, "no_such_user")
    assert db.execute("select from gmail_sync.user_sync_status").fetchall() == []


@pytest.mark.parametrize("user_id", ["", " ", "a\0b", "a\nb", "a" * 256])
def test_a_user_is_needed_that_there_can_be(
    olga: httpx.Client, db: Connection, user_id: str
) -> None:
    for action in ("start_sync", "cancel_sync", "retry_failed_messages"):
        problem(olga.post(path(action), params={"user_id": user_id}), 400, "user_id_needed")
    assert notes(db) == []


@pytest.mark.parametrize("action", ["schedule_jobs", "delete_account", "nope"])
def test_there_is_no_other_act(olga: httpx.Client, action: str) -> None:
    problem(olga.post(path(action), params={"user_id": "ann"}), 404, "no_such_action")


def test_what_cannot_be_noted_is_not_done(
    olga: httpx.Client, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    db.execute("alter function gmail_sync.record_audit_event rename to record_audit_away")
    answer = olga.post(path("start_sync"), params={"user_id": "ann"})
    problem(answer, 503, "not_ready")
    assert db.execute("select from gmail_sync.user_sync_status").fetchall() == []
