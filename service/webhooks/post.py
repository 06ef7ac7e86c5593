"""One attempt to deliver an event: signed, over a connection that may be the last one's."""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from msgspec import Struct
from standardwebhooks import Webhook
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from service.gmail.connections import InterruptibleSockets, connect
from service.version import version
from service.webhooks.addresses import Network, lookup

# For TCP with each of the receiver's addresses, and for TLS.
CONNECT_SECONDS = 5.0
# For all of an attempt, as Standard Webhooks recommends: 15 to 30.
TOTAL_SECONDS = 20.0
# An answer says nothing, so no more of it is read.
MAX_ANSWER_BYTES = 16384
MAX_ERROR_CHARACTERS = 200


class Delivery(Struct, frozen=True):
    """A row of claim_webhook_deliveries. The body is sent and signed as it is."""

    lease: UUID
    webhook_id: str
    user_id: str
    url: str
    secrets: list[str]
    event_id: str
    type: str
    body: str
    attempt: int


class Outcome(Struct, frozen=True):
    """What became of an attempt; `error` is None if the event was accepted."""

    delivery: Delivery
    duration: timedelta
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None


class Poster:
    """Makes the attempts of one thread, and keeps the connection to the last receiver open."""

    def __init__(self, allowed: Collection[Network]) -> None:
        self._allowed = allowed
        self._sockets = InterruptibleSockets()
        self._connection: HTTPConnection | None = None
        self._origin = ""
        self._ends_at = float("inf")

    def interrupt_if_late(self) -> None:
        """End an attempt that has taken too long. Another thread calls this."""
        if time.monotonic() > self._ends_at:
            self._sockets.interrupt()

    def interrupt(self) -> None:
        """End the attempt. Another thread calls this."""
        self._sockets.interrupt()

    def post(self, delivery: Delivery) -> Outcome:
        """Make an attempt. Raises nothing that a receiver or network can cause."""
        began_at = time.monotonic()
        self._ends_at = began_at + TOTAL_SECONDS
        status = error = retry_after = None
        try:
            response = self._answer(delivery)
            if time.monotonic() > self._ends_at:
                # A head that ends with the connection looks complete.
                raise TimeoutError
            status = response.status
            if not 200 <= status < 300:
                error = f"it answered {status} {response.reason or ''}".strip()
                retry_after = _retry_after(response.headers.get("retry-after", ""))
        except (OSError, HTTPError, ValueError) as failure:
            self.close()
            late = time.monotonic() > self._ends_at
            error = f"it took longer than {TOTAL_SECONDS:.0f} s" if late else _in_words(failure)
        finally:
            self._ends_at = float("inf")
        duration = timedelta(seconds=time.monotonic() - began_at)
        return Outcome(delivery, duration, status, error, retry_after)

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _answer(self, delivery: Delivery) -> BaseHTTPResponse:
        where = urlsplit(delivery.url)
        if where.username is not None or where.password is not None:
            raise ValueError("the URL has a user or a password")
        origin = f"{where.scheme}://{where.netloc}"
        if self._connection and self._origin == origin and self._connection.is_connected:
            # The receiver may close it in this moment. To send the event twice is allowed.
            with suppress(ConnectionError, HTTPError):
                return self._exchange(self._connection, where, delivery)
        self.close()
        self._connection = self._open(where)
        self._origin = origin
        return self._exchange(self._connection, where, delivery)

    def _open(self, where: SplitResult) -> HTTPConnection:
        self._sockets = InterruptibleSockets()
        checked = partial(lookup, is_secure=where.scheme == "https", allowed=self._allowed)
        connection = connect(where, self._sockets, CONNECT_SECONDS, checked)
        connection.sock.settimeout(TOTAL_SECONDS)
        return connection

    def _exchange(
        self, connection: HTTPConnection, where: SplitResult, delivery: Delivery
    ) -> BaseHTTPResponse:
        target = (where.path or "/") + (f"?{where.query}" if where.query else "")
        body = delivery.body.encode()
        connection.request("POST", target, body, _headers(delivery), preload_content=False)
        response = connection.getresponse()
        response.read(MAX_ANSWER_BYTES)
        if response.length_remaining != 0 or response.headers.get("connection") == "close":
            self.close()
        return response


def _headers(delivery: Delivery) -> dict[str, str]:
    now = datetime.now(UTC)
    signatures = [
        Webhook(secret).sign(delivery.event_id, now, delivery.body) for secret in delivery.secrets
    ]
    return {
        "content-type": "application/json",
        "user-agent": f"gmail-sync/{version()}",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _retry_after(value: str) -> timedelta | None:
    """What Retry-After asks for: seconds or a date. It is at most what a database can hold."""
    with suppress(ValueError, OverflowError):
        if value.isascii() and value.isdigit():
            return timedelta(days=1) if len(value) > 5 else timedelta(seconds=int(value))
        when = parsedate_to_datetime(value)
        return max(timedelta(0), when - datetime.now(when.tzinfo))
    return None


def _in_words(failure: Exception) -> str:
    """Why there was no answer: short, and without addresses."""
    cause = failure.__cause__ or failure
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return f"no answer: {text or type(cause).__name__}"[:MAX_ERROR_CHARACTERS]
