"""The HTTP transport under the Gmail client: signed requests that can always be interrupted.

All tokens are renewed here, so every renewal has our timeout. No request is sent twice,
because each one is charged to the quota. A kept connection that Gmail has closed is replaced
before a request is sent. A Transport belongs to one thread.
"""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from http.client import IncompleteRead
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from google.auth.exceptions import RefreshError, TransportError
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import DecodeError, ProtocolError

from service.gmail.connections import InterruptibleSockets, connect

# How long TCP, and then TLS, may take to connect, in seconds.
CONNECT_SECONDS = 5.0

# The largest answer, in bytes, on the wire and once it is inflated. Gmail's largest message in
# base64 is smaller. The ratio is not bounded: a mail of zeros shrinks a thousandfold.
LARGEST_ANSWER = 1 << 27

# Seconds between two renewals after a 401. An earlier 401 has another cause than the token.
_RENEWAL_SECONDS = 60.0


class Credentials(Protocol):
    """What the transport needs of the credentials that an account's threads share."""

    token: str | None

    @property
    def refresh_token(self) -> str | None: ...

    @property
    def valid(self) -> bool: ...

    def apply(self, headers: dict[str, str], token: str | None = None) -> None: ...

    def renew(self, request: Callable[..., Any], refused: str | None = None) -> bool:
        """Have a valid token other than `refused`; whether this call renewed it."""


class Response(dict[str, str]):
    """The head of an answer, as googleapiclient reads it; names of headers are in lower case."""

    def __init__(self, status: int, reason: str = "", headers: Mapping[str, str] | None = None):
        super().__init__({name.lower(): value for name, value in (headers or {}).items()})
        self.status = status
        self.reason = reason


class LargeAnswer(IncompleteRead):
    """An answer was longer than asked for; `partial` is its beginning."""


class Transport:
    """Sends requests with the account's token. `timeout` is seconds for each socket operation.

    A server that sends a byte now and then outlives any socket timeout. To keep a deadline,
    call interrupt() from another thread.
    """

    def __init__(self, credentials: Credentials, timeout: float, user_agent: str) -> None:
        self._credentials = credentials
        self._user_agent = f"{user_agent} (gzip)"
        self._timeout = timeout
        self._renewed_at = -_RENEWAL_SECONDS
        self._accepted = True
        self._sent_token: str | None = None
        self._sockets = InterruptibleSockets()
        self._connections: dict[str, HTTPConnection] = {}

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = LARGEST_ANSWER,
    ) -> tuple[Response, bytes]:
        """The answer, whatever its status.

        Raises LargeAnswer when it has more than `most` bytes on the wire, and IncompleteRead when
        it breaks off; both have its beginning.
        """
        if self._credentials.refresh_token and not self._credentials.valid:
            self._credentials.renew(self._ask_for_token)
        self._sent_token = self._credentials.token
        signed = {**(headers or {}), "user-agent": self._user_agent, "accept-encoding": "gzip"}
        self._credentials.apply(signed, self._sent_token)
        return self._send(uri, method, body, signed, most)

    def renew(self) -> bool:
        """After a 401: get a new access token; whether there is one now.

        Also false if Gmail never accepted the token of the last renewal. Raises RefreshError
        if the token endpoint refuses.
        """
        if self._credentials.token != self._sent_token:
            return True
        if not (self._credentials.refresh_token and self._accepted):
            return False
        if time.monotonic() - self._renewed_at < _RENEWAL_SECONDS:
            raise TransportError("Gmail refused a token that it accepted before")  # type: ignore[no-untyped-call]
        if self._credentials.renew(self._ask_for_token, refused=self._sent_token):
            self._renewed_at = time.monotonic()
            self._accepted = False
        return True

    def accepted(self) -> None:
        """Record that Gmail accepted the token."""
        self._accepted = True

    def interrupt(self) -> None:
        """End the request in progress and refuse later ones.

        Safe from any thread, at any time, and more than once. Only the lookup of a host name
        cannot be ended.
        """
        self._sockets.interrupt()

    def close(self) -> None:
        for each in self._connections.values():
            each.close()

    def _send(
        self,
        uri: str,
        method: str,
        body: str | bytes | None,
        headers: Mapping[str, str],
        most: int = LARGEST_ANSWER,
    ) -> tuple[Response, bytes]:
        self._sockets.check()
        where = urlsplit(uri)
        connection = self._connection(where)
        try:
            connection.request(
                method,
                f"{where.path}?{where.query}" if where.query else where.path,
                body=body,
                headers=headers,
                preload_content=False,
                decode_content=False,
            )
            response = connection.getresponse()
            head = Response(response.status, response.reason or "", response.headers)
            return head, _content(response, most)
        except BaseException:
            # It may still hold the rest of an answer.
            connection.close()
            raise

    def _connection(self, where: SplitResult) -> HTTPConnection:
        """The kept connection to a server, unless the server has closed it, or a new one."""
        origin = f"{where.scheme}://{where.netloc}"
        kept = self._connections.get(origin)
        if kept and kept.is_connected:
            return kept
        if kept:
            kept.close()
        made = connect(where, self._sockets, min(self._timeout, CONNECT_SECONDS))
        made.timeout = self._timeout
        self._connections[origin] = made
        return made

    def _ask_for_token(
        self, url: str, method: str, body: bytes, headers: Mapping[str, str]
    ) -> "_Answer":
        """google-auth retries a failing endpoint after it has slept. An exception from inside its
        request prevents that."""
        response, content = self._send(url, method, body, headers)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if response.status != 200:
            passing = response.status >= 500 or response.status in (408, 429)
            raise RefreshError(  # type: ignore[no-untyped-call]
                f"HTTP {response.status}", answer, retryable=passing
            )
        if not isinstance(answer, dict) or "access_token" not in answer:
            raise TransportError("the token endpoint's answer has no token")  # type: ignore[no-untyped-call]
        return _Answer(response.status, response, content)


class _Answer(NamedTuple):
    """What google-auth reads of an HTTP answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _content(response: BaseHTTPResponse, most: int) -> bytes:
    """The whole content, inflated."""
    wire, missing = _read(response, most + 1)
    too_large = len(wire) > most
    content = wire
    if response.headers.get("content-encoding", "").lower() == "gzip":
        content = _inflated(wire, whole=not (too_large or missing))
    if too_large:
        raise LargeAnswer(content)
    if missing:
        raise IncompleteRead(content, missing)
    return content


def _read(response: BaseHTTPResponse, most: int) -> tuple[bytes, int | None]:
    """At most so many bytes from the wire, and how many are missing from the answer."""
    try:
        return response.read(most), response.length_remaining
    except ProtocolError as error:
        cut = error.args[-1]
        if not isinstance(cut, IncompleteRead):
            raise
        # Of an answer in chunks, http.client says only that there is more.
        return cut.partial, cut.expected or 1


def _inflated(wire: bytes, *, whole: bool) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(wire, LARGEST_ANSWER)
    except zlib.error as error:
        raise DecodeError(f"not gzip: {error}") from error
    if whole and not inflater.eof:
        raise DecodeError("the gzip has no end, or inflates to too much")
    return content
