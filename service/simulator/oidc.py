"""An OIDC provider: tokens of service accounts and of people, and the keys that verify them.

Service accounts: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
People: https://developers.google.com/identity/openid-connect/openid-connect
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import zlib
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from service.simulator.consent import Code
from service.simulator.http_types import Request, Response

ISSUER = "https://accounts.google.com"
LIFETIME = 3600  # seconds


class OidcIssuer:
    """A key pair and its id. Thread-safe. The pair is generated at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: rsa.RSAPrivateKey | None = None
        self.key_id = secrets.token_hex(20)
        # Google has no page to sign out at; Keycloak and others have.
        self.ends_sessions = False

    @property
    def key(self) -> rsa.RSAPrivateKey:
        with self._lock:
            if self._key is None:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._key

    def rotate(self) -> None:
        """From now on sign with another key; the JWKS no longer has the old one."""
        with self._lock:
            self._key, self.key_id = None, secrets.token_hex(20)

    def metadata(self, url: str) -> dict[str, Any]:
        """The discovery document of the provider at `url`, which is its issuer too."""
        optional = {"end_session_endpoint": f"{url}/o/oauth2/v2/logout"}
        return {
            **(optional if self.ends_sessions else {}),
            "issuer": url,
            "authorization_endpoint": f"{url}/o/oauth2/v2/auth",
            "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/oauth2/v3/certs",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile"],
        }

    def end_session(self, request: Request) -> Response:
        """OpenID Connect RP-Initiated Logout 1.0: back to the application, if it is known.

        An ID token that has expired is a hint, too.
        """
        audience = request.one("client_id")
        try:
            jwt.decode(
                request.one("id_token_hint"),
                self.key.public_key(),
                ["RS256"],
                audience=audience,
                options={"verify_exp": False},
            )
        except jwt.PyJWTError:
            return Response(400, b"Who shall be signed out?", "text/plain")
        return Response(302, headers={"Location": request.one("post_logout_redirect_uri")})

    def id_token(self, url: str, code: Code, access_token: str) -> str:
        """What the provider at `url` says of a person, with the claims of the decision."""
        digest = hashlib.sha256(access_token.encode()).digest()
        claims = {
            "sub": str(zlib.crc32(code.email.encode())),
            "name": code.email.partition("@")[0],
            "nonce": code.nonce,
            "azp": code.client_id,
            "at_hash": _base64(digest[:16]),
            **code.claims,
        }
        token = self.token(code.client_id, **{"iss": url, "email": code.email, **claims})
        return self._forged(token, code.forged) if code.forged else token

    def _forged(self, token: str, how: str) -> str:
        """The same claims, signed in a way that nobody may accept."""
        claims = jwt.decode(token, options={"verify_signature": False})
        headers = {"kid": self.key_id}
        if how == "none":
            return jwt.encode(claims, "", "none", headers=headers)
        if how == "unsigned":
            return f"{token.rpartition('.')[0]}."
        if how == "stranger":
            stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return jwt.encode(claims, stranger, "RS256", headers=headers)
        # With what everybody knows as the secret.
        head = json.dumps({"alg": "HS256", "typ": "JWT", "kid": self.key_id}).encode()
        signed = f"{_base64(head)}.{token.split('.')[1]}"
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return f"{signed}.{_base64(hmac.digest(public, signed.encode(), 'sha256'))}"

    def token(self, audience: str, email: str, **claims: Any) -> str:
        """A token of a service account; `claims` replace Google's own, or remove it with None."""
        now = int(time.time())
        standard = {
            "iss": ISSUER,
            "aud": audience,
            "sub": "108000000000000000000",
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": now + LIFETIME,
        }
        given = {name: value for name, value in (standard | claims).items() if value is not None}
        return jwt.encode(given, self.key, "RS256", headers={"kid": self.key_id})

    def keys(self) -> dict[str, Any]:
        """The JWKS, as https://www.googleapis.com/oauth2/v3/certs has it."""
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.key_id, "alg": "RS256", "use": "sig"}]}


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
