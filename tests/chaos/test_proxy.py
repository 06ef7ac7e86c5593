"""The wire that is cut: what passes, what waits, what is lost."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.chaos.proxy import Direction, Proxy

QUIET_SECONDS = 0.2


class _Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        # A wire that is reset resets both of its ends.
        with suppress(ConnectionError):
            while line := self.rfile.readline():
                self.wfile.write(line)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that echoes what it receives."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        with Proxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        thread.join(10)


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        yield client


def test_passes_on_what_is_said(client: socket.socket) -> None:
    client.sendall(b"one\n")

    assert client.recv(100) == b"one\n"


@pytest.mark.parametrize("directions", [["there"], ["back"], ["there", "back"]])
def test_holds_what_is_said_until_it_is_healed(
    proxy: Proxy, client: socket.socket, directions: list[Direction]
) -> None:
    proxy.hold(*directions)
    client.sendall(b"one\n")
    client.settimeout(QUIET_SECONDS)
    with pytest.raises(TimeoutError):
        client.recv(100)

    proxy.heal()

    client.settimeout(10)
    assert client.recv(100) == b"one\n"


def test_a_reset_breaks_the_connection_and_loses_what_waits_in_it(
    proxy: Proxy, client: socket.socket
) -> None:
    client.sendall(b"one\n")
    assert client.recv(100) == b"one\n"
    proxy.hold("back")
    client.sendall(b"two\n")

    proxy.reset()
    proxy.heal()

    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_where_nobody_listens_a_connection_breaks(proxy: Proxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    # The wire can break before `connect` has come back, or only when it is read.
    with (
        Proxy(port) as nowhere,
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", nowhere.port), timeout=10) as client,
    ):
        client.recv(100)
