"""Says once that work at a database fails, and once that it works again in all threads."""

import threading

from structlog.typing import FilteringBoundLogger


class OutageLog:
    """The log of one kind of `work`, such as claiming, for all threads that do it."""

    def __init__(self, work: str, log: FilteringBoundLogger) -> None:
        self._work = work
        self._log = log
        self._lock = threading.Lock()
        # Threads. If the server has too few connections, some fail for ever and others do not.
        self._failing: set[int] = set()

    def failed(self, error: Exception) -> None:
        with self._lock:
            if not self._failing:
                self._log.warning(f"{self._work} failed", error=str(error))
            self._failing.add(threading.get_ident())

    def succeeded(self) -> None:
        with self._lock:
            if not self._failing:
                return
            self._failing.discard(threading.get_ident())
            if not self._failing:
                self._log.info(f"{self._work} works again")
