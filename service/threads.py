"""The threads of a process: each ends when its work ends, or with the process.

A long-lived thread survives every Exception: the error is logged, and the work starts again after a
pause. What is not an Exception ends the process, and so does MemoryError. A thread's own lines
allocate little, so after a MemoryError there nothing else works either. A new process has memory.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from structlog.typing import FilteringBoundLogger

FIRST_PAUSE_SECONDS = 1.0
# Longer than the pause between two heartbeats of a worker, so that one of them sees a failed slot.
LONGEST_PAUSE_SECONDS = 15.0
# Work that has lasted this long is no longer counted as failing.
SETTLED_SECONDS = 5.0


class LongLivedThread(threading.Thread):
    """Does `work` until it returns. `stopping` ends the pause after an error, and the thread."""

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        stopping: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._stopping = stopping
        self._log = log
        self._pause = FIRST_PAUSE_SECONDS
        self._failed_at = 0.0
        # When the work, started again, counts as no longer failing.
        self._settled_at = 0.0

    def failing_for(self) -> float:
        """Seconds since the first of the last errors; 0 if the work goes on."""
        now = time.monotonic()
        return now - self._failed_at if now < self._settled_at else 0.0

    def run(self) -> None:
        while True:
            try:
                return self._work()
            except MemoryError:
                raise
            except Exception as error:
                self._survive(error)
            if self._stopping.is_set():
                return None

    def _survive(self, error: Exception) -> None:
        now = time.monotonic()
        if now < self._settled_at:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        else:
            self._pause, self._failed_at = FIRST_PAUSE_SECONDS, now
        self._settled_at = now + self._pause + SETTLED_SECONDS
        self._log.error(
            "thread failed", thread=self.name, starts_again_in=self._pause, exc_info=error
        )
        self._stopping.wait(self._pause)


def end_process(
    log: FilteringBoundLogger, reason: str, error: BaseException | None = None
) -> NoReturn:
    """End this process with status 1, from any thread. Leases lapse as if it had been killed."""
    try:
        log.critical("process ends", reason=reason, exc_info=error)
    finally:
        os._exit(1)


def end_process_with_any_thread(log: FilteringBoundLogger) -> None:
    """End this process when a thread dies of an error, even a thread that a library started."""

    def end(thread: threading.Thread | None, error: BaseException | None) -> NoReturn:
        name = thread.name if thread else "unknown"
        end_process(log, f"thread {name} died: {type(error).__name__}", error)

    threading.excepthook = lambda died: end(died.thread, died.exc_value)
    logging.getLogger("concurrent.futures").addHandler(_ExecutorHandler(end))


class _ExecutorHandler(logging.Handler):
    """An executor only logs that a thread of its own has died, and then waits for it forever."""

    def __init__(self, end: Callable[[threading.Thread, BaseException | None], NoReturn]) -> None:
        super().__init__(logging.CRITICAL)
        self._end = end

    def emit(self, record: logging.LogRecord) -> None:
        self._end(threading.current_thread(), record.exc_info[1] if record.exc_info else None)
