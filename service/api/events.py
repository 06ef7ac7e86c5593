"""Progress as server-sent events: the state on connect, then each change of the latest run.

One thread of each process queries the database once a second for all subscribed users together. It
sleeps while there are no subscribers (DESIGN.md, section 8). Readers of changes (changes.py) wait
for new mail in the same way. When a run begins or ends, its user is
queried at once. NOTIFY announces that; this process also knows of its own requests, because a start
is not announced while all workers are busy. Other processes may see such a start a second later.
Each subscriber holds one state, the newest, so a slow client costs nothing.
Litestar's ChannelsPlugin could fan out. It would still need the thread, the set of users, the
snapshot and the end of the streams.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
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
from service.api.reader import time_zone_of, translator_of
from service.api.runs import RunEvent
from service.postgres.calls import FunctionCaller, Row, Session
from service.postgres.listener import Listener, RunChange
from service.postgres.pool import Pool
from service.threads import LongLivedThread

POLL_SECONDS = 1.0
# The minimum time between two queries, and so the longest wait after a click.
MIN_POLL_SECONDS = 0.02
# Proxies drop connections that are silent for about a minute.
KEEPALIVE_SECONDS = 15
RECONNECT_MILLISECONDS = 2000
KEEPALIVE = ServerSentEventMessage(comment="still here", data=None)
STOP_SECONDS = 5


# Reads the newest row of each of these users.
Query = Callable[[FunctionCaller, list[str]], list[Row]]


def latest_runs(functions: FunctionCaller, user_ids: list[str]) -> list[Row]:
    return functions.rows("sync_progress", user_ids)


def latest_changes(functions: FunctionCaller, user_ids: list[str]) -> list[Row]:
    return functions.rows("latest_changes", user_ids)


class Subscriber:
    """One stream: the newest row of its user, and whether it has changed."""

    def __init__(self, query: Query, user_id: str, row: Row | None) -> None:
        self.query = query
        self.user_id = user_id
        self.row = row
        self.changed = asyncio.Event()

    async def wait_for_change(self, seconds: float) -> bool:
        """Wait for a change; False if there was none within this time."""
        try:
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True


class ProgressBroadcaster:
    """Notifies subscribers of changes. Its streams live on the loop that started it."""

    def __init__(self, session: Session, listen_url: str, log: FilteringBoundLogger) -> None:
        self._session = session
        self._log = log
        self._subscribers: set[Subscriber] = set()
        self._changed_users: set[str] = set()
        self._condition = threading.Condition()  # guards both
        self._stopping = threading.Event()
        self._listener = Listener(listen_url, self.notify_run, log)
        self._listening = False
        self._thread = LongLivedThread("progress", self._run, self._stopping, log)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ended = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def end_streams(self) -> None:
        """End every stream, and any later one too. Called on the loop."""
        self.ended = True
        for subscriber in self._subscribers:
            subscriber.changed.set()

    def stop(self) -> None:
        """End the threads, and wait at most STOP_SECONDS for a running query."""
        self._stopping.set()
        with self._condition:
            self._condition.notify()
        if self._listening:
            self._listener.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    @contextmanager
    def subscribe(self, query: Query, user_id: str, row: Row | None) -> Iterator[Subscriber]:
        """Subscribe to changes of what `query` reads since `row` was read. Called on the loop."""
        if not self._listening:
            self._listening = True
            self._listener.start()
        subscriber = Subscriber(query, user_id, row)
        with self._condition:
            self._subscribers.add(subscriber)
            self._condition.notify()
        try:
            yield subscriber
        finally:
            with self._condition:
                self._subscribers.remove(subscriber)

    def notify_run(self, change: RunChange) -> None:
        """A run has begun or ended; from any thread."""
        self.notify_user(change.user_id)

    def notify_user(self, user_id: str) -> None:
        """A user's latest run may have changed; from any thread."""
        with self._condition:
            if any(subscriber.user_id == user_id for subscriber in self._subscribers):
                self._changed_users.add(user_id)
                self._condition.notify()

    def _run(self) -> None:
        next_at = 0.0
        while self._wait_until_due(next_at):
            everyone = time.monotonic() >= next_at
            due = self._due_subscribers(everyone)
            try:
                for query in {subscriber.query for subscriber in due}:
                    self._poll(query, [each for each in due if each.query is query])
            except Exception as error:  # the next pass tries again
                self._log.warning("progress query failed", error=str(error))
            if everyone:
                next_at = time.monotonic() + POLL_SECONDS
            self._stopping.wait(MIN_POLL_SECONDS)
        self._session.close()

    def _wait_until_due(self, next_at: float) -> bool:
        """Wait for a subscriber, then for a change, but no later than `next_at`. False when the
        broadcaster stops."""
        with self._condition:
            self._condition.wait_for(lambda: self._subscribers or self._stopping.is_set())
            self._condition.wait_for(
                lambda: self._changed_users or self._stopping.is_set(),
                max(0.0, next_at - time.monotonic()),
            )
        return not self._stopping.is_set()

    def _due_subscribers(self, everyone: bool) -> list[Subscriber]:
        with self._condition:
            changed_users, self._changed_users = self._changed_users, set()
            return [each for each in self._subscribers if everyone or each.user_id in changed_users]

    def _poll(self, query: Query, subscribers: list[Subscriber]) -> None:
        # Only for subscribers from before the query: a later one has a newer row.
        users = sorted({subscriber.user_id for subscriber in subscribers})
        rows = {row["user_id"]: row for row in query(self._session, users)}
        changed = [each for each in subscribers if rows.get(each.user_id) != each.row]
        for subscriber in changed:
            subscriber.row = rows.get(subscriber.user_id)
        if changed and self._loop:
            self._loop.call_soon_threadsafe(_wake, changed)


