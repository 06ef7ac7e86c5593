"""Connections of urllib3 that another thread can interrupt, from the first packet to the last."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from io import BufferedReader
from typing import Any
from urllib.parse import SplitResult
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util import make_headers, parse_url


class InterruptibleSockets:
    """The sockets of one thread, so that another thread can shut them.

    http.client drops its socket while it still reads an answer that ends with the connection.
    So a socket is registered where it is made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._interrupted = False

    def interrupt(self) -> None:
        """Shut every socket, and refuse every later one."""
        with self._lock:
            self._interrupted = True
            for each in self._open:
                _shut(each)

    def check(self) -> None:
        """Raises ConnectionAbortedError after an interrupt."""
        if self._interrupted:
            raise ConnectionAbortedError("interrupted")

    def register(self, made: socket.socket) -> None:
        """Raises ConnectionAbortedError after an interrupt."""
        with self._lock:
            self.check()
            self._open.add(made)


def _lookup(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(
    where: SplitResult,
    sockets: InterruptibleSockets,
    timeout: float,
    lookup: Callable[[str, int], list[Any]] | None = None,
) -> HTTPConnection:
    """A connection to a server, through the proxy that the environment names for it.

    `timeout` is seconds for TCP with each of the server's addresses, and for TLS. With `lookup` the
    connection is direct, to an address of those that it returns.
    """
    host, port = where.hostname or "", where.port
    proxy = None if lookup or proxy_bypass(host) else getproxies().get(where.scheme)
    via = parse_url(proxy) if proxy else None
    # OpenSSL's own variable names the authorities of networks that inspect TLS.
    authorities = os.environ.get("SSL_CERT_FILE") or certifi.where()
    options: dict[str, Any] = {"ca_certs": authorities} if where.scheme == "https" else {}
    options["lookup"] = lookup or _lookup
    connection_type = _Secure if where.scheme == "https" else _Plain
    if via is None:
        connection = connection_type(host, port, sockets=sockets, timeout=timeout, **options)
    else:
        connection = connection_type(
            via.host, via.port, sockets=sockets, timeout=timeout, proxy=via, **options
        )
        headers = make_headers(proxy_basic_auth=via.auth)
        connection.set_tunnel(host, port or connection.default_port, headers, via.scheme or "http")
    try:
        connection.connect()
    except BaseException:
        connection.close()
        raise
    return connection


class _Reader(BufferedReader):
    """Hides from http.client that an answer is multipart. email's parser, which reads its head,
    would compile a pattern for the boundary: a fifth of the time that a batch takes."""

    def readline(self, size: int | None = -1) -> bytes:
        return super().readline(size).replace(b": multipart/", b": x-multipart/", 1)


class _Answer(HTTPResponse):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp = _Reader(self.fp.detach())


class _Interruptible(HTTPConnection):
    response_class = _Answer

    def __init__(
        self,
        *where: Any,
        sockets: InterruptibleSockets,
        lookup: Callable[[str, int], list[Any]],
        **options: Any,
    ) -> None:
        super().__init__(*where, **options)
        self._sockets = sockets
        self._lookup = lookup
        self._connecting = ExitStack()

    def connect(self) -> None:
        with self._connecting:
            super().connect()
            self._sockets.register(self.sock)

    def _new_conn(self) -> socket.socket:
        failure: OSError | None = None
        for *kind, _, address in self._lookup(self.host, self.port or 0):
            made = socket.socket(*kind)
            try:
                self._connect(made, address)
            except OSError as error:
                made.close()
                failure = error
            else:
                return made
        raise NewConnectionError(self, f"not connected: {failure}") from failure

    def _connect(self, made: socket.socket, address: Any) -> None:
        # TLS takes the descriptor out of the socket for its handshake, so a second one is held.
        self._sockets.register(self._connecting.enter_context(made.dup()))
        made.settimeout(self.timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect(address)


class _Plain(_Interruptible):
    pass


class _Secure(_Interruptible, HTTPSConnection):
    pass


def _shut(each: socket.socket) -> None:
    with suppress(OSError):  # closed already
        # Not SSLSocket.shutdown, which takes the TLS state away under the reading thread.
        socket.socket.shutdown(each, socket.SHUT_RDWR)
