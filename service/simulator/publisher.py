"""Pub/Sub between a mailbox and a push URL: at least once, in no order, at most one a second.

https://developers.google.com/workspace/gmail/api/guides/push
"""

import itertools
import queue
import threading
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests

from service.simulator.faults import Faults
from service.simulator.oidc import OidcIssuer

# Gmail publishes a user's changes no more often than this, in seconds, and drops the rest.
INTERVAL = 1.0
_TIMEOUT = 10.0  # seconds for each socket operation
_RETRY = 0.2  # seconds until a push that was not acknowledged is sent again
_STOP = 5.0  # seconds the thread gets to end


class Subscription(msgspec.Struct, frozen=True):
    """Where pushes go, and the claims of their tokens."""

    url: str
    audience: str
    service_account: str


class Publisher:
    """Pushes each published change from its own thread until it is acknowledged (2xx).

    Faults of method "push" strike notifications: `drop` loses one, `duplicate` sends it twice,
    `reorder` sends it after the next one. `answers` are the HTTP statuses of all deliveries.
    """

    def __init__(self, subscription: Subscription, issuer: OidcIssuer, faults: Faults) -> None:
        self._subscription = subscription
        self._issuer = issuer
        self._faults = faults
        self._lock = threading.Lock()
        self._published_at: dict[str, float] = {}  # by address, monotonic seconds
        self._numbers = itertools.count(1)
        self._waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._held: list[dict[str, Any]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.answers: list[int] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what was not acknowledged is lost."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(_STOP)

    def is_ready(self, email: str) -> bool:
        """Whether the next change of a mailbox will be published rather than dropped."""
        return time.monotonic() - self._published_at.get(email, -INTERVAL) >= INTERVAL

    def publish(self, email: str, history_id: int) -> None:
        """Push a change, unless one was pushed within the last second. Does not wait."""
        with self._lock:
            if not self.is_ready(email):
                return
            self._published_at[email] = time.monotonic()
            envelope = self._envelope(email, history_id)
            struck = self._faults.strike("push", email, "", part=True)
            actions = {armed.fault.action for armed in struck}
            if "reorder" in actions:
                self._held.append(envelope)
                return
            for _ in range(0 if "drop" in actions else 2 if "duplicate" in actions else 1):
                self._waiting.put(envelope)
            while self._held:
                self._waiting.put(self._held.pop())

    def _envelope(self, email: str, history_id: int) -> dict[str, Any]:
        data = msgspec.json.encode({"emailAddress": email, "historyId": history_id})
        return {
            "message": {
                "data": urlsafe_b64encode(data).decode(),
                "messageId": str(next(self._numbers)),
                "publishTime": datetime.now(UTC).isoformat(),
            },
            "subscription": "projects/simulator/subscriptions/gmail",
        }

    def _run(self) -> None:
        with requests.Session() as session:
            while (envelope := self._waiting.get()) and not self._stopping.is_set():
                if not self._deliver(session, envelope):
                    self._stopping.wait(_RETRY)
                    self._waiting.put(envelope)

    def _deliver(self, session: requests.Session, envelope: dict[str, Any]) -> bool:
        to = self._subscription
        token = self._issuer.token(to.audience, to.service_account)
        try:
            answer = session.post(
                to.url,
                json=envelope,
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT,
            )
        except requests.RequestException:
            return False
        self.answers.append(answer.status_code)
        return answer.ok
