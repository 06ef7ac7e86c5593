"""The way to Google's consent page and back."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from litestar import Request, Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Redirect
from msgspec import Struct

from service.api.auth import OPEN, UserRequest
from service.api.problems import answers, problem
from service.database import Pool
from service.gmail.oauth import ConsentFailed
from service.mailbox.connect import PATIENCE, Connector

COOKIE = "gmail_sync_connect"
CALLBACK = "/api/gmail/callback"
# A path of ours, so that nobody is sent elsewhere: browsers read // and /\ as another host.
OwnPath = Annotated[str, QueryParameter(max_length=300, pattern=r"^/(?![/\\])[!-\[\]-~]*$")]
GooglesWord = Annotated[str, QueryParameter(max_length=2000)]


class Page(Struct):
    """Google's consent page for this user, good for ten minutes in this browser."""

    authorization_url: str


@get(
    "/api/gmail/connect",
    status_code=302,
    sync_to_thread=True,
    responses=answers(400, 401, 404, 503)
    | {200: ResponseSpec(Page, generate_examples=False, description="When JSON is accepted")},
)
def connect(
    request: UserRequest,
    pool: NamedDependency[Pool],
    connector: NamedDependency[Connector | None],
    return_to: OwnPath = "/",
) -> Response[Any]:
    """Go to Google's consent page, and come back to `return_to`."""
    connecting = _configured(connector)
    url, errand = connecting.set_out(pool, request.user.user_id, return_to)
    cookie = _cookie(connecting, errand, int(PATIENCE.total_seconds()))
    if "application/json" in request.headers.get("accept", ""):
        return Response(Page(url), status_code=200, cookies=[cookie])
    return Redirect(url, cookies=[cookie])


@get(
    CALLBACK,
    status_code=303,
    sync_to_thread=True,
    opt=OPEN,
    security=[{}],
    responses=answers(400, 404, 503),
)
def callback(
    request: Request[Any, Any, Any],
    pool: NamedDependency[Pool],
    connector: NamedDependency[Connector | None],
    given_state: Annotated[str, QueryParameter(max_length=2000, name="state")] = "",
    code: GooglesWord = "",
    error: GooglesWord = "",
) -> Redirect:
    """Google's answer: the account is connected, and its sync started."""
    connecting = _configured(connector)
    errand = connecting.errand(request.cookies.get(COOKIE, ""))
    if errand is None:
        raise problem(
            400,
            "connect_expired",
            "Connecting took longer than ten minutes, or began in another browser. Begin again.",
        )
    target = errand.return_to
    try:
        connecting.come_back(pool, errand, given_state, code, error)
    except ConsentFailed as failure:
        target = _with_error(target, failure.code)
    used = _cookie(connecting, "", 0)
    return Redirect(target, status_code=303, cookies=[used])


def _configured(connector: Connector | None) -> Connector:
    """Raises 404 where the operator has not set up what it takes."""
    if connector is None:
        raise problem(
            404,
            "connect_not_configured",
            "Accounts cannot be connected here: set GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, "
            "GMAIL_SYNC_PUBLIC_URL and GMAIL_SYNC_CREDENTIALS_KEYS.",
        )
    return connector


def _cookie(connector: Connector, value: str, max_age: int) -> Cookie:
    """Lax, for Google sends the browser here from its own site."""
    return Cookie(
        COOKIE,
        path="/api/gmail",
        value=value,
        max_age=max_age,
        secure=connector.over_tls,
        httponly=True,
        samesite="lax",
    )


def _with_error(path: str, code: str) -> str:
    parts = urlsplit(path)
    query = "&".join(filter(None, [parts.query, f"connect_error={code}"]))
    return parts._replace(query=query).geturl()


ROUTES = [connect, callback]
