"""The gate each request to Gmail goes through: lease, drain, quota, and Google's own waits."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from service.gmail.backoff import OUTAGE_BACKOFF, QUOTA, end_of
from service.gmail.errors import DailyLimit, RateLimited, TokenExpired, Transient
from service.postgres.calls import DatabaseClock
from service.worker.fenced_calls import FencedCalls
from service.worker.lease import Lease
from service.worker.run_end import Drained, HandedOver

# A longer wait holds no worker's slot: a successor takes the run up when it is over.
LONGEST_WAIT = timedelta(minutes=5)
# How often a waiting run looks whether it was cancelled or its worker drains, in seconds.
POLL_SECONDS = 0.5

T = TypeVar("T")


class Throttle:
    """Lets requests pass when they may; `draining` is the worker's wish to shut down."""

    def __init__(
        self, calls: FencedCalls, lease: Lease, draining: threading.Event, clock: DatabaseClock
    ) -> None:
        self._calls = calls
        self._lease = lease
        self._draining = draining
        self._clock = clock

    def check(self) -> None:
        """Raise LeaseLost or Drained when the run must not go on."""
        self._lease.check()
        if self._draining.is_set():
            raise Drained

    def charge(self, method: str, calls: int = 1) -> None:
        """Charge the quota for calls about to be sent, and wait for it where it is used up."""
        if free_at := self.book(method, calls):
            self.wait_for_quota(free_at)

    def book(self, method: str, calls: int = 1) -> datetime | None:
        """Charge the quota for calls; the time from when they may be sent, None for at once."""
        self.check()
        free_at: datetime | None = self._calls.value("reserve_run_quota", method, calls)
        return free_at

    def wait_for_quota(self, free_at: datetime) -> None:
        self.wait_until(free_at, QUOTA)

    def ask(self, method: str, request: Callable[[], T]) -> T:
        """Send one request, again after a wait where Google asks for it or does not answer."""
        pauses = iter(OUTAGE_BACKOFF)
        while True:
            self.charge(method)
            try:
                return request()
            except (RateLimited, DailyLimit) as error:
                self.wait_for_retry_after(error)
            except TokenExpired:
                continue
            except Transient as error:
                self.check()
                pause = next(pauses, None)
                if pause is None:
                    raise HandedOver(str(error)) from error
                self.wait_until(self._clock.now() + pause, str(error))

    def wait_for_retry_after(self, limit: RateLimited | DailyLimit) -> None:
        """Wait as long as Google asks."""
        self.wait_until(end_of(limit, self._clock.now()), str(limit))

    def wait_until(self, moment: datetime, reason: str) -> None:
        """Wait in sight of everybody, or hand the run over when the wait is long."""
        self.check()
        self._calls.value("report_progress", "waiting", moment)
        seconds = (moment - self._clock.now()).total_seconds()
        if seconds > LONGEST_WAIT.total_seconds():
            raise HandedOver(reason, moment, charge_attempt=False)
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            self._draining.wait(min(left, POLL_SECONDS))
            self.check()
