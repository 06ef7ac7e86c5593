"""HTTP/1.1 with keep-alive and a thread for each connection. It can misbehave on demand."""

import re
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from socket import SHUT_RDWR, socket

from service.simulator.http_types import Request, Response
from service.simulator.state import Answer

_MAX_LINE = 65_536
_LENGTH = re.compile(r"[0-9]{1,9}")  # bytes; Gmail takes messages of 150 MB
_IDLE = 300.0  # seconds a connection may be silent
_STOP = 5.0  # seconds the threads get to end
_DRIP = 0.1  # seconds between bytes when the fault does not say


class HttpServer(socketserver.ThreadingTCPServer):
    """Serves `answer` from `start` to `stop`. Both return once it has started or stopped."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, host: str, port: int, answer: Callable[[Request], Answer]) -> None:
        super().__init__((host, port), _Connection)
        self.answer = answer
        self.connections: dict[socket, threading.Thread] = {}
        self._main = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def start(self) -> None:
        self._main.start()

    def stop(self) -> None:
        """Close everything. Requests that faults hold must have been released before."""
        if self._main.is_alive():
            self.shutdown()
        self.server_close()
        deadline = time.monotonic() + _STOP
        for connection, thread in list(self.connections.items()):
            try:
                connection.shutdown(SHUT_RDWR)
            except OSError:
                continue  # the other side closed it first
            finally:
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._main.is_alive():
            self._main.join(_STOP)


class _Connection(socketserver.StreamRequestHandler):
    server: HttpServer
    disable_nagle_algorithm = True
    timeout = _IDLE

    def setup(self) -> None:
        super().setup()
        self.server.connections[self.request] = threading.current_thread()

    def finish(self) -> None:
        super().finish()
        self.server.connections.pop(self.request, None)

    def handle(self) -> None:
        try:
            while (request := self._read()) and self._send(self.server.answer(request)):
                if request.headers.get("connection", "").lower() == "close":
                    return
        except OSError:
            return  # the client closed the connection, or was silent for too long

    def _read(self) -> Request | None:
        """The next request; None at the end of the connection or for invalid HTTP."""
        line = self.rfile.readline(_MAX_LINE).decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = {}
        while (field := self.rfile.readline(_MAX_LINE)) not in (b"\r\n", b"\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not _LENGTH.fullmatch(length):
            self._send(Answer(Response(411 if "transfer-encoding" in headers else 413)))
            return None
        body = self.rfile.read(int(length)) if length != "0" else b""
        return Request.of(line[0], line[1], headers, body)

    def _send(self, answer: Answer) -> bool:
        """Send the response as its fault requires; whether the connection stays open."""
        response = answer.response
        status = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        head = status.encode() + response.head()
        fault = answer.delivery.fault if answer.delivery else None
        if answer.delivery is None or fault is None:
            self.request.sendall(head + response.body)
            return True
        if fault.action == "truncate":
            self.request.sendall(head + response.body[: len(response.body) // 2])
        elif fault.action == "drip":
            self.request.sendall(head)
            for position in range(len(response.body)):
                self.request.sendall(response.body[position : position + 1])
                answer.delivery.pause(_DRIP)
            return True
        return False
