"""Receivers of events on real sockets, and a sender beside them."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any, NamedTuple

import msgspec
import pytest
import structlog

from service.postgres.calls import Session
from service.webhooks.sender import WebhookSender
from tests.functions.conftest import claimed, message, store

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Received(NamedTuple):
    """A request, with the names of its headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = msgspec.json.decode(self.body)
        return event

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """An HTTP server that keeps what it got. `behave` answers; it may misbehave instead."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.behave: Callable[[BaseHTTPRequestHandler], None] = answer(200)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # The sender was killed in the midst of it.
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                receiver.behave(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A sender may hang up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?a=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def last_change(self) -> int | None:
        """The number of the change that arrived last."""
        return self.received[-1].event["data"]["change_number"] if self.received else None

    def ids(self) -> list[tuple[str, str]]:
        """The user and message of each change that arrived, in order."""
        return [
            (got.event["data"]["user_id"], message_id)
            for got in self.received
            for message_id in got.event["data"].get("message_ids", [])
        ]


Behaviour = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, **headers: str) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    return behave


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection after reading, without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A head that never ends, a byte at a time."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(600):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """An answer without an end."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(bytes(65536))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@contextmanager
def sending(url: str, allowed: Any = LOOPBACK) -> Iterator[WebhookSender]:
    log = structlog.wrap_logger(None, processors=[_drop]).bind()
    sender = WebhookSender(url, allowed, log)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


def added(functions: Session, url: str, user: str | None = "ann", *events: str) -> dict[str, str]:
    """The id and secret of a new webhook; for events of messages if none are named."""
    names = events or ("message.created", "message.updated", "message.deleted")
    row = functions.row("add_webhook", user, url, list(names))
    assert row is not None
    return row


def mail(functions: Session, user: str = "ann", *message_ids: str) -> str:
    """Store messages, each in a transaction of its own, and return the task_id of the run."""
    task_id = claimed(functions, user)
    for message_id in message_ids:
        store(functions, task_id, message(message_id))
    return task_id
