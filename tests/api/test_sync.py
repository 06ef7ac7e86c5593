"""Starting, watching and cancelling syncs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from tests.api.conftest import (
    Running,
    claim,
    client_of,
    connect_account,
    list_page,
    problem,
    store,
    stored,
)

Db = psycopg.Connection[dict[str, Any]]
NOTHING = dict.fromkeys(
    ("found", "new", "updated", "unchanged", "deleted", "gone", "failed", "pending", "imported"), 0
)


def start(client: httpx.Client, query: str = "") -> dict[str, Any]:
    answer = client.post(f"/api/gmail/sync/smart{query}")
    assert answer.status_code == 202, answer.text
    return answer.json()  # type: ignore[no-any-return]


def status(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/api/gmail/sync/status")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_click_starts_a_sync(ann: httpx.Client) -> None:
    run = start(ann)
    assert run["success"] is True
    assert run["created"] is True
    assert run["in_progress"] is True
    assert run["progress_percentage"] == 0
    assert run["stats"] == NOTHING
    assert run["message"] == "Sync started"
    assert run["task_id"].startswith("sync_ann_")
    assert run["source"] == "api"
    assert run["started_at"].endswith("Z")


def test_ten_quick_clicks_give_one_task_id(ann: httpx.Client) -> None:
    runs = [start(ann) for _ in range(10)]
    assert len({run["task_id"] for run in runs}) == 1
    assert [run["created"] for run in runs] == [True] + [False] * 9


def test_clicks_at_the_same_time_give_one_task_id(ann: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as clicks:
        runs = list(clicks.map(lambda _: start(ann), range(40)))
    assert len({run["task_id"] for run in runs}) == 1
    assert sum(run["created"] for run in runs) == 1


def test_a_click_during_a_sync_says_how_far_it_is(ann: httpx.Client, functions: Session) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2", "m3")
    functions.rows("take_messages", task_id, 25)
    store(functions, task_id, stored("m1"))
    run = start(ann)
    assert run["created"] is False
    assert run["message"] == "A sync is already running. Fetching 1 of 3"
    assert run["stats"] == {**NOTHING, "found": 3, "new": 1, "pending": 2}
    assert run["progress_percentage"] == 33
    assert run["eta_seconds"] is not None


def test_a_forced_click_makes_the_sync_full(ann: httpx.Client, functions: Session, db: Db) -> None:
    db.execute("update gmail_sync.account set history_id = 5")
    assert start(ann)["sync_type"] == "incremental"
    assert start(ann, "?force_full=true")["sync_type"] == "full"


def test_a_forced_click_on_a_running_sync_promises_a_full_one(
    ann: httpx.Client, functions: Session, db: Db
) -> None:
    db.execute("update gmail_sync.account set history_id = 5")
    claim(functions, start(ann)["task_id"])
    assert start(ann, "?force_full=true")["message"].endswith(". Next sync: full")


def test_a_click_on_a_zombie_starts_its_successor(
    ann: httpx.Client, functions: Session, db: Db
) -> None:
    zombie = start(ann)["task_id"]
    claim(functions, zombie)
    db.execute("update gmail_sync.user_sync_status set updated_at = now() - interval '5 min'")
    run = start(ann)
    assert run["task_id"] != zombie
    old = ann.get(f"/api/gmail/sync/{zombie}").json()
    assert old["outcome"] == "reaped"
    assert old["successor"] == run["task_id"]
    assert old["in_progress"] is False


def test_a_user_who_moves_to_another_node_is_asked_to_come_back(ann: httpx.Client, db: Db) -> None:
    db.execute("insert into gmail_sync.slot_elsewhere select gmail_sync._user_slot('ann')")
    refused = ann.post("/api/gmail/sync/smart")
    assert "in 5 seconds" in problem(refused, 503, "user_moving")["detail"]
    assert refused.headers["retry-after"] == "5"
    db.execute("delete from gmail_sync.slot_elsewhere")
    start(ann)


def test_a_wait_for_google_is_told_with_its_end(
    ann: httpx.Client, functions: Session, db: Db
) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    until = db.execute("select now() + interval '1 min' as until").fetchall()[0]["until"]
    functions.rows("report_progress", task_id, until)
    run = status(ann)
    assert run["message"] == f"Waiting for Gmail until {until:%H:%M:%S} UTC"
    assert run["phase"] == "waiting"
    assert run["waiting_until"] is not None


@pytest.mark.parametrize("route", ["smart", "retry-failed"])
def test_without_an_account_nothing_starts(running: Running, db: Db, route: str) -> None:
    with client_of(running, "bob") as bob:
        problem(bob.post(f"/api/gmail/sync/{route}"), 409, "account_not_connected")
    assert db.execute("select from gmail_sync.user_sync_status").fetchall() == []


@pytest.mark.parametrize("state", ["reauth_required", "disconnected"])
def test_an_account_google_refuses_is_told_with_the_reason(
    ann: httpx.Client, db: Db, state: str
) -> None:
    db.execute("update gmail_sync.account set (status, status_reason) = (%s, 'revoked')", [state])
    answer = ann.post("/api/gmail/sync/smart")
    assert "revoked" in problem(answer, 409, "account_not_connected")["detail"]


def test_before_the_first_sync_status_is_all_zeros(ann: httpx.Client) -> None:
    run = status(ann)
    assert run["in_progress"] is False
    assert run["task_id"] is None
    assert run["stats"] == run["current_stats"] == NOTHING
    assert run["message"]


def test_status_follows_a_sync_to_its_end(ann: httpx.Client, functions: Session) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    assert status(ann)["phase"] == "listing"
    list_page(functions, task_id, "m1", "m2")
    store(functions, task_id, stored("m1"), stored("m2"))
    functions.value("release_sync", task_id)
    run = status(ann)
    assert run["outcome"] == "succeeded"
    assert run["progress_percentage"] == 100
    assert run["message"] == "Up to date: 2 new"
    assert run["in_progress"] is False
    assert run["finished_at"] is not None


def test_a_failed_sync_says_why(ann: httpx.Client, functions: Session) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    functions.value("release_sync", task_id, "Google is on fire")
    run = status(ann)
    assert run["message"] == "The sync failed: Google is on fire"
    assert run["error_message"] == "Google is on fire"
    assert run["progress_percentage"] == 0


def test_history_comes_in_pages_newest_first(ann: httpx.Client, functions: Session) -> None:
    ids = []
    for _ in range(5):
        ids.append(start(ann)["task_id"])
        functions.value("cancel_sync", ids[-1])
    seen: list[str] = []
    page: dict[str, Any] = {"next": None}
    while not seen or page["next"]:
        before = f"&before={page['next']}" if page["next"] else ""
        page = ann.get(f"/api/gmail/sync/history?limit=2{before}").json()
        seen += [run["task_id"] for run in page["runs"]]
    assert seen == ids[::-1]
    assert len(page["runs"]) == 1


def test_cancel_ends_a_run(ann: httpx.Client) -> None:
    task_id = start(ann)["task_id"]
    run = ann.post(f"/api/gmail/sync/{task_id}/cancel").json()
    assert run["success"] is True
    assert run["outcome"] == "cancelled"
    assert run["message"] == "The sync was cancelled"


def test_cancel_of_an_ended_run_says_that_there_is_nothing_to_cancel(ann: httpx.Client) -> None:
    task_id = start(ann)["task_id"]
    ann.post(f"/api/gmail/sync/{task_id}/cancel")
    answer = ann.post(f"/api/gmail/sync/{task_id}/cancel")
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert answer.json()["message"] == "Nothing to cancel. The sync was cancelled"


def test_cancel_of_a_run_that_was_taken_over_reaches_its_successor(
    ann: httpx.Client, functions: Session
) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    successor = functions.value("handover_sync", task_id, "drained")
    run = ann.post(f"/api/gmail/sync/{task_id}/cancel").json()
    assert run["success"] is True
    assert run["successor"] == successor
    assert run["message"] == "The successor of this sync was cancelled"
    assert status(ann)["outcome"] == "cancelled"


def test_failed_messages_are_retried(ann: httpx.Client, functions: Session) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1")
    failure = {"message_id": "m1", "error_message": "broken", "permanent": True}
    functions.rows("fail_messages", task_id, Jsonb([failure]))
    functions.value("release_sync", task_id)
    answer = ann.post("/api/gmail/sync/retry-failed")
    assert answer.status_code == 202
    assert answer.json()["retried"] == 1
    assert answer.json()["in_progress"] is True
    assert answer.json()["task_id"] != task_id


def test_failed_messages_are_listed_in_pages_with_their_reason(
    ann: httpx.Client, running: Running, functions: Session
) -> None:
    ids = [f"m{number}" for number in range(5)]
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, *ids)
    functions.rows("take_messages", task_id)
    failures = [
        {"message_id": each, "error_code": "unreadable", "error_message": "no date"}
        for each in ids[1:]
    ]
    dead = {
        "message_id": ids[0],
        "error_code": "bad_request",
        "error_message": "refused",
        "permanent": True,
    }
    functions.rows("fail_messages", task_id, Jsonb([dead, *failures]))
    seen: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        after = f"&after={page['next']}" if page["next"] else ""
        page = ann.get(f"/api/gmail/sync/failed-messages?limit=2{after}").json()
        seen += page["messages"]
    assert [message["message_id"] for message in seen] == ids
    assert seen[0] == {
        "message_id": "m0",
        "attempts": 1,
        "error_code": "bad_request",
        "error_message": "refused",
        "retry_at": None,
        "dead": True,
    }
    assert (seen[1]["error_code"], seen[1]["dead"]) == ("unreadable", False)
    assert seen[1]["retry_at"]
    with client_of(running, "bob") as bob:
        answer = bob.get("/api/gmail/sync/failed-messages").json()
        assert answer == {"messages": [], "next": None}


def test_without_failed_messages_nothing_is_retried(ann: httpx.Client) -> None:
    answer = ann.post("/api/gmail/sync/retry-failed").json()
    assert answer["retried"] == 0
    assert answer["message"] == "Nothing to retry"
    assert answer["task_id"] is None


@pytest.mark.parametrize(
    "user_id", ["a/b//c", "ä?#%2F&=", "日本 🙂", "o'brien; --", "\ud7ff" * 255]
)
def test_any_user_id_finds_its_runs(running: Running, functions: Session, user_id: str) -> None:
    functions.rows("connect_account", user_id, "x@example.org", b"sealed", "unlimited")
    with client_of(running, user_id) as client:
        task_id = start(client)["task_id"]
        assert task_id.startswith(f"sync_{user_id}_")
        path = f"/api/gmail/sync/{quote(task_id, safe='')}"
        assert client.get(path).json()["task_id"] == task_id
        assert client.post(f"{path}/cancel").json()["outcome"] == "cancelled"


def test_a_successor_starts_with_no_eta(ann: httpx.Client, functions: Session, db: Db) -> None:
    task_id = start(ann)["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2")
    functions.rows("take_messages", task_id, 25)
    store(functions, task_id, stored("m1"))
    assert status(ann)["eta_seconds"] is not None
    successor = functions.value("handover_sync", task_id, "drained")
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")
    claim(functions, successor)
    db.execute("update gmail_sync.user_sync_status set phase = 'fetching' where is_syncing")
    assert status(ann)["eta_seconds"] is None
    assert status(ann)["message"] == "Fetching 1 of 2"


def test_another_users_sync_is_not_touched_by_a_click(
    ann: httpx.Client, running: Running, functions: Session
) -> None:
    connect_account(functions, "bob")
    with client_of(running, "bob") as bob:
        assert start(bob)["task_id"] != start(ann)["task_id"]
