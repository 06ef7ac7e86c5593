"""Says once that work at a database fails, and once that it works again."""

import threading

from structlog.typing import FilteringBoundLogger


class OutageLog:
    """The log of one kind of `work`, such as claiming, for all threads that do it."""

    def __init__(self, work: str, log: FilteringBoundLogger) -> None:
        self._work = work
        self._log = log
        self._lock = threading.Lock()
        self._failing = False

    def failed(self, error: Exception) -> None:
        with self._lock:
            if not self._failing:
                self._log.warning(f"{self._work} failed", error=str(error))
            self._failing = True

    def succeeded(self) -> None:
        with self._lock:
            if self._failing:
                self._log.info(f"{self._work} works again")
            self._failing = False
