"""Progress as server-sent events."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from psycopg.types.json import Jsonb

from service.api.events import KEEPALIVE_SECONDS
from service.api.feed import LATEST_RUN, ProgressBroadcaster
from service.config import Node
from service.postgres.calls import Session
from service.threads import LongLivedThread
from tests.api.conftest import (
    Running,
    bearer,
    claim,
    client_of,
    connect_account,
    list_page,
    serving,
    token,
)
from tests.killable import raise_in, threads_named
from tests.waiting import PATIENCE_SECONDS, wait_until

Db = psycopg.Connection[dict[str, Any]]
EVENTS = "/api/gmail/sync/events"
LONGEST_SECONDS = 120
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


class Stream:
    """An open stream of events."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        self._lines = response.iter_lines()
        self.keepalives = 0

    def next(self) -> dict[str, str] | None:
        """The next event with its fields; None at the end of the stream."""
        fields: dict[str, str] = {}
        deadline = time.monotonic() + LONGEST_SECONDS
        for line in self._lines:
            # A stream without events goes on for ever: it has keep-alives.
            assert time.monotonic() < deadline, f"no event within {LONGEST_SECONDS} s"
            if line == "" and "data" in fields:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value
            self.keepalives += line.startswith(":")
        return None

    def run(self) -> dict[str, Any]:
        event = self.next()
        assert event is not None
        assert event["event"] == "sync"
        return json.loads(event["data"])  # type: ignore[no-any-return]


@contextmanager
def watching(client: httpx.Client, **headers: str) -> Iterator[Stream]:
    with client.stream("GET", EVENTS, headers=headers) as response:
        yield Stream(response)


def feed_session(db: Db) -> dict[str, Any] | None:
    """The feed's connection, seen from the database."""
    return db.execute(
        "select pid, query_start, query from pg_stat_activity"
        " where application_name = 'gmail-sync feed' and datname = current_database()"
    ).fetchone()


def asks(db: Db) -> bool:
    """Whether the feed has asked its question."""
    session = feed_session(db)
    return session is not None and "sync_progress" in session["query"]


def listens(db: Db) -> bool:
    """Whether the server hears of runs that begin and end."""
    found = db.execute(
        "select from pg_stat_activity where application_name = 'gmail-sync listener'"
        " and datname = current_database() and query like 'listen %' and state = 'idle'"
    )
    return found.rowcount > 0


def test_the_state_comes_at_once_and_then_each_change(
    ann: httpx.Client, functions: Session
) -> None:
    with watching(ann) as stream:
        assert stream.run()["task_id"] is None
        task_id = functions.row("start_sync", "ann")["task_id"]  # type: ignore[index]
        assert stream.run()["phase"] == "queued"
        assert stream.keepalives == 0
        claim(functions, task_id)
        assert stream.run()["phase"] == "listing"
        list_page(functions, task_id, "m1", "m2")
        assert stream.run()["stats"]["found"] == 2
        functions.value("release_sync", task_id, "enough")
        last = stream.run()
        assert last["outcome"] == "failed"
        assert last.pop("text")["headline"] == "The sync failed"
        assert last == ann.get("/api/gmail/sync/status").json()


