"""The keys that tokens are checked with: a secret of our own, or those of the application's issuer.

The algorithm belongs to the kind of key. What a token says of its own is compared, never followed.
"""

import asyncio
import time
from typing import Any, Protocol

import jwt
from jwt import PyJWK, PyJWKClient
from litestar.concurrency import sync_to_thread
from structlog.typing import FilteringBoundLogger

# How long an issuer's keys are used without asking again.
KEEP_SECONDS = 600
# The least time between two questions, be the issuer away or a key unknown: anybody can send a
# token with a key id that nobody has.
PAUSE_SECONDS = 10
FETCH_SECONDS = 3


class KeysUnavailable(Exception):
    """The issuer does not give out its keys, so nobody can tell a good token from a bad one."""


class Keys(Protocol):
    """Knows the key of a token."""

    algorithm: str

    async def key(self, token: str) -> str | PyJWK:
        """Raises jwt.PyJWTError when there is none, KeysUnavailable when nobody can tell."""


class Secret:
    """One secret, of 32 bytes or more, for all tokens."""

    algorithm = "HS256"

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def key(self, _token: str) -> str:
        return self._secret


class Issuer:
    """The public keys an issuer publishes at a JWKS URL (RFC 7517), told apart by their ids.

    A new key is found by the first token that names it.
    """

    algorithm = "RS256"

    def __init__(self, jwks_url: str, log: FilteringBoundLogger) -> None:
        self._keys = PublishedKeys(jwks_url, log)
        # However many tokens wait for the issuer, one thread does.
        self._asking = asyncio.Lock()

    async def key(self, token: str) -> PyJWK:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != self.algorithm or "kid" not in header:
            raise jwt.InvalidAlgorithmError(f"the token is not {self.algorithm} with a key id")
        async with self._asking:
            return await sync_to_thread(self._keys.get_signing_key, header["kid"])


class PublishedKeys(PyJWKClient):
    """A JWKS, kept for a while. PyJWT pauses after an answer only; this does so after a failure
    too."""

    def __init__(self, jwks_url: str, log: FilteringBoundLogger) -> None:
        super().__init__(
            jwks_url,
            lifespan=KEEP_SECONDS,
            timeout=FETCH_SECONDS,
            cooldown_duration=PAUSE_SECONDS,
        )
        self._log = log
        self._asks_again_at = 0.0

    def fetch_data(self) -> Any:
        """Raises KeysUnavailable, whatever is answered instead of keys."""
        if time.monotonic() < self._asks_again_at:
            raise KeysUnavailable
        try:
            return super().fetch_data()
        except Exception as error:
            self._asks_again_at = time.monotonic() + PAUSE_SECONDS
            self._log.warning("no keys are given out", url=self.uri, error=str(error))
            raise KeysUnavailable from error
