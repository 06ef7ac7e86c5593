"""Connections on a bare socket: kept, replaced, interrupted, and never used for a second try."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.gmail import errors
from service.gmail.answers import Fetched
from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from service.google.credentials import load_credentials
from tests.gmail.test_fetch import part
from tests.waiting import wait_until

LABELS = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"labels": []}'


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


def client_of(server: socket.socket, scheme: str = "http") -> GmailClient:
    credentials = load_credentials({"token": "a"}, "http://127.0.0.1:1/token", "id", "secret")
    api = GmailApi(f"{scheme}://127.0.0.1:{server.getsockname()[1]}")
    return GmailClient(api, credentials, timeout=600)


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[errors.GmailError]]:
    caught: list[errors.GmailError] = []

    def run() -> None:
        try:
            call()
        except errors.GmailError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, caught


def answer(connection: socket.socket, content: bytes, request_end: bytes = b"\r\n\r\n") -> None:
    received = b""
    while not received.endswith(request_end):
        received += connection.recv(65536)
    connection.sendall(content)


def test_a_connection_is_kept_and_replaced_once_the_server_has_closed_it(
    server: socket.socket,
) -> None:
    with client_of(server) as client:
        thread, caught = in_thread(lambda: [client.labels(), client.labels()])
        with server.accept()[0] as connection:
            answer(connection, LABELS)
            answer(connection, LABELS)
            thread.join(60)
        thread, caught = in_thread(client.labels)
        with server.accept()[0] as connection:
            answer(connection, LABELS)
            thread.join(60)
        assert not caught


def test_a_request_sent_on_a_kept_connection_is_not_repeated(server: socket.socket) -> None:
    with client_of(server) as client:
        thread, caught = in_thread(lambda: [client.labels(), client.labels()])
        with server.accept()[0] as connection:
            answer(connection, LABELS)
            assert connection.recv(65536)
        thread.join(60)
        assert [type(each) for each in caught] == [errors.Transient]
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_interrupt_ends_a_handshake(server: socket.socket) -> None:
    with client_of(server, "https") as client:
        thread, caught = in_thread(client.labels)
        with server.accept()[0] as connection:
            assert connection.recv(65536)
            client.interrupt()
            thread.join(60)
            assert not thread.is_alive()
    assert [type(each) for each in caught] == [errors.Transient]


def test_interrupt_ends_the_wait_for_a_connection() -> None:
    """A server with a full backlog leaves the first packet without an answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, client_of(server) as client:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        thread, caught = in_thread(client.labels)
        wait_until(lambda: client._transport._sockets._open)
        client.interrupt()
        thread.join(60)
        assert not thread.is_alive()
        for each in waiting:
            each.close()
    assert [type(each) for each in caught] == [errors.Transient]


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    unsealed = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, unsealed)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_certificate_that_no_authority_signed_is_refused(
    server: socket.socket, tmp_path: Path
) -> None:
    context = self_signed(tmp_path)
    with client_of(server, "https") as client:
        thread, caught = in_thread(client.labels)
        with (
            server.accept()[0] as connection,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(connection, server_side=True)
        thread.join(60)
    assert "certificate verify failed" in str(caught[0])


def test_https_goes_through_the_proxy_of_the_environment(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://ann:secret@127.0.0.1:{server.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    credentials = load_credentials({"token": "a"}, "http://127.0.0.1:1/token", "id", "secret")
    with GmailClient(GmailApi("https://gmail.example"), credentials) as client:
        thread, caught = in_thread(client.labels)
        with server.accept()[0] as connection:
            asked = connection.recv(65536)
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        thread.join(60)
    assert asked.startswith(b"CONNECT gmail.example:443 HTTP/1.")
    assert b"proxy-authorization: Basic " in asked
    assert [type(each) for each in caught] == [errors.Transient]


def test_the_beginning_of_a_compressed_answer_is_read(server: socket.socket) -> None:
    content = b"\r\n" + part(0, b'{"id": "0"}') + part(1, b"x" * 5000)
    zipped = gzip.compress(content)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    with client_of(server) as client:
        fetched: list[Fetched] = []
        thread, _ = in_thread(lambda: fetched.extend(client.fetch(["0", "1"], "full")))
        with server.accept()[0] as connection:
            answer(connection, head % len(zipped) + zipped[:-12], b"--\r\n")
        thread.join(60)
    assert fetched[0].content == {"id": "0"}
    assert type(fetched[1].error) is errors.MalformedResponse
