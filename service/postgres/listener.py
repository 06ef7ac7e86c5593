"""Listens where the functions publish changes of runs, and that events wait for webhooks."""

import threading
from collections.abc import Callable

import msgspec
import psycopg
from structlog.typing import FilteringBoundLogger

from service.postgres.calls import connect
from service.postgres.outage_log import OutageLog
from service.threads import LongLivedThread

CHANNEL = "gmail_sync"
WEBHOOKS = "gmail_sync_webhooks"
# How often stop() is noticed.
POLL_SECONDS = 0.5
RECONNECT_SECONDS = 1.0


class RunChange(msgspec.Struct, frozen=True):
    """A run has started, ended or become due."""

    task_id: str
    user_id: str


class Listener:
    """Calls `on_change` with each change, from its own thread and connection.

    `on_webhook`, if given, is called when events wait for webhooks.
    Its users poll as well, so nothing depends on the arrival of a notification.
    """

    def __init__(
        self,
        url: str,
        on_change: Callable[[RunChange], None],
        log: FilteringBoundLogger,
        on_webhook: Callable[[], None] | None = None,
    ) -> None:
        self._url = url
        self._on_change = on_change
        self._on_webhook = on_webhook
        self._log = log
        self._outage = OutageLog("listening", log)
        self._stopped = threading.Event()
        self._thread = LongLivedThread("listener", self._run, self._stopped, log)

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
                self._outage.failed(error)
                self._stopped.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with connect(self._url, "gmail-sync listener") as connection:
            connection.execute(f"listen {CHANNEL}")
            if self._on_webhook:
                connection.execute(f"listen {WEBHOOKS}")
            self._outage.succeeded()
            while not self._stopped.is_set():
                for notification in connection.notifies(timeout=POLL_SECONDS):
                    if self._on_webhook and notification.channel == WEBHOOKS:
                        self._on_webhook()
                    else:
                        self._publish(notification.payload)
                    if self._stopped.is_set():
                        break

    def _publish(self, payload: str) -> None:
        try:
            change = msgspec.json.decode(payload, type=RunChange)
        except msgspec.MsgspecError:
            # Any role of the database can notify on the channel.
            self._log.warning("notification ignored", payload=payload)
        else:
            self._on_change(change)
