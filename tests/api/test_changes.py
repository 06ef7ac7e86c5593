"""The feed of changes: cursors, waiting, and what ends a wait."""

import base64
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from service.postgres.calls import Session
from tests.api.conftest import (
    PATIENCE_SECONDS,
    Running,
    bearer,
    claim,
    client_of,
    connect_account,
    problem,
    store,
    stored,
    token,
)
from tests.api.test_events import feed_session, listens
from tests.functions.conftest import history, record
from tests.waiting import wait_until

CHANGES = "/api/gmail/changes"
Db = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def task_id(ann: httpx.Client, functions: Session) -> str:
    """A run of ann's that has stored m1, m2 and m3."""
    task: str = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task)
    store(functions, task, stored("m1"), stored("m2"), stored("m3"))
    return task


def read(client: httpx.Client, after: str | None = None, **query: Any) -> dict[str, Any]:
    answer = client.get(CHANGES, params={"after": after, **query} if after else query)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def ids(page: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(change["message_id"], change["deleted"]) for change in page["changes"]]


def waiting(client: httpx.Client, after: str, db: Db, wait: float = 20) -> Future[dict[str, Any]]:
    """A request that waits for a change, once the database is asked for it."""
    asked = ThreadPoolExecutor(1).submit(read, client, after, wait=wait)
    wait_until(lambda: "latest_changes" in (feed_session(db) or {"query": ""})["query"])
    return asked


def test_changes_come_in_order_in_pages(
    ann: httpx.Client, task_id: str, functions: Session
) -> None:
    page = read(ann, limit=2)
    assert ids(page) == [("m1", False), ("m2", False)]
    assert page["more"] is True
    last = read(ann, page["next"], limit=1)
    assert ids(last) == [("m3", False)]
    assert last["more"] is False

    history(functions, task_id, record(500, "labelsAdded", "m1", "X"))
    history(functions, task_id, record(501, "messagesDeleted", "m2"))
    assert ids(read(ann, last["next"])) == [("m1", False), ("m2", True)]
    assert ids(read(ann)) == [("m3", False), ("m1", False), ("m2", True)]


@pytest.mark.usefixtures("task_id")
def test_a_page_without_changes_has_a_cursor_too(ann: httpx.Client) -> None:
    end = read(ann)["next"]
    assert read(ann, end) == {"changes": [], "next": end, "more": False}
    assert read(ann, "now") == {"changes": [], "next": end, "more": False}


def test_there_is_a_cursor_before_there_is_mail(ann: httpx.Client, functions: Session) -> None:
    connect_account(functions, "bob")
    claim(functions, other := functions.value("start_sync_idempotent", "bob"))
    store(functions, other, stored("b1"), stored("b2"))
    start = read(ann, "now")["next"]
    task = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task)
    store(functions, task, stored("m1"))
    assert ids(read(ann, start)) == [("m1", False)]


@pytest.mark.usefixtures("task_id")
def test_a_foreign_or_broken_cursor_is_refused(ann: httpx.Client, running: Running) -> None:
    own = read(ann)["next"]
    other = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")
    for broken in [own[:-1], f"{own}A", own.swapcase(), other, "0", "7", "-", "é", "NOW", " "]:
        problem(ann.get(CHANGES, params={"after": broken}), 400, "invalid_cursor")
    problem(ann.get(CHANGES, params={"after": "a" * 101}), 400, "invalid_request")
    with client_of(running, "bob", "operator") as bob:
        problem(bob.get(CHANGES, params={"after": own}), 400, "invalid_cursor")
        assert read(bob)["changes"] == []


def test_bad_limits_and_waits_are_refused(ann: httpx.Client) -> None:
    for query in ["limit=0", "limit=1001", "wait=-1", "wait=31", "wait=nan", "wait=inf", "wait=x"]:
        problem(ann.get(f"{CHANGES}?{query}"), 400, "invalid_request")


@pytest.mark.usefixtures("task_id")
def test_the_highest_limit_and_wait_are_allowed(ann: httpx.Client) -> None:
    assert len(read(ann, limit=1000, wait=30)["changes"]) == 3


@pytest.mark.usefixtures("task_id")
def test_a_cursor_of_deleted_mail_says_to_start_again(
    ann: httpx.Client, functions: Session
) -> None:
    end = read(ann)["next"]
    functions.value("delete_account", "ann")
    answer = problem(ann.get(CHANGES, params={"after": end}), 410, "cursor_expired")
    assert "from the start" in answer["detail"]
    connect_account(functions, "ann")
    problem(ann.get(CHANGES, params={"after": end}), 410, "cursor_expired")
    assert read(ann)["changes"] == []


