"""Google's address, answered by a simulator, for programs that know no other.

A proxy for HTTPS. Whatever host a client wants, it is answered here, with a certificate that the
environment trusts. All it sends goes on to the simulator without TLS. A client that needs no proxy
can connect to `url` directly.
"""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from select import select
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOSTS = ("gmail.googleapis.com", "localhost")
IDLE_SECONDS = 60
CHUNK = 1 << 18


class Google(NamedTuple):
    """`environment` has clients take the simulator for Google; at `url` it needs only `trust`."""

    url: str
    trust: dict[str, str]
    environment: dict[str, str]


@contextmanager
def google(simulator: str, folder: Path) -> Iterator[Google]:
    """The certificate is left in `folder`."""
    certificate = folder / "google.pem"
    certificate.write_bytes(self_signed())
    address = urlsplit(simulator)
    with Proxy(certificate, (address.hostname or "", address.port or 80)) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        port = proxy.server_address[1]
        trust = dict.fromkeys(("HTTPLIB2_CA_CERTS", "SSL_CERT_FILE"), str(certificate))
        through = {"https_proxy": f"http://127.0.0.1:{port}"}
        yield Google(f"https://localhost:{port}", trust, {**trust, **through})
        proxy.shutdown()


def self_signed() -> bytes:
    """A key and its certificate for HOSTS, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, HOSTS)), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, certificate: Path, simulator: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.simulator = simulator


class Tunnel(socketserver.BaseRequestHandler):
    server: Proxy
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(IDLE_SECONDS)
        if self.request.recv(1, socket.MSG_PEEK) == b"C":  # CONNECT, and no hello of TLS
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                asked += self.request.recv(CHUNK)
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with (
            self.server.tls.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(self.server.simulator, IDLE_SECONDS) as gmail,
        ):
            for each in (client, gmail):
                # A request comes in two pieces, and the second would wait for an acknowledgement.
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                pass_on(client, gmail)


def pass_on(client: ssl.SSLSocket, gmail: socket.socket) -> None:
    """What either says to the other, until one has closed. In one thread: two must not read from
    and write to a connection of TLS at once."""
    both = [client, gmail]
    while ready := [client] if client.pending() else select(both, [], [], IDLE_SECONDS)[0]:
        for source in ready:
            data = source.recv(CHUNK)
            if not data:
                return
            (gmail if source is client else client).sendall(data)
