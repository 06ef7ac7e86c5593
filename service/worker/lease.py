"""The lease of one run: heartbeats from their own thread and connection.

The sync cannot delay heartbeats, and a failed heartbeat does not stop the sync unless the lease is
lost.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from service.postgres.calls import Session
from service.postgres.errors import LeaseLost
from service.threads import LongLivedThread

# A worker fences itself after this share of the heartbeat timeout without a heartbeat.
SELF_FENCE = 0.75
# The pause after a failed heartbeat.
RETRY_SECONDS = 1.0


class Lease:
    """Extends the lease of a claimed run during a `with` block.

    interval and timeout are seconds. on_lost is called once, from the heartbeat thread, to
    interrupt a fetch in progress.
    """

    def __init__(
        self,
        url: str,
        task_id: str,
        interval: float,
        timeout: float,
        log: FilteringBoundLogger,
        on_lost: Callable[[], None],
    ) -> None:
        self.task_id = task_id
        self._session = Session(url, "gmail-sync heartbeat")
        self._interval = interval
        self._self_fence = timeout * SELF_FENCE
        self._log = log
        self._on_lost = on_lost
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._lost = False
        self._beat_at = time.monotonic()
        self._thread = LongLivedThread(f"heartbeat {task_id}", self._run, self._stopped, log)

    def __enter__(self) -> Self:
        try:
            self._thread.start()
        except BaseException:
            # It may run nevertheless, and would extend the lease of a run that nobody executes.
            self.stop_beating()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self.stop_beating()
        self._thread.join(RETRY_SECONDS)

    def silent_for(self) -> float:
        """Seconds since the last successful heartbeat."""
        return time.monotonic() - self._beat_at

    def check(self) -> None:
        """Raise LeaseLost when this run must stop writing."""
        if self._lost:
            raise LeaseLost(f"task {self.task_id} has lost its lease")
        if self.silent_for() > self._self_fence:
            raise LeaseLost(f"task {self.task_id} sent no heartbeat for {self.silent_for():.0f} s")

    def stop_beating(self) -> None:
        """Stop the heartbeats, because the run is about to end."""
        self._stopped.set()
        self._wake.set()

    def heartbeat_now(self) -> None:
        """Send a heartbeat now, to learn at once whether the lease is lost."""
        self._wake.set()

    def _run(self) -> None:
        while self._wait():
            if not self._beat():
                self._lost = True
                self._on_lost()
                break
        self._session.close()

    def _wait(self) -> bool:
        """Wait until the next heartbeat is due. False when the heartbeats stop."""
        late = self.silent_for() > self._interval
        self._wake.wait(RETRY_SECONDS if late else self._interval)
        self._wake.clear()
        return not self._stopped.is_set()

    def _beat(self) -> bool:
        """Send one heartbeat; False if the lease is lost or must be assumed lost."""
        started_at = time.monotonic()
        try:
            held = bool(self._session.value("heartbeat", self.task_id))
        except Exception as error:  # whatever it was, the lease runs out
            self._log.warning("heartbeat missed", silent_for=self.silent_for(), error=str(error))
            return self.silent_for() <= self._self_fence
        if not held:
            self._log.warning("lease lost", silent_for=self.silent_for())
            return False
        late = started_at - self._beat_at
        if late > 2 * self._interval:
            self._log.warning("heartbeat late", silent_for=late)
        self._log.debug("heartbeat")
        self._beat_at = started_at
        return True
