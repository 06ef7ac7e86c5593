"""Google as an OIDC issuer: tokens of service accounts, and the keys that verify them.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import secrets
import threading
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://accounts.google.com"
LIFETIME = 3600  # seconds


class OidcIssuer:
    """A key pair and its id. Thread-safe. The pair is generated at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: rsa.RSAPrivateKey | None = None
        self.key_id = secrets.token_hex(20)

    @property
    def key(self) -> rsa.RSAPrivateKey:
        with self._lock:
            if self._key is None:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._key

    def token(self, audience: str, email: str, **claims: Any) -> str:
        """A token of a service account; `claims` replace Google's own."""
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
        return jwt.encode(standard | claims, self.key, "RS256", headers={"kid": self.key_id})

    def keys(self) -> dict[str, Any]:
        """The JWKS, as https://www.googleapis.com/oauth2/v3/certs has it."""
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.key_id, "alg": "RS256", "use": "sig"}]}
