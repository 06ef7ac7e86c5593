"""The OpenID provider: its sign-in page, and the check of what it says of a person.

Authlib exchanges the code and checks the claims. Sources: OpenID Connect Core 1.0 (3.1, code flow),
Discovery 1.0, RFC 7636 (PKCE), RP-Initiated Logout 1.0.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from structlog.typing import FilteringBoundLogger

SCOPES = "openid email profile"
# Only with keys of the provider: not `none`, and no secret that both sides know.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
# Seconds to connect, and between two bytes of the answer.
TIMEOUT = (3.0, 5.0)
# How long the provider's addresses and keys are used without asking again.
KEEP_SECONDS = 600
# The least time between two requests for them. Anybody can begin to sign in.
PAUSE_SECONDS = 10
# By how much the provider's clock may differ from ours.
LEEWAY_SECONDS = 60


class SignInFailed(Exception):
    """Nobody is signed in. `code` is stable; the text is for the log."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message[:300])
        self.code = code


@dataclass(frozen=True)
class SignedIn:
    """What the provider says of a person, and the token that says it."""

    claims: dict[str, Any]
    id_token: str


class Provider:
    """The provider of one issuer, for one client.

    `redirect_uri` is our callback, and `signed_out_uri` where people come to after signing out.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        signed_out_uri: str,
        log: FilteringBoundLogger,
    ) -> None:
        self.issuer = issuer
        self._client = (client_id, client_secret)
        self._redirect_uri = redirect_uri
        self._signed_out_uri = signed_out_uri
        discovery = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        self._metadata = _Document(discovery, log)
        self._log = log
        self._keys: _Document | None = None

    def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """The address of the provider's page. Raises SignInFailed."""
        with self._session() as session:
            url, _ = session.create_authorization_url(
                self._address("authorization_endpoint"),
                state=state,
                nonce=nonce,
                code_verifier=verifier,
            )
        return str(url)

    def sign_out_url(self, id_token: str) -> str | None:
        """Where the person signs out at the provider too; None if that is not possible.

        `id_token` may be empty: then the provider asks whom it shall sign out.
        """
        try:
            # What is known is enough: nobody waits for a provider to get away from it.
            address = self._address("end_session_endpoint", max_age=float("inf"))
        except SignInFailed:
            return None
        if not address.startswith(("https://", f"{urlsplit(self.issuer).scheme}://")):
            return None
        query = {"id_token_hint": id_token} if id_token else {}
        query |= {
            "client_id": self._client[0],
            "post_logout_redirect_uri": self._signed_out_uri,
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    def sign_in(self, code: str, nonce: str, verifier: str) -> SignedIn:
        """What the provider says of the person, in exchange for a code. Raises SignInFailed."""
        address = self._address("token_endpoint")
        with self._session() as session:
            try:
                token = session.fetch_token(
                    address, code=code, code_verifier=verifier, timeout=TIMEOUT
                )
            except requests.RequestException as error:
                raise SignInFailed("provider_unavailable", type(error).__name__) from error
            except (AuthlibBaseError, ValueError, TypeError, AttributeError) as error:
                raise SignInFailed("sign_in_refused", f"no token: {error}") from error
        return self._checked(token, nonce)

    def _checked(self, token: dict[str, Any], nonce: str) -> SignedIn:
        try:
            id_token = str(token["id_token"])
            decoded = self._decoded(id_token)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {"iss": {"value": self.issuer}, "aud": {"value": self._client[0]}},
                {
                    "nonce": nonce,
                    "client_id": self._client[0],
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, LookupError, ValueError, TypeError) as error:
            raise SignInFailed("sign_in_refused", f"{type(error).__name__}: {error}") from error
        return SignedIn(dict(claims), id_token)

    def _decoded(self, id_token: str) -> jwt.Token:
        for is_last in (False, True):
            keys = KeySet.import_key_set(self._key_document().get(again=is_last))  # type: ignore[arg-type]
            registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
            try:
                return jwt.decode(id_token, keys, registry=registry)
            except InvalidKeyIdError:
                if is_last:
                    raise
        raise AssertionError("unreachable")

    def _session(self) -> Any:
        client_id, client_secret = self._client
        methods = self._metadata.get().get("token_endpoint_auth_methods_supported")
        session = OAuth2Session(
            client_id,
            client_secret,
            scope=SCOPES,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            # The default, where the provider does not say (Discovery 1.0, 3).
            token_endpoint_auth_method="client_secret_post"
            if isinstance(methods, list) and "client_secret_basic" not in methods
            else "client_secret_basic",
        )
        # A redirect could send the secret elsewhere.
        session.max_redirects = 0
        return session

    def _address(self, name: str, max_age: float = KEEP_SECONDS) -> str:
        metadata = self._metadata.get(max_age=max_age)
        if metadata.get("issuer") != self.issuer:
            raise SignInFailed("provider_unavailable", "the document names another issuer")
        return str(metadata.get(name, ""))

    def _key_document(self) -> "_Document":
        if self._keys is None:
            self._keys = _Document(self._address("jwks_uri"), self._log)
        return self._keys


class _Document:
    """A JSON document of the provider, kept for a while. Thread-safe."""

    def __init__(self, url: str, log: FilteringBoundLogger) -> None:
        self._url = url
        self._log = log
        self._lock = threading.Lock()
        self._content: dict[str, Any] | None = None
        self._asked_at = float("-inf")

    def get(self, *, again: bool = False, max_age: float = KEEP_SECONDS) -> dict[str, Any]:
        """A newer one if `again`, but not soon after the last one. Raises SignInFailed."""
        with self._lock:
            age = time.monotonic() - self._asked_at
            if age > max_age or (age > PAUSE_SECONDS and (again or self._content is None)):
                self._asked_at = time.monotonic()
                self._content = self._fetch() or self._content
            if self._content is None:
                raise SignInFailed("provider_unavailable", f"no answer of {self._url}")
            return self._content

    def _fetch(self) -> dict[str, Any] | None:
        try:
            answer = requests.get(self._url, timeout=TIMEOUT, allow_redirects=False)
            answer.raise_for_status()
            content = answer.json()
            if answer.status_code == 200 and isinstance(content, dict):
                return content
            reason = f"status {answer.status_code}"
        except requests.RequestException as error:
            reason = type(error).__name__
        self._log.warning("provider gave no document", url=self._url, error=reason)
        return None
