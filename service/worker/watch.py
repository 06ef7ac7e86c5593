"""Keeps Gmail pushing the changes of one account, for a week at a time (GMAIL.md, 2.7).

A push only tells sooner what the next run finds anyhow. So a watch that is refused fails no run:
each later one tries again, and the schedule makes one where nobody does. Calls of several workers
cannot race, for a user has one run.
"""

from datetime import datetime

from structlog.typing import FilteringBoundLogger

from service.gmail.client import GmailClient
from service.gmail.errors import (
    AccountBlocked,
    GmailError,
    ReauthRequired,
    TokenExpired,
    WatchedElsewhere,
)
from service.worker.fenced_calls import FencedCalls
from service.worker.throttle import Throttle


class Watch:
    """`topic` is the Pub/Sub topic, None where there is none."""

    def __init__(
        self,
        calls: FencedCalls,
        gate: Throttle,
        client: GmailClient,
        topic: str | None,
        log: FilteringBoundLogger,
    ) -> None:
        self._calls = calls
        self._gate = gate
        self._client = client
        self._topic = topic
        self._log = log

    def renew(self) -> None:
        """Renew the watch when it is due. Raises GmailError only for a grant that is dead."""
        if self._topic is None or not self._calls.value("watch_is_due"):
            return
        try:
            expires_at = self._ask(self._topic)
        except (ReauthRequired, AccountBlocked):
            raise
        except GmailError as error:
            self._log.warning("watch not renewed", topic=self._topic, error=str(error))
            self._calls.value("store_watch", None)
            return
        self._calls.value("store_watch", expires_at)
        self._log.info("watch renewed", topic=self._topic, expires_at=expires_at.isoformat())

    def _ask(self, topic: str) -> datetime:
        # Asked once, for to wait or hand the run over is worth it only for mail.
        try:
            return self._watch(topic)
        except TokenExpired:
            return self._watch(topic)
        except WatchedElsewhere:
            self._gate.charge("stop")
            self._client.stop()
            return self._watch(topic)

    def _watch(self, topic: str) -> datetime:
        self._gate.charge("watch")
        return self._client.watch(topic)