def test_that_a_run_begins_and_ends_is_told_before_the_next_second(
    ann: httpx.Client, functions: Session, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.feed.POLL_SECONDS", 60)
    with watching(ann) as stream:
        assert stream.run()["task_id"] is None
        wait_until(lambda: listens(db))
        wait_until(lambda: feed_session(db))
        task_id = functions.row("start_sync", "ann")["task_id"]  # type: ignore[index]
        assert stream.run()["phase"] == "queued"
        claim(functions, task_id)
        functions.value("release_sync", task_id)
        assert stream.run()["outcome"] == "succeeded"


def test_a_click_is_told_at_once_while_starts_are_not_announced(
    ann: httpx.Client, functions: Session, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.feed.POLL_SECONDS", 60)
    connect_account(functions, "bob")
    functions.rows("start_sync", "bob")
    db.execute(
        "update gmail_sync.user_sync_status"
        " set (started_at, not_before) = (now() - interval '1 min', now() - interval '1 min')"
    )
    db.execute("listen gmail_sync")
    with watching(ann) as stream:
        assert stream.run()["task_id"] is None
        wait_until(lambda: asks(db))
        ann.post("/api/gmail/sync/smart")
        assert stream.run()["phase"] == "queued"
    assert list(db.notifies(timeout=0)) == []


def test_who_clicks_is_told_at_once_where_nothing_is_heard(
    service_url: str, functions: Session, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.feed.POLL_SECONDS", 60)
    connect_account(functions, "ann")
    with (
        serving(service_url, GMAIL_SYNC_LISTEN_URL=NOWHERE) as deaf,
        client_of(deaf, "ann") as ann,
        watching(ann) as stream,
    ):
        assert stream.run()["task_id"] is None
        wait_until(lambda: asks(db))
        task_id = ann.post("/api/gmail/sync/smart").json()["task_id"]
        assert stream.run()["phase"] == "queued"
        claim(functions, task_id)
        list_page(functions, task_id, "m1")
        functions.rows("take_messages", task_id)
        failure = {
            "message_id": "m1",
            "error_code": "bad_request",
            "error_message": "refused",
            "permanent": True,
        }
        functions.rows("fail_messages", task_id, Jsonb([failure]))
        ann.post(f"/api/gmail/sync/{task_id}/cancel")
        assert stream.run()["outcome"] == "cancelled"
        ann.post("/api/gmail/sync/retry-failed")
        assert stream.run()["phase"] == "queued"
        ann.delete("/api/gmail/connection")
        assert stream.run()["outcome"] == "cancelled"
        ann.delete("/api/gmail/account")
        assert stream.run()["task_id"] is None


def test_what_others_do_is_not_asked_about(
    ann: httpx.Client, functions: Session, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.feed.POLL_SECONDS", 60)
    connect_account(functions, "bob")
    with watching(ann) as stream:
        stream.run()
        wait_until(lambda: listens(db))
        wait_until(lambda: asks(db))
        asked = feed_session(db)
        for _ in range(20):
            functions.value("cancel_sync", functions.value("start_sync_idempotent", "bob"))
        assert feed_session(db) == asked
        functions.rows("start_sync", "ann")
        assert stream.run()["phase"] == "queued"


def test_a_client_that_comes_back_gets_the_truth_at_once(
    ann: httpx.Client, functions: Session
) -> None:
    with watching(ann) as stream:
        first = stream.next()
    assert first is not None
    task_id = functions.row("start_sync", "ann")["task_id"]  # type: ignore[index]
    with watching(ann, **{"Last-Event-ID": first["id"]}) as stream:
        again = stream.next()
        assert stream.keepalives == 0
        assert again is not None
        assert json.loads(again["data"])["task_id"] == task_id
        assert again["id"] != first["id"]


def test_users_see_their_own_runs_only(
    ann: httpx.Client, running: Running, functions: Session
) -> None:
    connect_account(functions, "bob")
    with client_of(running, "bob") as bob, watching(ann) as anns, watching(bob) as bobs:
        assert anns.run()["task_id"] is None
        assert bobs.run()["task_id"] is None
        functions.rows("start_sync", "bob")
        assert bobs.run()["user_id"] == "bob"
        functions.rows("start_sync", "ann")
        assert anns.run()["user_id"] == "ann"


def test_nobody_watching_means_no_query(ann: httpx.Client, db: Db) -> None:
    ann.get("/api/gmail/sync/status")
    assert feed_session(db) is None
    with watching(ann) as stream:
        stream.run()
        wait_until(lambda: feed_session(db))
    last: list[Any] = []

    def quiet() -> bool:
        last.append(feed_session(db))
        return len(last) > 150 and all(each == last[-1] for each in last[-150:])

    # 150 looks, 20 ms apart: three seconds in which a watched feed would have asked thrice.
    wait_until(quiet)


def test_a_hundred_watchers_cost_one_query_a_second(
    ann: httpx.Client, running: Running, functions: Session, db: Db
) -> None:
    with client_of(running, "bob") as bob, ExitStack() as streams:
        for client in [ann, bob] * 50:
            streams.enter_context(watching(client))
        wait_until(lambda: asks(db))
        starts = set()

        def asked_often() -> bool:
            session = feed_session(db)
            assert session is not None
            starts.add(session["query_start"])
            return len(starts) == 5

        wait_until(asked_often)
    # By the database's clock. A query that a busy machine delays is further from the one before it,
    # and nearer to the one after.
    apart = [(later - earlier).total_seconds() for earlier, later in pairwise(sorted(starts))]
    assert median(apart) > 0.9, apart


def test_the_feed_outlives_its_connection(ann: httpx.Client, functions: Session, db: Db) -> None:
    with watching(ann) as stream:
        stream.run()
        pid = wait_until(lambda: feed_session(db))["pid"]
        db.execute("select pg_terminate_backend(%s)", [pid])
        functions.rows("start_sync", "ann")
        assert stream.run()["phase"] == "queued"


def test_a_stream_ends_with_its_token(running: Running) -> None:
    brief = bearer(token("ann", lifetime=timedelta(seconds=5)))
    with httpx.Client(base_url=running.url, headers=brief, timeout=PATIENCE_SECONDS) as client:
        began = time.monotonic()
        with watching(client) as stream:
            stream.run()
            assert stream.next() is None
        assert time.monotonic() - began < KEEPALIVE_SECONDS


def test_a_quiet_stream_is_kept_alive(ann: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.events.KEEPALIVE_SECONDS", 0.1)
    with ann.stream("GET", EVENTS) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": still here"


def test_a_stopping_server_ends_open_streams(ann: httpx.Client, running: Running) -> None:
    ended = threading.Event()
    connected = threading.Event()

    def watch() -> None:
        with watching(ann) as stream:
            stream.run()
            connected.set()
            assert stream.next() is None
            ended.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert connected.wait(PATIENCE_SECONDS)
    running.stop()
    assert ended.wait(KEEPALIVE_SECONDS / 2)
    thread.join()


def make_fail(thread: LongLivedThread) -> None:
    """An error that strikes in a query ends only that query, so it may take several."""
    for _ in range(10):
        raise_in(thread, ValueError)
        with suppress(AssertionError):
            wait_until(lambda: thread.failing_for() > 0, 3)
            return
    pytest.fail(f"{thread.name} does not fail")


@pytest.mark.parametrize("name", ["progress", "listener"])
def test_a_stream_goes_on_after_an_error_in_a_thread(
    ann: httpx.Client, functions: Session, name: str
) -> None:
    with watching(ann) as stream:
        stream.run()
        wait_until(lambda: threads_named(name))
        (thread,) = threads_named(name)
        assert isinstance(thread, LongLivedThread)
        make_fail(thread)
        task_id = functions.value("start_sync_idempotent", "ann")
        assert stream.run()["task_id"] == task_id


def test_a_slow_client_is_told_only_the_newest(service_url: str, functions: Session) -> None:
    connect_account(functions, "ann")

    async def watch() -> tuple[list[str], bool]:
        node = Node(service_url, service_url)
        feed = ProgressBroadcaster([node], functions, structlog.get_logger())
        feed.start(asyncio.get_running_loop())
        try:
            with feed.subscribe(LATEST_RUN, "ann", None) as subscriber:
                task_id = functions.value("start_sync_idempotent", "ann")
                assert await subscriber.wait_for_change(PATIENCE_SECONDS)
                functions.value("cancel_sync", task_id)
                await until(lambda: subscriber.row and subscriber.row["outcome"])
                newest = functions.value("start_sync_idempotent", "ann")
                await until(lambda: subscriber.row and subscriber.row["task_id"] == newest)
                assert await subscriber.wait_for_change(PATIENCE_SECONDS)
                # A notice of the newest run can still be on its way.
                more = True
                for _ in range(10):
                    more = more and await subscriber.wait_for_change(0.5)
                return [newest, (subscriber.row or {})["task_id"]], more
        finally:
            await asyncio.to_thread(feed.stop)

    async def until(check: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not check():
                await asyncio.sleep(0.02)

    (newest, told), more = asyncio.run(watch())
    assert told == newest
    assert more is False
