"""The caller's identity: a JWT with the user id as `sub` and a space-separated `scope`.

It is a bearer token, or a cookie for the page, whose EventSource sends no headers. People who
signed in at the OpenID provider have a session instead (sessions.py). Because of the cookies,
security.py refuses requests of other sites' pages. Litestar's JWTAuth checks tokens on the event
loop with a fixed secret; here a key may have to be fetched first.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
import msgspec
from litestar.connection import Request
from litestar.datastructures import Cookie, State
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, DefineMiddleware
from litestar.middleware.authentication import AuthenticationResult
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp

from service.api.auth.cookies import HOST, SECURE, cookie, cookie_name
from service.api.auth.keys import KeySource, KeysUnavailable
from service.api.auth.sessions import Sessions
from service.api.links import Connection
from service.postgres.user_id import USER_ID

OPERATOR = "operator"
COOKIE = "gmail_sync_token"
# Routes with this in their `opt` are open.
OPEN = {"exclude_from_auth": True}

SECURITY_SCHEMES = Components(
    security_schemes={
        "BearerToken": SecurityScheme(
            type="http",
            scheme="Bearer",
            bearer_format="JWT",
            description="`gmail-sync token USER` prints one.",
        ),
        "CookieToken": SecurityScheme(
            type="apiKey",
            security_scheme_in="cookie",
            name=COOKIE,
            description=f"Over https it is `{HOST}{COOKIE}`, or `{SECURE}{COOKIE}` below a path.",
        ),
    }
)


@dataclass(frozen=True)
class Identity:
    """The user of a valid token."""

    user_id: str
    scopes: frozenset[str]
    expires_at: datetime

    @property
    def is_operator(self) -> bool:
        return OPERATOR in self.scopes


UserRequest = Request[Identity, None, State]


class Claims(msgspec.Struct):
    """The claims that are read; others are ignored."""

    sub: str
    exp: float
    scope: str | None = None

    def identity(self) -> Identity:
        """Raises ValueError or OverflowError if the user id or the time is not valid."""
        if not USER_ID.fullmatch(self.sub):
            raise ValueError("sub is not a user id")
        expires_at = datetime.fromtimestamp(self.exp, UTC)
        return Identity(self.sub, frozenset((self.scope or "").split()), expires_at)


class Authentication:
    """Checks tokens: signature, expiry, issuer and audience.

    Without a configured audience, tokens that name one are rejected (RFC 7519, 4.1.3).
    """

    def __init__(
        self,
        keys: KeySource,
        issuer: str | None = None,
        audience: str | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._sessions = sessions

    @property
    def middleware(self) -> DefineMiddleware:
        return DefineMiddleware(_Middleware, authentication=self)

    async def require(self, connection: Connection) -> Identity:
        """The caller's identity. Raises NotAuthorizedException or KeysUnavailable."""
        token = _token(connection)
        if not token and self._sessions and (session := self._sessions.find(connection)):
            person = session.person
            scopes = {OPERATOR} if self._sessions.people.is_operator(person) else ()
            return Identity(person.user_id, frozenset(scopes), session.expires_at)
        return await self.check(token)

    async def check(self, token: str) -> Identity:
        """The identity of a token. Raises like `require`."""
        try:
            key = await self._keys.key(token)
            payload = jwt.decode(
                token,
                key,
                [self._keys.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                # An issuer's clock may be a second ahead of ours, so iat is not checked.
                options={"verify_iat": False},
            )
            return msgspec.convert(payload, Claims).identity()
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, OverflowError) as error:
            raise NotAuthorizedException from error

    async def identity(self, connection: Connection) -> Identity | None:
        """The caller's identity on an open route; None without a valid token."""
        try:
            return await self.require(connection)
        except (NotAuthorizedException, KeysUnavailable):
            return None


class _Middleware(AbstractAuthenticationMiddleware):
    """Requires a valid token on every route that is not open."""

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        super().__init__(app)
        self._authentication = authentication

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        return AuthenticationResult(await self._authentication.require(connection), None)


def _token(connection: Connection) -> str:
    """The token as sent; empty without one. A bearer token takes precedence over the cookie."""
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    return connection.cookies.get(cookie_name(connection, COOKIE), "")


def token_cookie(connection: Connection, token: str, expires_at: datetime) -> Cookie:
    """The cookie that signs a browser in until `expires_at`; a past one signs it out."""
    return cookie(connection, COOKIE, token, expires_at - datetime.now(UTC))
