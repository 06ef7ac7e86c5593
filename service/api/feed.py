"""Follows runs and mail of subscribed users, for streams of progress and readers of changes.

One thread of each process queries a node once a second for all subscribed users together. It sleeps
while there are no subscribers (DESIGN.md, section 8). When a run begins or ends, its user is
queried at once. NOTIFY announces that; this process also knows of its own requests, because a start
is not announced while all workers are busy. Other processes may see such a start a second later.
Each subscriber holds one state, the newest, so a slow client costs nothing.

Each node has a thread and a connection of its own, and none asks through the router. So a node that
is down or hangs delays no other node's streams. A node returns nothing for users of other nodes.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from service.config import Node
from service.postgres.calls import FunctionCaller, Row, Session
from service.postgres.listener import Listener, RunChange
from service.postgres.outage_log import OutageLog
from service.threads import LongLivedThread

POLL_SECONDS = 1.0
# The minimum time between two queries, and so the longest wait after a click.
MIN_POLL_SECONDS = 0.02
STOP_SECONDS = 5


class Query(NamedTuple):
    """What a subscriber follows: one row of each user. `at_node` has those of a node only."""

    at_node: Callable[[FunctionCaller, list[str]], list[Row]]
    of_user: Callable[[FunctionCaller, str], Row | None]


def _changes_at_node(functions: FunctionCaller, user_ids: list[str]) -> list[Row]:
    rows = functions.rows("latest_changes", user_ids)
    return [row for row in rows if row["change_number"]]


LATEST_RUN = Query(
    lambda functions, user_ids: functions.rows("sync_progress", user_ids),
    lambda functions, user_id: functions.row("sync_status", user_id),
)
LATEST_CHANGE = Query(
    _changes_at_node, lambda functions, user_id: functions.row("latest_changes", [user_id])
)


class Subscriber:
    """One stream: the newest row of its user, and whether it has changed."""

    def __init__(self, query: Query, user_id: str, row: Row | None) -> None:
        self.query = query
        self.user_id = user_id
        self.row = row
        # The feed of the node that returned the row, once it is known.
        self.source: NodeFeed | None = None
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


class NodeFeed:
    """Asks one node about all subscribers. `pool` asks the node of a user, wherever that is."""

    def __init__(self, node: Node, pool: FunctionCaller, log: FilteringBoundLogger) -> None:
        log = log.bind(**node.log_fields)
        self._session = Session(node.url, "gmail-sync feed")
        self._pool = pool
        self._outage = OutageLog("progress query", log)
        self._subscribers: set[Subscriber] = set()
        self._changed_users: set[str] = set()
        self._condition = threading.Condition()  # guards both
        self._stopping = threading.Event()
        self._listener = Listener(node.listen_url, self._on_change, log)
        self._listening = False
        self._thread = LongLivedThread("progress", self._run, self._stopping, log)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """End the threads, and wait at most STOP_SECONDS for a running query."""
        self._stopping.set()
        with self._condition:
            self._condition.notify()
        if self._listening:
            self._listener.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def add(self, subscriber: Subscriber) -> None:
        if not self._listening:
            self._listening = True
            self._listener.start()
        with self._condition:
            self._subscribers.add(subscriber)
            self._condition.notify()

    def remove(self, subscriber: Subscriber) -> None:
        with self._condition:
            self._subscribers.remove(subscriber)

    def notify_user(self, user_id: str) -> None:
        """A user's latest run may have changed; from any thread."""
        with self._condition:
            if any(subscriber.user_id == user_id for subscriber in self._subscribers):
                self._changed_users.add(user_id)
                self._condition.notify()

    def _on_change(self, change: RunChange) -> None:
        self.notify_user(change.user_id)

    def _run(self) -> None:
        next_at = 0.0
        while self._wait_until_due(next_at):
            everyone = time.monotonic() >= next_at
            due = self._due_subscribers(everyone)
            try:
                for query in {subscriber.query for subscriber in due}:
                    self._poll(query, [each for each in due if each.query is query])
                self._outage.succeeded()
            except Exception as error:  # the next pass tries again
                self._outage.failed(error)
            if everyone:
                next_at = time.monotonic() + POLL_SECONDS
            self._stopping.wait(MIN_POLL_SECONDS)
        self._session.close()

    def _wait_until_due(self, next_at: float) -> bool:
        """Wait for a subscriber, then for a change, but no later than `next_at`. False when the
        feed stops."""
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
        rows: dict[str, Row | None] = {
            row["user_id"]: row for row in query.at_node(self._session, users)
        }
        self._show(rows, [each for each in subscribers if each.user_id in rows], self)
        lost = [
            each
            for each in subscribers
            if each.source is self and each.row and each.user_id not in rows
        ]
        # Their rows were deleted, or are on the way to another node, whose feed finds them next.
        users = sorted({subscriber.user_id for subscriber in lost})
        self._show({user: query.of_user(self._pool, user) for user in users}, lost, None)

    def _show(
        self,
        rows: dict[str, Row | None],
        subscribers: list[Subscriber],
        source: "NodeFeed | None",
    ) -> None:
        changed = [each for each in subscribers if rows[each.user_id] != each.row]
        for subscriber in subscribers:
            subscriber.row, subscriber.source = rows[subscriber.user_id], source
        if changed and self._loop:
            self._loop.call_soon_threadsafe(_wake, changed)


def _wake(subscribers: list[Subscriber]) -> None:
    for subscriber in subscribers:
        subscriber.changed.set()


class ProgressBroadcaster:
    """Notifies subscribers of changes. Its streams live on the loop that started it."""

    def __init__(
        self, nodes: Sequence[Node], pool: FunctionCaller, log: FilteringBoundLogger
    ) -> None:
        self._feeds = [NodeFeed(node, pool, log) for node in nodes]
        self._subscribers: set[Subscriber] = set()
        self.ended = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        for feed in self._feeds:
            feed.start(loop)

    def end_streams(self) -> None:
        """End every stream, and any later one too. Called on the loop."""
        self.ended = True
        _wake(list(self._subscribers))

    def stop(self) -> None:
        """End the threads of all feeds at once."""
        with ThreadPoolExecutor(len(self._feeds)) as threads:
            list(threads.map(NodeFeed.stop, self._feeds))

    @contextmanager
    def subscribe(self, query: Query, user_id: str, row: Row | None) -> Iterator[Subscriber]:
        """Subscribe to changes of what `query` reads since `row` was read. Called on the loop."""
        subscriber = Subscriber(query, user_id, row)
        if len(self._feeds) == 1:
            # The only node is that of every user.
            (subscriber.source,) = self._feeds
        self._subscribers.add(subscriber)
        for feed in self._feeds:
            feed.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.remove(subscriber)
            for feed in self._feeds:
                feed.remove(subscriber)

    def notify_user(self, user_id: str) -> None:
        """A user's latest run may have changed; from any thread."""
        for feed in self._feeds:
            feed.notify_user(user_id)