def _wake(subscribers: list[Subscriber]) -> None:
    for subscriber in subscribers:
        subscriber.changed.set()


async def _stream(
    broadcaster: ProgressBroadcaster,
    user_id: str,
    row: Row | None,
    event_of: Callable[[Row | None], RunEvent],
    expires_at: datetime,
) -> AsyncIterator[ServerSentEventMessage]:
    event = event_of(row)
    yield _message(event)
    with broadcaster.subscribe(latest_runs, user_id, row) as subscriber:
        while not broadcaster.ended:
            now = datetime.now(UTC)
            if expires_at <= now:
                return
            times = filter(None, (expires_at, event.text.valid_until))
            seconds = min((time - now).total_seconds() for time in times)
            await subscriber.wait_for_change(min(KEEPALIVE_SECONDS, max(0, seconds)))
            previous, event = event, event_of(subscriber.row)
            if broadcaster.ended:
                return
            yield _message(event) if event != previous else KEEPALIVE


def _message(run: RunEvent) -> ServerSentEventMessage:
    return ServerSentEventMessage(
        data=msgspec.json.encode(run),
        event="sync",
        # Each event is the whole state, so a client that reconnects needs only the newest.
        id=f"{run.updated_at.timestamp():.6f}" if run.updated_at else "0",
        retry=RECONNECT_MILLISECONDS,
    )


async def notify_own_streams(request: UserRequest) -> None:
    """Send the user's streams in this process the event of a start or a cancellation at once.

    Routes call it after the response, since the database does not announce every start.
    """
    broadcaster: ProgressBroadcaster = request.app.state.broadcaster
    broadcaster.notify_user(request.user.user_id)


@get(
    "/api/gmail/sync/events",
    media_type="text/event-stream",
    responses=error_responses(401, 503),
)
async def sync_events(
    request: UserRequest,
    pool: NamedDependency[Pool],
    broadcaster: NamedDependency[ProgressBroadcaster],
) -> ServerSentEvent:
    """The latest run now and at each change, as events `sync`.

    An event is the object of /status, and `text` in the language of the request.
    """
    user_id = request.user.user_id
    row = await sync_to_thread(lambda: pool.row("sync_status", user_id))
    language, zone = translator_of(request), time_zone_of(request)

    def event_of(row: Row | None) -> RunEvent:
        return RunEvent.for_reader(row, language, zone)

    return ServerSentEvent(_stream(broadcaster, user_id, row, event_of, request.user.expires_at))


ROUTES = [sync_events]
