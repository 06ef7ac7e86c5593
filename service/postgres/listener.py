"""Hears what the functions announce on channel gmail_sync: task ids of runs that changed."""

import threading
from collections.abc import Callable

import psycopg
from structlog.typing import FilteringBoundLogger

from service.postgres.calls import connect

CHANNEL = "gmail_sync"
# Seconds: how long stop() may take, and how long a lost connection stays lost.
POLL_SECONDS = 0.5
RECONNECT_SECONDS = 1.0


class Listener:
    """Calls `heard` with each task id, from its own thread and connection.

    A poll stands behind it, so nothing depends on a notification arriving.
    """

    def __init__(self, url: str, heard: Callable[[str], None], log: FilteringBoundLogger) -> None:
        self._url = url
        self._heard = heard
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
                    self._heard(notification.payload)
                    if self._stopped.is_set():
                        break
