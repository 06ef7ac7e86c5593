"""Listens on channel gmail_sync, where the functions publish the task ids of changed runs."""

import threading
from collections.abc import Callable

import psycopg
from structlog.typing import FilteringBoundLogger

from service.postgres.calls import connect

CHANNEL = "gmail_sync"
# How often stop() is noticed.
POLL_SECONDS = 0.5
RECONNECT_SECONDS = 1.0


class Listener:
    """Calls `on_change` with each task id, from its own thread and connection.

    Its users poll as well, so nothing depends on the arrival of a notification.
    """

    def __init__(
        self, url: str, on_change: Callable[[str], None], log: FilteringBoundLogger
    ) -> None:
        self._url = url
        self._on_change = on_change
        self._log = log
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(2 * POLL_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                self._log.warning("listening failed", error=str(error))
                self._stopped.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with connect(self._url, "gmail-sync listener") as connection:
            connection.execute(f"listen {CHANNEL}")
            while not self._stopped.is_set():
                for notification in connection.notifies(timeout=POLL_SECONDS):
                    self._on_change(notification.payload)
                    if self._stopped.is_set():
                        break
