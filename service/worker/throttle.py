"""Holds each request to Gmail back until lease, shutdown, quota and Google's limits allow it."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from service.gmail.backoff import Calls, QuotaWait, retry_at, to_reserve
from service.gmail.errors import GmailError, RateLimited, Transient
from service.gmail.retry import call_with_retry
from service.postgres.calls import DatabaseClock
from service.worker.fenced_calls import FencedCalls
from service.worker.lease import Lease
from service.worker.run_end import Drained, HandedOver

# How often a waiting run checks for a lost lease.
POLL_SECONDS = 0.5

T = TypeVar("T")


class Throttle:
    """One run's limits; `draining` is set when the worker shuts down.

    A wait over `longest_wait` must not occupy a slot: a successor starts after it.
    `record_daily_limit` is called when Google says that the day is used up.
    """

    def __init__(
        self,
        calls: FencedCalls,
        lease: Lease,
        draining: threading.Event,
        clock: DatabaseClock,
        longest_wait: timedelta,
        record_daily_limit: Callable[[], object],
    ) -> None:
        self._calls = calls
        self._lease = lease
        self._draining = draining
        self._clock = clock
        self._longest_wait = longest_wait
        self.record_daily_limit = record_daily_limit

    def check(self) -> None:
        """Raise LeaseLost or Drained when the run must stop."""
        self._lease.check()
        if self._draining.is_set():
            raise Drained

    def charge(self, method: str) -> None:
        """Charge a call to the quota, and wait until it may be sent."""
        if wait := self.reserve({(method, ""): 1}):
            self.wait_for_quota(wait)

    def reserve(self, calls: Calls) -> QuotaWait | None:
        """Charge calls to the quota; until when all of them must wait, or None to send them now."""
        self.check()
        return self._calls.row_as(QuotaWait, "reserve_run_quota", to_reserve(calls))

    def wait_for_quota(self, wait: QuotaWait) -> None:
        """Wait until the reserved moment; hand the run over if nothing is reserved."""
        if wait.is_reserved:
            self.wait_until(wait.free_at, wait.reason)
        else:
            self._calls.value("report_progress", wait.free_at)
            raise HandedOver("gmail_unavailable", wait.reason, wait.ask_at, charge_attempt=False)

    def call_with_retry(self, method: str, request: Callable[[], T]) -> T:
        """Send one request, again after a limit or an outage. Raises HandedOver and GmailError."""
        try:
            return self._call(method, request, self._wait_after)
        except Transient as error:
            self.check()
            raise HandedOver("gmail_unavailable", str(error)) from error

    def call_once(self, method: str, request: Callable[[], T]) -> T:
        """Send one request; a limit or an outage is raised. Raises GmailError."""
        return self._call(method, request, _raise)

    def _call(
        self, method: str, request: Callable[[], T], wait: Callable[[GmailError, datetime], None]
    ) -> T:
        return call_with_retry(
            request,
            charge=partial(self.charge, method),
            wait=wait,
            record_daily_limit=self.record_daily_limit,
            now=self._clock.now,
        )

    def _wait_after(self, error: GmailError, moment: datetime) -> None:
        self.wait_until(moment, str(error))

    def wait_for_retry_after(self, limits: Sequence[RateLimited]) -> None:
        """Wait for the longest of these limits."""
        now = self._clock.now()
        limit = max(limits, key=lambda each: retry_at(each, now))
        self.wait_until(retry_at(limit, now), str(limit))

    def wait_until(self, moment: datetime, reason: str) -> None:
        """Report the wait and wait; hand the run over if the wait is long."""
        self.check()
        self._calls.value("report_progress", moment)
        seconds = (moment - self._clock.now()).total_seconds()
        if seconds > self._longest_wait.total_seconds():
            raise HandedOver("gmail_unavailable", reason, moment, charge_attempt=False)
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            self._draining.wait(min(left, POLL_SECONDS))
            self.check()


def _raise(error: GmailError, _: datetime) -> None:
    raise error
