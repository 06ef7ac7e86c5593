"""Progress as server-sent events: the state on connect, then each change of the latest run.

One thread a process asks the database once a second for all watched users together, and sleeps
while there are none (DESIGN.md, section 8). That a run has begun or ended is asked for at once, of
its user alone, when it is heard: by NOTIFY, and in the process that was clicked without it, for a
start is not announced while all workers are busy. Streams of other processes may tell of such a
start a second later. Each watcher holds one state, the newest, so a slow client costs nothing.
Litestar's ChannelsPlugin could fan out, but the thread, the set of watched users, the snapshot and
the end of the streams would have to stand beside it; without it they are all there is.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
from litestar import get
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.response import ServerSentEvent, ServerSentEventMessage
from structlog.typing import FilteringBoundLogger

from service.api.auth.tokens import UserRequest
from service.api.problems import error_responses
from service.api.runs import RunView
from service.postgres.calls import Pool, Row, Session
from service.postgres.listener import Listener

INTERVAL_SECONDS = 1.0
# The least time between two questions, however much is heard; a click may have to wait so long.
PAUSE_SECONDS = 0.02
# Proxies drop connections that are silent for a minute or so.
KEEPALIVE_SECONDS = 15
RECONNECT_MILLISECONDS = 2000
STOP_SECONDS = 5


class Subscriber:
    """One stream's place: the newest row of its user, and whether it is news."""

    def __init__(self, user_id: str, row: Row | None) -> None:
        self.user_id = user_id
        self.row = row
        self.changed = asyncio.Event()

    async def news(self, seconds: float) -> bool:
        """Wait for a change; False when there was none for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True


class ProgressBroadcaster:
    """Tells watchers what has changed. Its streams live on the loop that started it."""

    def __init__(self, session: Session, listen_url: str, log: FilteringBoundLogger) -> None:
        self._session = session
        self._log = log
        self._watchers: set[Subscriber] = set()
        self._heard_of: set[str] = set()  # users
        self._news = threading.Condition()  # guards both
        self._stopping = threading.Event()
        self._listener = Listener(listen_url, self.hear, log)
        self._listening = False
        self._thread = threading.Thread(target=self._run, name="progress feed", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ended = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def end_streams(self) -> None:
        """Let every stream end at once, and any later one too. Called on the loop."""
        self.ended = True
        for watcher in self._watchers:
            watcher.changed.set()

    def stop(self) -> None:
        """End the threads, and wait STOP_SECONDS at most for the query one may be in."""
        self._stopping.set()
        with self._news:
            self._news.notify()
        if self._listening:
            self._listener.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    @contextmanager
    def watch(self, user_id: str, row: Row | None) -> Iterator[Subscriber]:
        """Be told of changes since `row` was read. Called on the loop."""
        if not self._listening:
            self._listening = True
            self._listener.start()
        watcher = Subscriber(user_id, row)
        with self._news:
            self._watchers.add(watcher)
            self._news.notify()
        try:
            yield watcher
        finally:
            with self._news:
                self._watchers.remove(watcher)

    def hear(self, task_id: str) -> None:
        """A run has begun or ended; from any thread."""
        self.notify_user(task_id.removeprefix("sync_").rsplit("_", 2)[0])

    def notify_user(self, user_id: str) -> None:
        """A user's latest run may have changed; from any thread."""
        with self._news:
            if any(watcher.user_id == user_id for watcher in self._watchers):
                self._heard_of.add(user_id)
                self._news.notify()

    def _run(self) -> None:
        next_at = 0.0
        while self._wait_for_question(next_at):
            of_all = time.monotonic() >= next_at
            try:
                self._look(self._due_subscribers(of_all))
            except Exception as error:  # the next second is another try, whatever it was
                self._log.warning("progress cannot be read", error=str(error))
            if of_all:
                next_at = time.monotonic() + INTERVAL_SECONDS
            self._stopping.wait(PAUSE_SECONDS)
        self._session.close()

    def _wait_for_question(self, next_at: float) -> bool:
        """Wait until somebody watches, and then for news of them, until `next_at` at most. False
        when the feed stops."""
        with self._news:
            self._news.wait_for(lambda: self._watchers or self._stopping.is_set())
            self._news.wait_for(
                lambda: self._heard_of or self._stopping.is_set(),
                max(0.0, next_at - time.monotonic()),
            )
        return not self._stopping.is_set()

    def _due_subscribers(self, of_all: bool) -> list[Subscriber]:
        with self._news:
            heard_of, self._heard_of = self._heard_of, set()
            return [each for each in self._watchers if of_all or each.user_id in heard_of]

    def _look(self, watchers: list[Subscriber]) -> None:
        # Rows go only to those who watched before the question was asked: theirs is older.
        users = sorted({watcher.user_id for watcher in watchers})
        if not users:
            return
        rows = {row["user_id"]: row for row in self._session.rows("sync_progress", users)}
        changed = [each for each in watchers if rows.get(each.user_id) != each.row]
        for watcher in changed:
            watcher.row = rows.get(watcher.user_id)
        if changed and self._loop:
            self._loop.call_soon_threadsafe(_wake, changed)


def _wake(watchers: list[Subscriber]) -> None:
    for watcher in watchers:
        watcher.changed.set()


async def _stream(
    feed: ProgressBroadcaster, user_id: str, row: Row | None, expires_at: datetime
) -> AsyncIterator[ServerSentEventMessage]:
    yield _event(row)
    with feed.watch(user_id, row) as watcher:
        while not feed.ended:
            remaining = (expires_at - datetime.now(UTC)).total_seconds()
            if remaining <= 0:
                return
            if not await watcher.news(min(KEEPALIVE_SECONDS, remaining)):
                yield ServerSentEventMessage(comment="still here", data=None)
            elif not feed.ended:
                yield _event(watcher.row)


def _event(row: Row | None) -> ServerSentEventMessage:
    run = RunView.of(row)
    return ServerSentEventMessage(
        data=msgspec.json.encode(run),
        event="sync",
        # The state is sent whole, so a client that comes back needs nothing but the newest.
        id=f"{run.updated_at.timestamp():.6f}" if run.updated_at else "0",
        retry=RECONNECT_MILLISECONDS,
    )


async def notify_own_streams(request: UserRequest) -> None:
    """For routes by which users begin or end runs of their own, called after the answer: their
    streams in this process have the event at once, whether or not the database announces it."""
    feed: ProgressBroadcaster = request.app.state.feed
    feed.notify_user(request.user.user_id)


@get(
    "/api/gmail/sync/events",
    media_type="text/event-stream",
    responses=error_responses(401, 503),
)
async def sync_events(
    request: UserRequest, pool: NamedDependency[Pool], feed: NamedDependency[ProgressBroadcaster]
) -> ServerSentEvent:
    """The latest run now and at each change, as events `sync` with the object of /status."""
    user_id = request.user.user_id
    row = await sync_to_thread(lambda: pool.row("sync_status", user_id))
    return ServerSentEvent(_stream(feed, user_id, row, request.user.expires_at))


ROUTES = [sync_events]
