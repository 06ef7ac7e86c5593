"""Empties the queue of one account: takes, fetches in threads, stores, batch by batch.

Only the run's own thread talks to Postgres; the fetching threads talk to Gmail and parse. So a
user's mail has one writer, and a slow answer holds up nothing but its batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import psycopg
from psycopg.types.json import Jsonb
from structlog.typing import FilteringBoundLogger

from service.gmail.client import BATCH_SIZE, GmailClient
from service.gmail.errors import (
    DailyLimit,
    GmailError,
    RateLimited,
    TooManyConcurrent,
    Transient,
)
from service.gmail.message import Message, to_json
from service.worker.batch import Batch, ContentMode, failure, fetch_batch
from service.worker.calls import RunCalls
from service.worker.gate import Gate
from service.worker.outcome import HandedOver

# Batches in flight for one account, and messages in each: one is stored while the next is fetched.
# Google counts every part of a batch as a concurrent request of the user, and 25 at once is what
# it bears; it is also the most that a crash can make us fetch twice.
PARALLEL = 2
LARGEST_BATCH = BATCH_SIZE // PARALLEL
SMALLEST_BATCH = 5
# Requests in a row that got no answer, while Gmail answers others, before the run is left to a
# successor.
MOST_MISSES = 4
# Seconds between looks at the lease while nothing comes in.
LOOK_SECONDS = 1.0


class Hydrator:
    """`client` gives the calling thread its own client."""

    def __init__(
        self,
        calls: RunCalls,
        gate: Gate,
        pool: ThreadPoolExecutor,
        client: Callable[[], GmailClient],
        content_mode: ContentMode,
        log: FilteringBoundLogger,
    ) -> None:
        self._calls = calls
        self._gate = gate
        self._pool = pool
        self._client = client
        self._content_mode = content_mode
        self._log = log
        self._parallel = PARALLEL
        self._batch_size = LARGEST_BATCH
        self._misses = 0

    def empty_queue(self) -> None:
        """Fetch until nothing is due. What cannot be had is booked as failed and waits.

        Raises GmailError for what concerns the whole account, RunEnd and LeaseLost.
        """
        in_flight: set[Future[Batch]] = set()
        while True:
            self._gate.check()
            while len(in_flight) < self._parallel and (future := self._next_batch()):
                in_flight.add(future)
            # Messages whose taking was never answered come back once nothing is in flight.
            if not in_flight and not self._calls.value("return_messages"):
                return
            done, in_flight = wait(in_flight, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                self._settle(future.result())

    def _next_batch(self) -> Future[Batch] | None:
        taken = self._calls.rows("take_messages", self._batch_size)
        if not taken:
            return None
        self._gate.charge("messages.get", len(taken))
        return self._pool.submit(lambda: fetch_batch(self._client(), self._content_mode, taken))

    def _settle(self, batch: Batch) -> None:
        """Book a batch, then do what the error asks that stopped it, if one did."""
        if batch.fetched:
            self._store(batch.fetched)
        if batch.refreshed:
            self._calls.value("refresh_messages", Jsonb(batch.refreshed))

        if batch.fetched or batch.refreshed:
            self._misses = 0

        error = batch.stopped_by
        if isinstance(error, Transient):
            self._blame(batch, error)
        elif batch.untried:
            self._calls.value("return_messages", batch.untried)
        if batch.failures:
            self._fail(batch.failures)
        if error is not None and not isinstance(error, Transient):
            self._obey(error)

    def _blame(self, batch: Batch, error: Transient) -> None:
        """A request got no answer. If Gmail answers others, its messages keep the attempt they
        were charged, so that poison among them is found; if not, they wait for Gmail."""
        if not self._gmail_answers():
            self._calls.value("return_messages", batch.untried)
            self._gate.ask("getProfile", self._client().profile)
            return
        self._misses += 1
        if self._misses > MOST_MISSES:
            # Nothing at all has come since: this is more than a few bad messages.
            raise HandedOver(str(error))
        batch.failures += [failure(each, f"{error.code}: {error}") for each in batch.untried]

    def _store(self, messages: Sequence[Message]) -> None:
        """Store messages together, or one by one when Postgres refuses one of them."""
        try:
            self._calls.value(
                "store_messages",
                Jsonb([to_json(message) for message in messages]),
                [message.raw for message in messages],
            )
        except psycopg.Error as error:
            if len(messages) > 1:
                for message in messages:
                    self._store([message])
            else:
                reason = f"store_failed: {error.diag.message_primary}"
                self._fail([failure(messages[0].message_id, reason)])

    def _fail(self, failures: list[dict[str, object]]) -> None:
        self._log.warning("messages failed", failures=failures)
        self._calls.value("fail_messages", Jsonb(failures))

    def _gmail_answers(self) -> bool:
        self._gate.charge("getProfile")
        try:
            self._client().profile()
        except (Transient, RateLimited, DailyLimit):
            return False
        return True

    def _obey(self, error: GmailError) -> None:
        if not isinstance(error, RateLimited | DailyLimit):
            raise error
        if isinstance(error, TooManyConcurrent):
            self._parallel = 1
            self._batch_size = max(SMALLEST_BATCH, self._batch_size // 2)
        self._gate.obey(error)
