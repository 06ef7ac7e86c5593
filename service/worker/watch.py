"""Keeps Gmail pushing the changes of one account, for a week at a time (GMAIL.md, 2.7).

A push only starts the next run earlier. So a refused watch does not fail the run, and every later
run tries again. Workers cannot race, because a user has one active run at a time.
"""

from datetime import datetime
from functools import partial

from structlog.typing import FilteringBoundLogger

from service.gmail.client import GmailClient
from service.gmail.errors import (
    AccountBlocked,
    GmailError,
    ReauthRequired,
    WatchedElsewhere,
)
from service.worker.fenced_calls import FencedCalls
from service.worker.throttle import Throttle


class Watch:
    """`topic` is the Pub/Sub topic; without one, nothing is watched."""

    def __init__(
        self,
        calls: FencedCalls,
        throttle: Throttle,
        client: GmailClient,
        topic: str | None,
        log: FilteringBoundLogger,
    ) -> None:
        self._calls = calls
        self._throttle = throttle
        self._client = client
        self._topic = topic
        self._log = log

    def renew(self) -> None:
        """Renew the watch when it is due. Raises ReauthRequired and AccountBlocked only."""
        if self._topic is None or not self._calls.value("watch_is_due"):
            return
        try:
            expires_at = self._start_watch(self._topic)
        except (ReauthRequired, AccountBlocked):
            raise
        except GmailError as error:
            self._log.warning("watch not renewed", topic=self._topic, error=str(error))
            self._calls.value("store_watch", None)
            return
        self._calls.value("store_watch", expires_at)
        self._log.info("watch renewed", topic=self._topic, expires_at=expires_at.isoformat())

    def _start_watch(self, topic: str) -> datetime:
        """Watch with our topic; a watch with another topic is stopped first."""
        try:
            return self._watch(topic)
        except WatchedElsewhere:
            self._throttle.call_once("stop", self._client.stop)
            return self._watch(topic)

    def _watch(self, topic: str) -> datetime:
        # A wait or a hand-over would delay the mail, which matters more than the watch.
        return self._throttle.call_once("watch", partial(self._client.watch, topic))
