"""Claims events that are due, hands them to threads that send them, and records the outcomes.

The database knows all that matters. If this process dies, the leases lapse, and another sender
sends the same events under the same ids.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Collection
from contextlib import closing
from datetime import timedelta
from functools import partial

import psycopg
from structlog.typing import FilteringBoundLogger

from service.postgres.calls import Session
from service.postgres.outage_log import OutageLog
from service.threads import LongLivedThread
from service.webhooks.addresses import Network
from service.webhooks.post import TOTAL_SECONDS, Delivery, Outcome, Poster

# How many events are on their way at a time, and how many of them to one webhook.
CONCURRENCY = 16
PER_WEBHOOK = 8
# Longer than an attempt takes, with a slow look-up of the name.
LEASE = timedelta(seconds=3 * TOTAL_SECONDS)
# How often to look for due events without a notification, and for attempts that take too long.
POLL_SECONDS = 1.0
# How long the last attempts may take when the sender stops.
DRAIN_SECONDS = 3.0


class WebhookSender:
    """Sends events to webhooks, from start() to stop()."""

    def __init__(self, url: str, allowed: Collection[Network], log: FilteringBoundLogger) -> None:
        self._url = url
        self._log = log
        self._outage = OutageLog("sending webhooks", log)
        self._stopping = threading.Event()
        self._wakeup = threading.Event()
        self._to_send: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._in_flight = 0
        self._posters = [Poster(allowed) for _ in range(CONCURRENCY)]
        self._dispatcher = LongLivedThread("webhooks", self._dispatch, self._stopping, log)
        self._threads = [
            LongLivedThread(f"webhook {number}", partial(self._send, poster), self._stopping, log)
            for number, poster in enumerate(self._posters)
        ]

    def start(self) -> None:
        for thread in (self._dispatcher, *self._threads):
            thread.start()

    def wake(self) -> None:
        """Look for due events now."""
        self._wakeup.set()

    def drain(self) -> None:
        """Claim no more. Does not wait."""
        self._stopping.set()
        self._wakeup.set()

    def stop(self) -> None:
        """Drain, and wait for the last outcomes for at most DRAIN_SECONDS."""
        self.drain()
        self._dispatcher.join(DRAIN_SECONDS + POLL_SECONDS)
        for _ in self._threads:
            self._to_send.put(None)
        for poster in self._posters:
            poster.interrupt()

    def _dispatch(self) -> None:
        with closing(Session(self._url, "gmail-sync webhooks")) as session:
            ends_at = float("inf")
            while self._in_flight or not self._stopping.is_set():
                if self._stopping.is_set():
                    ends_at = min(ends_at, time.monotonic() + DRAIN_SECONDS)
                if time.monotonic() > ends_at:
                    break
                self._wakeup.clear()
                try:
                    busy = self._record(session) + self._claim(session)
                except psycopg.Error as error:
                    # What was not recorded is recorded next, or sent again.
                    self._outage.failed(error)
                    busy = 0
                else:
                    self._outage.succeeded()
                for poster in self._posters:
                    poster.interrupt_if_late()
                if not busy:
                    self._wakeup.wait(POLL_SECONDS)

    def _claim(self, session: Session) -> int:
        free = CONCURRENCY - self._in_flight
        if self._stopping.is_set() or not free:
            return 0
        claims = session.rows_as(Delivery, "claim_webhook_deliveries", free, PER_WEBHOOK, LEASE)
        self._in_flight += len(claims)
        for claim in claims:
            self._to_send.put(claim)
        return len(claims)

    def _record(self, session: Session) -> int:
        recorded = 0
        while self._outcomes:
            outcome = self._outcomes[0]
            delivery = outcome.delivery
            is_ours = session.value(
                "record_webhook_delivery",
                delivery.webhook_id,
                delivery.lease,
                outcome.status,
                outcome.error,
                outcome.duration,
                outcome.retry_after,
            )
            self._outcomes.popleft()
            self._in_flight -= 1
            recorded += 1
            log = self._log.info if outcome.error is None else self._log.warning
            log(
                "webhook accepted" if outcome.error is None else "webhook failed",
                webhook=delivery.webhook_id,
                event_id=delivery.event_id,
                type=delivery.type,
                attempt=delivery.attempt,
                status=outcome.status,
                error=outcome.error,
                seconds=round(outcome.duration.total_seconds(), 3),
                lease_lost=not is_ours,
            )
        return recorded

    def _send(self, poster: Poster) -> None:
        while delivery := self._to_send.get():
            outcome = Outcome(delivery, timedelta(0), error="the sender failed")
            try:
                outcome = poster.post(delivery)
            finally:
                self._outcomes.append(outcome)
                self._wakeup.set()
        poster.close()
