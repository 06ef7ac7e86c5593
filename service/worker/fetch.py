"""Drains the queue of one account batch by batch: takes messages, fetches and stores them.

Only the run's own thread calls Postgres; the fetching threads call Gmail and parse. So a user's
mail has one writer, and a slow response delays only its own batch.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import msgspec
import psycopg
from psycopg.types.json import Jsonb
from structlog.typing import FilteringBoundLogger

from service.accounts.rows import ContentMode
from service.gmail.backoff import Calls
from service.gmail.client import BATCH_SIZE, GmailClient
from service.gmail.errors import (
    DailyLimit,
    GmailError,
    RateLimited,
    TokenExpired,
    TooLarge,
    TooManyConcurrent,
    Transient,
)
from service.mime.message import StoredMessage, to_json
from service.worker.fenced_calls import FencedCalls
from service.worker.fetch_batch import (
    Batch,
    FailedFetch,
    TakenMessage,
    fetch_batch,
    fetch_unfinished,
)
from service.worker.run_end import HandedOver
from service.worker.throttle import Throttle

# Batches in flight for one account: one is stored while the next is fetched. Google counts every
# part of a batch as a concurrent request of the user and accepts about 25. That is also the most
# that is fetched twice after a crash.
PARALLEL = 2
LARGEST_BATCH = BATCH_SIZE // PARALLEL
# The intended size of a batch. Memory holds several copies of each message on its way to Postgres.
BATCH_BYTES = 4 << 20
# Unanswered requests in a row before the run is handed over.
MAX_UNANSWERED_REQUESTS = 4
# How often the lease is checked while nothing arrives.
POLL_SECONDS = 1.0
# How long a run that must end waits for batches in flight.
SHUTDOWN_GRACE_SECONDS = 5.0


class MessageFetcher:
    """Fetches the due messages of one account. `thread_client` returns a thread's own client."""

    def __init__(
        self,
        calls: FencedCalls,
        throttle: Throttle,
        pool: ThreadPoolExecutor,
        thread_client: Callable[[], GmailClient],
        log: FilteringBoundLogger,
    ) -> None:
        self._calls = calls
        self._throttle = throttle
        self._pool = pool
        self._thread_client = thread_client
        # That of the messages taken last.
        self._content_mode: ContentMode = "full"
        self._log = log
        self._in_flight: set[Future[Batch]] = set()
        # Fetches of messages that need a second fetch.
        self._unfinished: deque[Callable[[], Batch]] = deque()
        self._parallel = PARALLEL
        self._largest_batch = LARGEST_BATCH
        self._batch_size = LARGEST_BATCH
        self._unanswered = 0
        self._limits: list[RateLimited] = []

    def drain_queue(self) -> None:
        """Fetch until nothing is due. Messages that fail are recorded and retried later.

        Raises account-wide GmailErrors, RunEnd and LeaseLost.
        """
        while True:
            self._throttle.check()
            while len(self._in_flight) < self._parallel and self._send_next():
                pass
            # If the result of a take was lost, its messages are returned here.
            if not self._in_flight and not self._calls.value("return_messages"):
                return
            self._settle_first()
            if self._limits:
                self._wait_for_limits()

    def _send_next(self) -> bool:
        """Send an unfinished message, else a new batch; whether there was one."""
        if self._unfinished:
            self._send({("messages.get", "raw"): 1}, self._unfinished.popleft())
            return True
        taken = self._calls.rows_as(TakenMessage, "take_messages", self._batch_size, BATCH_BYTES)
        if taken:
            # The user may switch it during a run.
            mode = self._content_mode = taken[0].content_mode
            # One call brings several messages of a thread.
            calls: Counter[tuple[str, str]] = Counter(
                call[:2] for call in {each.call for each in taken}
            )
            self._send(calls, lambda: fetch_batch(self._thread_client(), mode, taken))
        return bool(taken)

    def _send(self, calls: Calls, fetch: Callable[[], Batch]) -> None:
        """Fetch in a thread once the quota allows these calls."""
        if quota_wait := self._throttle.reserve(calls):
            # Store what has been fetched before a wait for quota.
            while self._in_flight:
                self._settle_first()
            self._throttle.wait_for_quota(quota_wait)
            if self._limits:
                self._wait_for_limits()
        self._in_flight.add(self._pool.submit(fetch))

    def _settle_first(self) -> None:
        """Settle the batches that have arrived; returns after POLL_SECONDS at the latest."""
        done, _ = wait(self._in_flight, POLL_SECONDS, FIRST_COMPLETED)
        for future in done:
            # One by one: if the first ends the run, the others can still be stored.
            self._in_flight.discard(future)
            self._settle(future.result())
        self._throttle.check()

    def _settle(self, batch: Batch) -> None:
        """Store the results of a batch, then react to the error that stopped it, if any."""
        if batch.fetched:
            self._fit_to(batch.average_bytes())
            self._store(batch.fetched)
        if batch.refreshed:
            self._calls.value("refresh_messages", Jsonb(batch.refreshed, msgspec.json.encode))
        if batch.fetched or batch.refreshed:
            self._unanswered = 0

        if batch.split:
            self._calls.value("split_threads", batch.split)
        error = batch.stopped_by
        if isinstance(error, Transient):
            self._charge_attempts_or_wait(batch, error)
        elif batch.untried:
            self._calls.value("return_messages", batch.untried)
        if batch.failures:
            self._fail(batch.failures)
        if error is not None and not isinstance(error, Transient):
            self._apply_backoff(error)
        for message_id in batch.unfinished:
            self._fetch_again(message_id, refused=False)

    def _fit_to(self, average_bytes: int) -> None:
        """Size the next batches by the messages seen, growing slowly."""
        room = BATCH_BYTES // max(1, average_bytes)
        self._batch_size = max(1, min(self._largest_batch, room, 2 * self._batch_size))

    def _charge_attempts_or_wait(self, batch: Batch, error: Transient) -> None:
        """Handle a request without an answer.

        If Gmail answers other requests, the messages keep their charged attempt, so that a message
        that breaks requests is found. Otherwise the run waits for Gmail.
        """
        answers = self._gmail_answers()
        if not answers:
            self._calls.value("return_messages", batch.untried)
        self._unanswered += 1
        if self._unanswered > MAX_UNANSWERED_REQUESTS:
            # No message has arrived in between: this is more than a few bad messages, or an
            # outage that only the profile is spared.
            raise HandedOver("gmail_unavailable", str(error))
        if not answers:
            self._throttle.call_with_retry("getProfile", self._thread_client().profile)
            return
        batch.failures += [FailedFetch.by_gmail(each, error) for each in batch.untried]

    def _store_arrived(self) -> None:
        """Store what arrives before the run ends, so that it is not fetched twice."""
        arrived, _ = wait(self._in_flight, SHUTDOWN_GRACE_SECONDS)
        for future in arrived:
            if fetched := future.result().fetched:
                self._store(fetched)

    def _store(self, messages: Sequence[StoredMessage]) -> None:
        """Store messages together, or one by one when Postgres rejects one of them."""
        try:
            self._calls.value(
                "store_messages",
                Jsonb(messages, to_json),
                [message.raw for message in messages],
            )
        except psycopg.Error as error:
            if len(messages) == 1 and isinstance(error, psycopg.errors.QueryCanceled):
                # A timeout is not a rejection: a retry can succeed.
                raise
            if len(messages) > 1:
                for message in messages:
                    self._store([message])
            else:
                self._store_raw_only(messages[0], str(error))

    def _store_raw_only(self, message: StoredMessage, reason: str) -> None:
        """Postgres rejected a message: store only its raw bytes and Gmail's own fields."""
        self._log.warning("message refused", message_id=message.message_id, reason=reason)
        if message.is_bare():
            self._fail([FailedFetch(message.message_id, "store_failed", reason)])
        else:
            self._fetch_again(message.message_id, refused=True)

    def _fetch_again(self, message_id: str, *, refused: bool) -> None:
        """Fetch a message in raw form, by itself because it may be large."""
        keep_raw = self._content_mode == "raw"
        self._unfinished.append(
            lambda: fetch_unfinished(
                self._thread_client(), message_id, keep_raw=keep_raw, refused=refused
            )
        )

    def _fail(self, failures: list[FailedFetch]) -> None:
        rows = msgspec.to_builtins(failures)
        self._log.warning("messages failed", failures=rows)
        self._calls.value("fail_messages", Jsonb(rows))

    def _gmail_answers(self) -> bool:
        try:
            self._throttle.call_once("getProfile", self._thread_client().profile)
        except (Transient, RateLimited):
            return False
        return True

    def _apply_backoff(self, error: GmailError) -> None:
        if isinstance(error, TokenExpired):
            return
        if isinstance(error, TooLarge):
            self._batch_size = max(1, self._batch_size // 2)
            return
        if isinstance(error, DailyLimit):
            # The next reservation hands the run over.
            self._throttle.record_daily_limit()
            return
        if not isinstance(error, RateLimited):
            self._store_arrived()
            raise error
        self._limits.append(error)

    def _wait_for_limits(self) -> None:
        """Wait once, for the longest limit of the batches in flight."""
        while self._in_flight:
            self._settle_first()
        limits, self._limits = self._limits, []
        if any(isinstance(limit, TooManyConcurrent) for limit in limits):
            self._parallel = 1
            self._largest_batch = self._batch_size = max(1, self._batch_size // 2)
        self._throttle.wait_for_retry_after(limits)
