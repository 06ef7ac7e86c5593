"""The keys that check tokens: a secret of our own, or the keys of the application's issuer.

The kind of key decides the algorithm. The token's own header is compared with it, never followed.
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
# The least time between two requests to the issuer, also after a failure. Anybody can send a token
# with an unknown key id.
PAUSE_SECONDS = 10
# How long to wait for an issuer.
FETCH_SECONDS = 3


class KeysUnavailable(Exception):
    """The issuer does not answer with its keys, so no token can be checked."""


class KeySource(Protocol):
    """Knows the key of a token."""

    algorithm: str

    async def key(self, token: str) -> str | PyJWK:
        """Raises jwt.PyJWTError if there is no such key, KeysUnavailable if the issuer is away."""


class Secret:
    """One secret, of 32 bytes or more, for all tokens."""

    algorithm = ALGORITHM

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def key(self, _token: str) -> str:
        return self._secret


class JwksKeySource:
    """The public keys that an issuer publishes at a JWKS URL (RFC 7517), by their ids.

    The first token that names a new key fetches it. A cached key needs no wait. Other tokens wait
    at most FETCH_SECONDS, and in no thread that serves requests.
    """

    algorithm = "RS256"

    def __init__(self, jwks_url: str, log: FilteringBoundLogger) -> None:
        self._keys = CachedJwks(jwks_url, log)
        # One thread asks the issuer, for all tokens that wait.
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
    """A cached JWKS. PyJWT pauses only after an answer; this class also pauses after a failure."""

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
        """A key of the cache, without a wait for the thread that asks the issuer."""
        kept = self.jwk_set_cache.get() if self.jwk_set_cache else None
        return self.match_kid(self._get_signing_keys_from_jwk_set(kept), key_id) if kept else None

    def get_signing_key(self, kid: str) -> PyJWK:
        return self.cached(kid) or super().get_signing_key(kid)

    def fetch_data(self) -> Any:
        """Raises KeysUnavailable for every answer that holds no keys."""
        if time.monotonic() < self._asks_again_at:
            raise KeysUnavailable
        try:
            return super().fetch_data()
        except Exception as error:
            self._asks_again_at = time.monotonic() + PAUSE_SECONDS
            self._log.warning("issuer gave no keys", url=self.uri, error=str(error))
            raise KeysUnavailable from error
