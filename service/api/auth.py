"""Who is asking: a JWT as a bearer token, `sub` the user id, `scope` words with spaces between.

Tokens are HS256 with the service's own secret. Issuer, audience and a JWKS are to be checked in
AccessToken.decode_payload, the one place where a signature is looked at; a cookie beside the
header is Litestar's JWTCookieAuth in the place of JWTAuth.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from litestar.connection import ASGIConnection, Request
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.security.jwt import JWTAuth, Token
from litestar.security.jwt.token import JWTDecodeOptions

ALGORITHM = "HS256"
OPERATOR = "operator"
CLAIMS = frozenset({"sub", "exp", "iat", "scope"})
# As the domain gmail_sync.user_key has it; a NUL cannot be in a text at all.
USER_ID = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f-\x9f]{1,255}")
# Routes with this in their `opt` are open.
OPEN = {"exclude_from_auth": True}


@dataclass(frozen=True)
class Identity:
    """Whoever a valid token speaks for."""

    user_id: str
    scopes: frozenset[str]
    expires_at: datetime

    @property
    def is_operator(self) -> bool:
        return OPERATOR in self.scopes


@dataclass
class AccessToken(Token):
    """The claims we read; any others are let be."""

    scope: str | None = None

    @classmethod
    def decode_payload(
        cls,
        encoded_token: str,
        secret: str,
        algorithms: list[str],
        issuer: str | Sequence[str] | None = None,
        audience: str | Sequence[str] | None = None,
        options: JWTDecodeOptions | None = None,
    ) -> dict[str, Any]:
        """Raises jwt.InvalidTokenError."""
        payload = jwt.decode(
            encoded_token,
            secret,
            algorithms,
            options={"require": ["sub", "exp"], "verify_aud": False},
        )
        # Litestar wants an iat, which a token need not have.
        issued = {"iat": datetime.now(UTC).timestamp()}
        return issued | {name: payload[name] for name in CLAIMS & payload.keys()}


UserRequest = Request[Identity, AccessToken, State]


class Authentication:
    """Checks tokens against one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.backend = JWTAuth[Identity, AccessToken](
            token_secret=secret,
            token_cls=AccessToken,
            algorithm=ALGORITHM,
            retrieve_user_handler=_identity,
            description="`gmail-sync token USER` prints one.",
        )

    async def identity(self, request: Request[Any, Any, Any]) -> Identity | None:
        """Whoever asks on an open route; nobody without a valid token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return await _identity(AccessToken.decode(token, self._secret, ALGORITHM), request)
        except NotAuthorizedException:
            return None


async def _identity(
    token: AccessToken, _connection: ASGIConnection[Any, Any, Any, Any]
) -> Identity | None:
    if not USER_ID.fullmatch(token.sub):
        return None
    return Identity(token.sub, frozenset((token.scope or "").split()), token.exp)


def make_token(secret: str, user_id: str, scopes: Iterable[str], lifetime: timedelta) -> str:
    """A token for `user_id`. Raises ValueError when that is no valid user id."""
    if not USER_ID.fullmatch(user_id):
        raise ValueError(
            f"{user_id[:40]!r} is not a user id: 1 to 255 characters, not blank, "
            "no control characters"
        )
    now = datetime.now(UTC)
    claims = {"sub": user_id, "iat": now, "exp": now + lifetime}
    if scope := " ".join(scopes):
        claims["scope"] = scope
    return jwt.encode(claims, secret, ALGORITHM)
