"""The wire under the Gmail client: signed requests that never hang and can be interrupted.

It stands where googleapiclient expects an httplib2.Http, and is the one place that renews
tokens, so that every renewal has our timeout. No request is sent twice: the quota counts each.
httplib2 is not thread-safe: one Transport a thread.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPResponse, IncompleteRead
from io import BufferedReader
from typing import Any, NamedTuple
from weakref import WeakSet

import httplib2
from google.auth.exceptions import RefreshError, TransportError
from google.oauth2.credentials import Credentials

# How long a connection may take to be made, TLS included, in seconds.
CONNECT_SECONDS = 5.0

# The largest answer once it is inflated, in bytes: Gmail's largest message in base64, and more. A
# mail of zeros shrinks a thousandfold, so httplib2's guard of 100:1 would make it unfetchable.
_LARGEST_ANSWER = 1 << 27

# Seconds between two renewals because of a 401: one that comes sooner is not the token's fault.
_RENEWAL_SECONDS = 60.0


class Transport:
    """Sends requests with the account's token. Timeouts are seconds for each socket operation.

    A server that sends a byte now and then outlives any socket timeout: whoever keeps the
    deadline calls interrupt() from another thread.
    """

    def __init__(
        self,
        credentials: Credentials,
        timeout: float,
        user_agent: str,
        on_refresh: Callable[[Credentials], None] | None = None,
        renewing: "threading.Lock | None" = None,
    ) -> None:
        """`renewing` is held by whoever renews credentials that several threads share."""
        self._credentials = credentials
        self._user_agent = user_agent
        self._on_refresh = on_refresh
        self._renewing = renewing or threading.Lock()
        self._renewed_at = -_RENEWAL_SECONDS
        self._accepted = True
        self._sent_token: str | None = None
        self._sockets = _InterruptibleSockets()
        self._http = httplib2.Http(
            timeout=timeout, decode_limit_ratio=0, decode_limit_hard=_LARGEST_ANSWER
        )
        # A redirect is never Gmail's answer, and must not carry the request elsewhere.
        self._http.follow_redirects = False

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int | None = None,
    ) -> tuple[httplib2.Response, bytes]:
        """The answer, whatever its status. Of one longer than `most` bytes LargeAnswer is raised
        with the beginning."""
        with self._renewing:
            if self._credentials.refresh_token and not self._credentials.valid:
                self._renew()
        self._sent_token = self._credentials.token
        signed = {**(headers or {}), "user-agent": f"{self._user_agent} (gzip)"}
        self._credentials.apply(signed)  # type: ignore[no-untyped-call]
        return self._send(uri, most, method=method, body=body, headers=signed)

    def renew(self) -> bool:
        """After a 401: whether there is a new access token now; False too when one that was renewed
        for the same reason was never accepted. RefreshError when the token endpoint refuses."""
        with self._renewing:
            return self._renew_refused()

    def _renew_refused(self) -> bool:
        if self._credentials.token != self._sent_token:
            return True
        if not (self._credentials.refresh_token and self._accepted):
            return False
        if time.monotonic() - self._renewed_at < _RENEWAL_SECONDS:
            raise TransportError("refused for once with a token that is good")  # type: ignore[no-untyped-call]
        self._renew()
        self._renewed_at = time.monotonic()
        self._accepted = False
        return True

    def accepted(self) -> None:
        """Note that Gmail answered to the token."""
        self._accepted = True

    def _renew(self) -> None:
        """google-auth retries a failing endpoint after sleeping; refusals are raised from inside
        its request, so that it never does."""
        self._credentials.refresh(self._ask_for_token)  # type: ignore[no-untyped-call]
        if self._on_refresh:
            self._on_refresh(self._credentials)

    def interrupt(self) -> None:
        """Ends what the owning thread is waiting for, and refuses what it would send next.

        Safe from any thread, at any time, and more than once.
        """
        self._sockets.shut()

    def close(self) -> None:
        self._http.close()

    def _send(
        self, uri: str, most: int | None = None, **arguments: Any
    ) -> tuple[httplib2.Response, bytes]:
        connection_type = self._sockets.connection_type(uri, most)
        try:
            response, content = self._http.request(
                uri, connection_type=connection_type, **arguments
            )
        except Exception:
            # A connection that timed out or broke may still hold half an answer.
            self._http.close()
            raise
        return response, content

    def _ask_for_token(self, url: str, **arguments: Any) -> "_Answer":
        response, content = self._send(url, **arguments)
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
            raise TransportError("no token in the token endpoint's answer")  # type: ignore[no-untyped-call]
        return _Answer(response.status, dict(response), content)


class LargeAnswer(IncompleteRead):
    """An answer was longer than asked for; `partial` is its beginning."""


class _Answer(NamedTuple):
    """What google-auth reads of an HTTP answer."""

    status: int
    headers: dict[str, str]
    data: bytes


class _InterruptibleSockets:
    """The sockets of one Transport, so that another thread can shut them.

    http.client forgets a socket whose answer ends with the connection, so sockets are noted, and
    refused, where they are made. httplib2 sends a request again over a new connection when the
    first breaks; it may where the old one was kept from before and found closed, and no further.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._shut = False
        self._connected = False
        self.most: int | None = None
        noted, sockets = self._noted, self

        class Bounded(HTTPResponse):
            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                self.fp = _Reader(self.fp.detach())

            def read(self, amt: int | None = None) -> bytes:
                if amt is not None or sockets.most is None:
                    return super().read(amt)
                content = super().read(sockets.most + 1)
                if len(content) > sockets.most:
                    raise LargeAnswer(content)
                if self.length:
                    raise IncompleteRead(content, self.length)
                return content

        class Plain(httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]
            response_class = Bounded

            def connect(self) -> None:
                noted(self, super().connect)

        class Secure(httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]
            response_class = Bounded

            def connect(self) -> None:
                noted(self, super().connect)

        self._types = {"http": Plain, "https": Secure}

    def connection_type(self, uri: str, most: int | None) -> type:
        """The class of connections for a request, of whose answer `most` bytes are read."""
        self._refuse()
        self.most = most
        self._connected = False
        return self._types[uri.partition(":")[0]]

    def shut(self) -> None:
        with self._lock:
            self._shut = True
            for each in self._open:
                _shut_down(each)

    def _noted(self, connection: Any, connect: Callable[[], None]) -> None:
        """Connect within CONNECT_SECONDS, for until there is a socket nobody can shut it."""
        self._refuse()
        if self._connected:
            raise ConnectionAbortedError("the connection broke")
        self._connected = True
        timeout = connection.timeout
        connection.timeout = min(timeout, CONNECT_SECONDS)
        try:
            connect()
        finally:
            connection.timeout = timeout
        connection.sock.settimeout(timeout)
        self._note(connection.sock)

    def _note(self, made: socket.socket) -> None:
        with self._lock:
            self._open.add(made)
        try:
            self._refuse()
        except ConnectionAbortedError:
            _shut_down(made)
            raise

    def _refuse(self) -> None:
        if self._shut:
            raise ConnectionAbortedError("interrupted")


class _Reader(BufferedReader):
    """Hides from http.client that an answer is multipart: email's parser, which reads its head,
    would compile a pattern for the boundary, and that takes longer than reading the parts."""

    def readline(self, size: int | None = -1) -> bytes:
        return super().readline(size).replace(b": multipart/", b": x-multipart/", 1)


def _shut_down(each: socket.socket) -> None:
    with suppress(OSError):  # closed already
        # Not SSLSocket.shutdown, which takes the TLS state away under the reading thread.
        socket.socket.shutdown(each, socket.SHUT_RDWR)
