"""A thousand watchers of a few users' runs, on one server that may be restarted under them."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Self

from service.postgres.calls import Connection, Session
from tests.api.conftest import claim, list_page, store, stored
from tests.chaos.server import ApiServer, Resources, allow_descriptors, ask
from tests.waiting import wait_until

WATCHERS = 1000
EVENTS = "/api/gmail/sync/events"
USERS = [f"user-{number}" for number in range(5)]
# The server asks for two seconds; here all come back sooner, and more of them at once.
RECONNECT_SECONDS = 0.2
PATIENCE_SECONDS = 120
LETTERS = [f"m{number}" for number in range(3)]
# What the server may open for itself while it is watched: connections of its pools.
OWN_DESCRIPTORS = 12

LISTEN_SECONDS = 4
LAST_QUESTION = """
    select query_start from pg_stat_activity
    where application_name = 'gmail-sync feed' and datname = current_database()
"""
CONNECTIONS = """
    select count(*)::integer as number from pg_stat_activity
    where application_name like 'gmail-sync %' and datname = current_database()
"""


class Watcher:
    """An EventSource: takes every event in, and comes back whenever its stream ends."""

    def __init__(self, server: ApiServer, user_id: str) -> None:
        self.user_id = user_id
        self.events = 0
        self.newest: dict[str, Any] = {}
        self._server = server

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            with suppress(OSError):
                await self._stream()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _stream(self) -> None:
        reader, writer = await self._server.connect()
        try:
            ask(writer, "GET", EVENTS, self.user_id)
            async for line in reader:
                if line.startswith(b"data: "):
                    self._take(json.loads(line.removeprefix(b"data: ")))
        finally:
            writer.close()

    def _take(self, run: dict[str, Any]) -> None:
        """AssertionError: it is somebody else's, or older than what was seen before."""
        assert run["user_id"] in (None, self.user_id)
        if run["task_id"] and run["task_id"] == self.newest.get("task_id"):
            assert run["updated_at"] >= self.newest["updated_at"]
        self.newest = run
        self.events += 1


class Crowd:
    """So many watchers, in turn of each of USERS, on a loop in a thread; gone after the block."""

    def __init__(self, server: ApiServer, size: int) -> None:
        allow_descriptors(size + 200)
        self.watchers = [Watcher(server, USERS[number % len(USERS)]) for number in range(size)]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="crowd")
        self._ready = threading.Event()
        self._failures: list[BaseException] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def wait(self, sees: Callable[[Watcher], object]) -> float:
        """Until each of them sees something; the seconds that took."""
        began = time.monotonic()

        def all_do() -> bool:
            for failure in self._failures:
                raise failure
            return all(sees(watcher) for watcher in self.watchers)

        wait_until(all_do, PATIENCE_SECONDS)
        return time.monotonic() - began

    async def _main(self) -> None:
        self._loop, self._leaving = asyncio.get_running_loop(), asyncio.Event()
        tasks = [asyncio.create_task(self._watch(watcher)) for watcher in self.watchers]
        self._ready.set()
        await self._leaving.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, watcher: Watcher) -> None:
        try:
            await watcher.watch()
        except Exception as error:
            self._failures.append(error)


class Wave(NamedTuple):
    """What a crowd has cost. It is the longest wait for news, the feed's queries in a second, and
    what the server held once all had left."""

    slowest_news: float
    questions: float
    held: Resources
    connections: int


def wave(
    server: ApiServer, functions: Session, db: Connection, size: int, *, restart: bool = False
) -> Wave:
    """Let a crowd watch a run of each user from its start to its end, which a restarted server must
    report. Fails when one of them misses a step, or stays with the server for ever."""
    before = server.resources()
    with Crowd(server, size) as crowd:
        crowd.wait(lambda watcher: watcher.events)
        tasks = {user_id: start(functions, user_id) for user_id in USERS}
        crowd.wait(lambda watcher: watcher.newest["task_id"] == tasks[watcher.user_id])
        questions = questions_a_second(db)
        waits = []
        for count, letter in enumerate(LETTERS, 1):
            for task_id in tasks.values():
                store(functions, task_id, stored(letter, snippet=task_id))
            waits.append(crowd.wait(lambda each, done=count: fetched(each) == done))  # type: ignore[misc]
        if restart:
            server.stop()
        for task_id in tasks.values():
            functions.value("release_sync", task_id)
        if restart:
            server.start()
        crowd.wait(lambda watcher: watcher.newest["outcome"] == "succeeded")
        assert {each.newest["task_id"] for each in crowd.watchers} == set(tasks.values())
    most = before.descriptors + OWN_DESCRIPTORS
    wait_until(lambda: server.resources().descriptors <= most)
    (row,) = db.execute(CONNECTIONS).fetchall()
    return Wave(max(waits), questions, server.resources(), row["number"])


def start(functions: Session, user_id: str) -> str:
    """The task_id of a run that has listed LETTERS."""
    task_id: str = functions.rows("start_sync", user_id, True)[0]["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, *LETTERS)
    return task_id


def fetched(watcher: Watcher) -> int:
    stats: dict[str, int] = watcher.newest["stats"]
    return stats["found"] - stats["pending"]


def questions_a_second(db: Connection) -> float:
    """How often the feed asks while nothing happens."""
    asked, ends_at = set(), time.monotonic() + LISTEN_SECONDS
    while time.monotonic() < ends_at:
        (row,) = db.execute(LAST_QUESTION).fetchall()
        asked.add(row["query_start"])
        time.sleep(0.02)
    # The news of what has just begun may still bring some at once.
    asked = {at for at in asked if at >= min(asked) + timedelta(seconds=1)}
    seconds: float = (max(asked) - min(asked)).total_seconds()
    return (len(asked) - 1) / seconds
