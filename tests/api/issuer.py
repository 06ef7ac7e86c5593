"""An issuer of RS256 tokens, whose JWKS is served over HTTP and can be broken."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://login.example.org"
AUDIENCE = "gmail-sync"
Answer = tuple[int, dict[str, str], bytes]


class LocalIssuer:
    """Signs with its newest key, publishes all its keys, and counts who asks for them."""

    def __init__(self) -> None:
        self.keys = {"first": rsa.generate_private_key(65537, 2048)}
        self.asked = 0
        # What it answers instead of its keys.
        self.answer: Answer | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._stopped = False
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def jwks_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    @property
    def environment(self) -> dict[str, str]:
        """The environment that makes the service trust this issuer."""
        return {
            "GMAIL_SYNC_JWT_JWKS_URL": self.jwks_url,
            "GMAIL_SYNC_JWT_ISSUER": ISSUER,
            "GMAIL_SYNC_JWT_AUDIENCE": AUDIENCE,
        }

    @property
    def kid(self) -> str:
        return list(self.keys)[-1]

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return self.keys[self.kid]

    def claims(self, user_id: str, **more: Any) -> dict[str, Any]:
        later = datetime.now(UTC) + timedelta(hours=1)
        return {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "exp": later, **more}

    def sign(self, payload: dict[str, Any], kid: str | None = None) -> str:
        """A token that names `kid`, signed with the newest key."""
        return jwt.encode(payload, self.key, "RS256", headers={"kid": kid or self.kid})

    def token(self, user_id: str) -> str:
        return self.sign(self.claims(user_id))

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish no other."""
        self.keys = {kid: rsa.generate_private_key(65537, 2048)}

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwks(self) -> bytes:
        return json.dumps(
            {
                "keys": [
                    {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}
                    for kid, key in self.keys.items()
                ]
            }
        ).encode()

    def stop(self) -> None:
        """Be gone: connections are refused."""
        self.may_answer.set()
        if not self._stopped:
            self._stopped = True
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                issuer.may_answer.wait(60)
                status, headers, body = issuer.answer or (200, {}, issuer.jwks())
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(BrokenPipeError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def local_issuer() -> Iterator[LocalIssuer]:
    issuer = LocalIssuer()
    try:
        yield issuer
    finally:
        issuer.stop()
