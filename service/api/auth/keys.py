"""The keys that tokens are checked with: a secret of our own, or those of the application's issuer.

The algorithm belongs to the kind of key. What a token says of its own is compared, never followed.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import jwt
from jwt import PyJWK, PyJWKClient
from structlog.typing import FilteringBoundLogger

from service.api.auth.make_token import ALGORITHM

# How long an issuer's keys are used without asking again.
KEEP_SECONDS = 600
# The least time between two questions, be the issuer away or a key unknown: anybody can send a
# token with a key id that nobody has.
PAUSE_SECONDS = 10
# How long an issuer is waited for.
FETCH_SECONDS = 3


class KeysUnavailable(Exception):
    """The issuer does not give out its keys, so nobody can tell a good token from a bad one."""


class KeySource(Protocol):
    """Knows the key of a token."""

    algorithm: str

    async def key(self, token: str) -> str | PyJWK:
        """Raises jwt.PyJWTError when there is none, KeysUnavailable when nobody can tell."""


class Secret:
    """One secret, of 32 bytes or more, for all tokens."""

    algorithm = ALGORITHM

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def key(self, _token: str) -> str:
        return self._secret


class JwksKeySource:
    """The public keys an issuer publishes at a JWKS URL (RFC 7517), told apart by their ids.

    A new key is found by the first token that names it. Whoever shows a key in hand waits for
    nobody; whoever does not waits in no thread that serves requests, and FETCH_SECONDS at most.
    """

    algorithm = "RS256"

    def __init__(self, jwks_url: str, log: FilteringBoundLogger) -> None:
        self._keys = CachedJwks(jwks_url, log)
        # However many tokens wait for the issuer, one thread does.
        self._asking = ThreadPoolExecutor(1, "issuer")

    async def key(self, token: str) -> PyJWK:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != self.algorithm or "kid" not in header:
            raise jwt.InvalidAlgorithmError(f"the token is not {self.algorithm} with a key id")
        key_id = header["kid"]
        if key := self._keys.cached(key_id):
            return key
        asked = asyncio.get_running_loop().run_in_executor(
            self._asking, self._keys.get_signing_key, key_id
        )
        try:
            return await asyncio.wait_for(asked, FETCH_SECONDS)
        except TimeoutError as error:
            raise KeysUnavailable from error


class CachedJwks(PyJWKClient):
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

    def cached(self, key_id: str) -> PyJWK | None:
        """A key that is kept, had without waiting for whoever asks the issuer just now."""
        kept = self.jwk_set_cache.get() if self.jwk_set_cache else None
        return self.match_kid(self._get_signing_keys_from_jwk_set(kept), key_id) if kept else None

    def get_signing_key(self, kid: str) -> PyJWK:
        return self.cached(kid) or super().get_signing_key(kid)

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
