"""An operator's look at other people's runs leaves a note in the audit trail."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from service.api import operator_access
from service.postgres.calls import connect
from tests.api.conftest import Running, bearer, client_of, token
from tests.waiting import wait_until

HEALTH = "/api/gmail/sync/health"
ZOMBIE = "sync_zoe_0badcafe_1700000000"
Db = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def zombie(db: Db) -> None:
    """A run of zoe's that lost its worker."""
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " values (%s, 'zoe', now() - interval '5 min')",
        [ZOMBIE],
    )


def notes(db: Db) -> list[dict[str, Any]]:
    return db.execute(
        "select act, user_id, actor, detail from gmail_sync.audit_event order by id"
    ).fetchall()


def note(actor: str) -> dict[str, Any]:
    return {
        "act": "operator_read",
        "user_id": None,
        "actor": actor,
        "detail": {"view": "sync_health"},
    }


def test_it_is_noted_once_a_minute_for_each_operator(
    running: Running, db: Db, zombie: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        client_of(running, "olga", "operator") as olga,
        client_of(running, "otto", "operator") as otto,
    ):
        for _ in range(5):
            assert ZOMBIE in olga.get(HEALTH).text
        assert notes(db) == [note("olga")]
        otto.get(HEALTH)
        assert notes(db) == [note("olga"), note("otto")]
        monkeypatch.setattr(operator_access, "REPEAT_SECONDS", 0)
        olga.get(HEALTH)
        assert notes(db) == [note("olga"), note("otto"), note("olga")]


def test_who_sees_no_names_leaves_no_note(nobody: httpx.Client, db: Db, zombie: None) -> None:
    for headers in ({}, bearer("rubbish"), bearer(token("ann")), bearer(token("ann", "other"))):
        assert ZOMBIE not in nobody.get(HEALTH, headers=headers).text
    assert notes(db) == []


def test_where_there_are_no_names_there_is_no_note(running: Running, db: Db) -> None:
    with client_of(running, "olga", "operator") as olga:
        assert olga.get(HEALTH).json()["zombie_task_details"] == []
    assert notes(db) == []


def test_what_cannot_be_noted_is_not_shown(running: Running, db: Db, zombie: None) -> None:
    db.execute("alter function gmail_sync.record_audit_event rename to record_audit_away")
    with client_of(running, "olga", "operator") as olga:
        answer = olga.get(HEALTH)
        assert answer.status_code == 503
        assert ZOMBIE not in answer.text
        db.execute("alter function gmail_sync.record_audit_away rename to record_audit_event")
        assert ZOMBIE in olga.get(HEALTH).text
    assert notes(db) == [note("olga")]


def test_operators_see_them_also_when_requests_have_taken_all_connections(
    running: Running, db: Db, database_url: str, zombie: None
) -> None:
    def waiting() -> bool:
        row = db.execute(
            "select count(*) as waiting from pg_stat_activity"
            " where wait_event_type = 'Lock' and application_name = 'gmail-sync api'"
        ).fetchone()
        return row == {"waiting": 8}

    with (
        client_of(running, "ann") as ann,
        client_of(running, "olga", "operator") as olga,
        ThreadPoolExecutor(50) as threads,
    ):
        with connect(database_url, "holder") as holder, holder.transaction():
            holder.execute("lock table gmail_sync.label in access exclusive mode")
            asked = [threads.submit(ann.get, "/api/gmail/labels") for _ in range(50)]
            wait_until(waiting)
            assert ZOMBIE in olga.get(HEALTH).text
            assert olga.get("/api/scheduler/status").status_code == 200
            assert sum(not each.done() for each in asked) >= 8
        for each in asked:
            each.result()
    assert notes(db) == [note("olga")]