def test_a_wait_ends_with_a_change(
    ann: httpx.Client, task_id: str, functions: Session, db: Db
) -> None:
    end = read(ann)["next"]
    asked = waiting(ann, end, db)
    store(functions, task_id, stored("m4"))
    assert ids(asked.result(PATIENCE_SECONDS)) == [("m4", False)]


def test_a_wait_goes_on_after_changes_of_others(
    ann: httpx.Client, task_id: str, functions: Session, db: Db
) -> None:
    end = read(ann)["next"]
    asked = waiting(ann, end, db)
    connect_account(functions, "bob")
    claim(functions, other := functions.value("start_sync_idempotent", "bob"))
    store(functions, other, stored("m9"))
    wait_until(lambda: listens(db))
    functions.value("release_sync", other)
    assert not asked.done()
    store(functions, task_id, stored("m4"))
    assert ids(asked.result(PATIENCE_SECONDS)) == [("m4", False)]


@pytest.mark.usefixtures("task_id")
def test_a_wait_without_a_change_ends_with_the_same_cursor(ann: httpx.Client) -> None:
    end = read(ann)["next"]
    began = time.monotonic()
    assert read(ann, end, wait=0.5) == {"changes": [], "next": end, "more": False}
    assert 0.5 <= time.monotonic() - began < 15


@pytest.mark.usefixtures("task_id")
def test_a_wait_ends_with_its_token(ann: httpx.Client, running: Running) -> None:
    end = read(ann)["next"]
    began = time.monotonic()
    headers = bearer(token("ann", lifetime=timedelta(seconds=5)))
    with httpx.Client(base_url=running.url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        assert read(client, end, wait=30)["next"] == end
    assert time.monotonic() - began < 20


def test_a_wait_ends_when_the_mail_is_deleted(
    ann: httpx.Client, task_id: str, functions: Session, db: Db
) -> None:
    end = read(ann)["next"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ann.get, CHANGES, params={"after": end, "wait": 20})
        wait_until(lambda: "latest_changes" in (feed_session(db) or {"query": ""})["query"])
        functions.value("delete_account", "ann")
        problem(asked.result(PATIENCE_SECONDS), 410, "cursor_expired")


@pytest.mark.usefixtures("task_id")
def test_a_wait_ends_with_the_service(ann: httpx.Client, running: Running, db: Db) -> None:
    end = read(ann)["next"]
    asked = waiting(ann, end, db, wait=30)
    began = time.monotonic()
    running.stop()
    assert asked.result(PATIENCE_SECONDS)["next"] == end
    assert time.monotonic() - began < 25


@pytest.mark.usefixtures("task_id")
def test_a_wait_ends_with_its_client(ann: httpx.Client, running: Running, db: Db) -> None:
    end = read(ann)["next"]
    subscribers = running.server.config.app.state.broadcaster._subscribers  # type: ignore[union-attr]
    brief = httpx.Timeout(PATIENCE_SECONDS, read=1)
    with (
        client_of(running, "ann") as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get(CHANGES, params={"after": end, "wait": 30}, timeout=brief)
    wait_until(lambda: not subscribers)


@pytest.mark.usefixtures("task_id")
def test_many_wait_with_one_connection(ann: httpx.Client, running: Running, db: Db) -> None:
    """As many as the pool has connections, five times over, and others are still served."""
    end = read(ann)["next"]
    subscribers = running.server.config.app.state.broadcaster._subscribers  # type: ignore[union-attr]
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(read, ann, end, wait=10) for _ in range(40)]
        wait_until(lambda: len(subscribers) == 40)
        with client_of(running, "ann") as other:
            assert other.get("/api/gmail/sync/status").status_code == 200
        connections = db.execute(
            "select from pg_stat_activity where application_name = 'gmail-sync feed'"
            " and datname = current_database()"
        ).rowcount
        assert connections == 1
        running.stop()
        assert {each.result(PATIENCE_SECONDS)["next"] for each in asked} == {end}


def test_a_reader_who_waits_misses_nothing_beside_a_writer(
    ann: httpx.Client, task_id: str, functions: Session
) -> None:
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            store(functions, task_id, stored(f"w{number}"))
        done.set()

    seen: list[str] = []
    thread = threading.Thread(target=write)
    thread.start()
    after, last = None, False
    while not last:
        last = done.is_set()
        page = read(ann, after, limit=7, wait=0 if last else 2)
        while True:
            seen += [change["message_id"] for change in page["changes"]]
            after = page["next"]
            if not page["more"]:
                break
            page = read(ann, after, limit=7)
    thread.join()
    assert seen == ["m1", "m2", "m3", *(f"w{number}" for number in range(40))]
