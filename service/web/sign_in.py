"""Sign in: an application sets the cookie itself, a person goes to the OpenID provider (oidc.py) or
pastes a token. The demo needs only a click.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import jwt
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from msgspec import Struct

from service.api.auth.make_token import make_token
from service.api.auth.sessions import no_session
from service.api.auth.tokens import OPEN, OPERATOR, Authentication, token_cookie
from service.api.links import link
from service.config import LOCAL_HOSTS, Config
from service.web.oidc import ProviderSignIn
from service.web.pages import AnyRequest, Pages, ReturnPath

DEMO_LIFETIME = timedelta(days=1)


class PastedToken(Struct, forbid_unknown_fields=True):
    token: str = ""


class DemoSignIn:
    """Makes tokens of the demo's user for browsers on this machine.

    Not a dataclass: Litestar would look into the types of all its fields.
    """

    def __init__(self, config: Config, user_id: str) -> None:
        self._config = config
        self.user_id = user_id

    @classmethod
    def of(cls, config: Config) -> Self | None:
        return cls(config, config.demo_user) if config.demo_user else None

    def allows(self, request: AnyRequest) -> bool:
        """Whether client and server are this machine. The host name is checked against DNS
        rebinding: then the browser sends the other site's name."""
        client = request.client.host if request.client else ""
        return client in LOCAL_HOSTS and request.base_url.hostname in LOCAL_HOSTS

    def token(self) -> str:
        config = self._config
        return make_token(
            config.jwt_secret or "",
            self.user_id,
            (OPERATOR,),
            DEMO_LIFETIME,
            issuer=config.jwt_issuer,
            audience=config.jwt_audience,
        )


@get("/sign-in", sync_to_thread=True, opt=OPEN)
def show(
    request: AnyRequest,
    pages: NamedDependency[Pages],
    demo: NamedDependency[DemoSignIn | None],
    provider: NamedDependency[ProviderSignIn | None],
    return_to: ReturnPath = "/",
) -> Response[str]:
    return _form(request, pages, demo, provider, return_to)


@post("/sign-in", status_code=303, opt=OPEN)
async def sign_in(
    request: AnyRequest,
    data: URLEncodedBody[PastedToken],
    pages: NamedDependency[Pages],
    demo: NamedDependency[DemoSignIn | None],
    provider: NamedDependency[ProviderSignIn | None],
    authentication: NamedDependency[Authentication],
    return_to: ReturnPath = "/",
) -> Response[Any]:
    """With a token, such as one that `gmail-sync token` printed."""
    try:
        return await _enter(request, authentication, data.token.strip(), return_to)
    except NotAuthorizedException as error:
        return _form(request, pages, demo, provider, return_to, _fault(data.token, error))


@post("/sign-in/demo", status_code=303, opt=OPEN)
async def sign_in_to_demo(
    request: AnyRequest,
    demo: NamedDependency[DemoSignIn | None],
    authentication: NamedDependency[Authentication],
    return_to: ReturnPath = "/",
) -> Response[Any]:
    if demo is None or not demo.allows(request):
        raise NotFoundException
    return await _enter(request, authentication, demo.token(), return_to)


@post("/sign-out", status_code=303, sync_to_thread=True, opt=OPEN)
def sign_out(
    request: AnyRequest,
    pages: NamedDependency[Pages],
    provider: NamedDependency[ProviderSignIn | None],
) -> Response[Any]:
    """Here, and then at the provider, whose page leads back to ours."""
    gone = [token_cookie(request, "", datetime.now(UTC)), no_session(request)]
    url = provider.sign_out_url(request) if provider else None
    if provider is None or url is None:
        return Redirect(link(request, "/sign-in"), status_code=303, cookies=gone)
    # A page that goes on: form-action lets no form end at another site, not even by a redirect.
    answer = pages.page(request, "sign_in/signed_out.html", provider=provider.name, address=url)
    answer.headers["Refresh"] = f"0; url={url}"
    answer.cookies.extend(gone)
    return answer


async def _enter(
    request: AnyRequest, authentication: Authentication, token: str, return_to: str
) -> Redirect:
    """Raises NotAuthorizedException for a bad token."""
    identity = await authentication.check(token)
    cookies = [token_cookie(request, token, identity.expires_at), no_session(request)]
    return Redirect(link(request, return_to), status_code=303, cookies=cookies)


def _form(
    request: AnyRequest,
    pages: Pages,
    demo: DemoSignIn | None,
    provider: ProviderSignIn | None,
    return_to: str,
    fault: str = "",
) -> Response[str]:
    return pages.page(
        request,
        "sign_in/sign_in.html",
        status_code=401 if fault else 200,
        return_to=return_to,
        provider=provider.name if provider else None,
        demo_user=demo.user_id if demo and demo.allows(request) else None,
        fault=fault,
    )


def _fault(token: str, error: NotAuthorizedException) -> str:
    """The key of the message in sign_in.fault."""
    match error.__cause__:
        case _ if not token.strip():
            return "missing"
        case jwt.ExpiredSignatureError():
            return "expired"
        case jwt.InvalidAudienceError() | jwt.InvalidIssuerError():
            return "for_another"
        case _:
            return "wrong"


ROUTES = [show, sign_in, sign_in_to_demo, sign_out]
