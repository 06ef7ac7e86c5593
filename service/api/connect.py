"""Connect an account: to the consent page of Google and back."""

import re
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from litestar import Request, Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotAuthorizedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Redirect
from msgspec import Struct

from service.accounts.connect import ATTEMPT_LIFETIME, OAuthConnector
from service.api.auth.cookies import HOST, SECURE, cookie, cookie_name
from service.api.auth.tokens import OPEN, Authentication, Identity, UserRequest
from service.api.links import link
from service.api.problems import error_responses, problem
from service.google.consent import ConsentFailed
from service.postgres.pool import Pool

# Each attempt has a cookie of its own, so that tabs do not disturb each other. The maximum number:
COOKIE = "gmail_sync_connect_"
ATTEMPT = re.compile(rf"(?:{HOST}|{SECURE})?({COOKIE}[\w-]{{8}})", re.ASCII)
ATTEMPTS = 4
CALLBACK = "/api/gmail/callback"
# A path of this server, against open redirects: browsers read // and /\ as another host.
# Python's $ accepts a trailing newline, and JSON Schema has no \Z.
OWN_PATH = r"^/(?![/\\])[!-\[\]-~]*$(?!\n)"
LONGEST_PATH = 300
OwnPath = Annotated[str, QueryParameter(max_length=LONGEST_PATH, pattern=OWN_PATH)]
GoogleErrorCode = Annotated[str, QueryParameter(max_length=2000)]


class ConsentPageResponse(Struct):
    """Google's consent page for this user, valid for ten minutes in this browser."""

    authorization_url: str


@get(
    "/api/gmail/connect",
    status_code=302,
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 429, 503)
    | {
        200: ResponseSpec(
            ConsentPageResponse, generate_examples=False, description="When JSON is accepted"
        ),
        302: ResponseSpec(None, generate_examples=False, description="To Google's consent page"),
    },
)
def connect(
    request: UserRequest,
    pool: NamedDependency[Pool],
    connector: NamedDependency[OAuthConnector | None],
    return_to: OwnPath = "/",
) -> Response[Any]:
    """Go to Google's consent page, then return to `return_to`."""
    connecting = _configured(connector)
    url, state, attempt = connecting.begin(pool, request.user.user_id, return_to)
    cookies = [
        cookie(request, _cookie_of(state), attempt, ATTEMPT_LIFETIME),
        *_expire_oldest(request),
    ]
    if "application/json" in request.headers.get("accept", ""):
        return Response(ConsentPageResponse(url), status_code=200, cookies=cookies)
    return Redirect(url, cookies=cookies)


async def signed_in(
    request: Request[Any, Any, Any], authentication: NamedDependency[Authentication]
) -> Identity | None:
    """The user of the browser's token. Raises KeysUnavailable if it cannot be checked."""
    try:
        return await authentication.require(request)
    except NotAuthorizedException:
        return None


@get(
    CALLBACK,
    status_code=303,
    sync_to_thread=True,
    opt=OPEN,
    security=[{}],
    dependencies={"identity": Provide(signed_in)},
    responses=error_responses(400, 403, 404, 503),
)
def callback(
    request: Request[Any, Any, Any],
    pool: NamedDependency[Pool],
    connector: NamedDependency[OAuthConnector | None],
    identity: NamedDependency[Identity | None],
    given_state: Annotated[str, QueryParameter(max_length=2000, name="state")] = "",
    code: GoogleErrorCode = "",
    error: GoogleErrorCode = "",
) -> Redirect:
    """Google's callback: connect the account and start its sync."""
    connecting = _configured(connector)
    name = _cookie_of(given_state)
    encrypted = request.cookies.get(cookie_name(request, name), "")
    attempt = connecting.find_attempt(encrypted, given_state)
    if attempt is None:
        raise problem(
            400,
            "connect_expired",
            "Connecting took over ten minutes, or was started in another browser. Start again.",
        )
    if identity is not None and identity.user_id != attempt.user_id:
        raise problem(
            403,
            "another_user",
            "Another user started connecting than the one who is signed in now. Start again.",
        )
    target = attempt.return_to
    try:
        connecting.complete(pool, attempt, code, error)
    except ConsentFailed as failure:
        target = _with_error(target, failure.code)
    cookies = [_expired(request, name)]
    return Redirect(link(request, target), status_code=303, cookies=cookies)


def _configured(connector: OAuthConnector | None) -> OAuthConnector:
    """Raises 404 unless the operator has configured it."""
    if connector is None:
        raise problem(
            404,
            "connect_not_configured",
            "Accounts cannot be connected here: set GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, "
            "GMAIL_SYNC_PUBLIC_URL and GMAIL_SYNC_CREDENTIALS_KEYS.",
        )
    return connector


def _cookie_of(state: str) -> str:
    """The name of an attempt's cookie, which holds the first characters of its state."""
    return f"{COOKIE}{state[:8]}"


def _expired(request: Request[Any, Any, Any], name: str) -> Cookie:
    return cookie(request, name, "", timedelta(0))


def _expire_oldest(request: UserRequest) -> list[Cookie]:
    """Delete the browser's oldest attempts, because headers have a limited size."""
    names = [found[1] for found in map(ATTEMPT.fullmatch, request.cookies) if found]
    # The oldest are sent first (RFC 6265, 5.4).
    return [_expired(request, name) for name in names[: 1 - ATTEMPTS]]


def _with_error(path: str, code: str) -> str:
    parts = urlsplit(path)
    query = "&".join(filter(None, [parts.query, f"connect_error={code}"]))
    return parts._replace(query=query).geturl()


ROUTES = [connect, callback]
