"""How often a person may start something new; clicks that join are free."""

from typing import Any

import httpx
import psycopg
import pytest

from service.postgres.calls import Session
from tests.api.conftest import Running, client_of, connect_account, problem

SMART = "/api/gmail/sync/smart"
Db = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def three(db: Db) -> None:
    """Three new runs a minute, as an operator would set it."""
    db.execute("update gmail_sync.settings set max_starts_a_minute = 3")


def start(client: httpx.Client) -> httpx.Response:
    """A click whose run is over at once."""
    answer = client.post(SMART)
    if answer.status_code == 202:
        client.post(f"/api/gmail/sync/{answer.json()['task_id']}/cancel")
    return answer


def test_a_new_run_too_many_is_refused_until_the_first_is_a_minute_old(
    ann: httpx.Client, db: Db, three: None
) -> None:
    started = [start(ann) for _ in range(3)]
    assert [answer.status_code for answer in started] == [202, 202, 202]
    refused = start(ann)
    assert "3 are the most" in problem(refused, 429, "too_many_requests")["detail"]
    wait = int(refused.headers["retry-after"])
    assert 50 <= wait <= 60
    in_the_past(db, started[0].json()["task_id"], f"{wait} s")
    assert start(ann).status_code == 202
    problem(start(ann), 429, "too_many_requests")


def in_the_past(db: Db, task_id: str, interval: str) -> None:
    """Move an ended run, past the trigger that keeps ended runs as they are."""
    with db.transaction():
        db.execute("set local session_replication_role = replica")
        db.execute(
            "update gmail_sync.user_sync_status"
            " set started_at = started_at - %s::interval where task_id = %s",
            [interval, task_id],
        )


def test_a_click_that_joins_is_never_refused(ann: httpx.Client, three: None) -> None:
    start(ann)
    start(ann)
    clicks = [ann.post(SMART).json() for _ in range(30)]
    assert len({click["task_id"] for click in clicks}) == 1
    assert [click["created"] for click in clicks] == [True] + 29 * [False]
    assert ann.post(f"{SMART}?force_full=true").status_code == 202
    ann.post(f"/api/gmail/sync/{clicks[0]['task_id']}/cancel")
    problem(ann.post(SMART), 429, "too_many_requests")


def test_retrying_counts_as_a_click(ann: httpx.Client, db: Db, three: None) -> None:
    while start(ann).status_code == 202:
        pass
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " values ('ann', 'm', 'listed', true)"
    )
    problem(ann.post("/api/gmail/sync/retry-failed"), 429, "too_many_requests")


def test_the_limit_is_each_users_own(
    ann: httpx.Client, running: Running, functions: Session, three: None
) -> None:
    while start(ann).status_code == 202:
        pass
    connect_account(functions, "bob")
    with client_of(running, "bob") as bob:
        assert start(bob).status_code == 202


def test_as_delivered_twenty_new_runs_a_minute_are_the_most(ann: httpx.Client) -> None:
    assert [start(ann).status_code for _ in range(21)] == 20 * [202] + [429]
