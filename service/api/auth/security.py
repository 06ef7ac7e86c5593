"""Headers and checks that keep pages of other sites from acting for a signed-in user."""

from collections.abc import Callable
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.links import Connection
from service.api.problems import problem
from service.origin import origin_of

# For every response but pages: a browser that shows one runs nothing of it.
CSP = "default-src 'none'; frame-ancestors 'none'"
# For pages, whose handlers set it.
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CSP,
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, browsers would send `null` as the origin of our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # Mail contains links to hosts whose owners watch look-ups.
    "X-DNS-Prefetch-Control": "off",
}
HTTPS_HEADERS = HEADERS | {"Strict-Transport-Security": "max-age=31536000"}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def secured(app: ASGIApp, over_tls: bool = False) -> ASGIApp:
    """Adds the security headers to every response; headers of the response itself win.

    `over_tls` says that browsers use https, even if a proxy speaks http with us.
    """
    plain, https = _encoded(HEADERS), _encoded(HTTPS_HEADERS)

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        if over_tls:
            scope["scheme"] = "https"
        ours = https if scope["scheme"] == "https" else plain

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                theirs = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in ours if name not in theirs]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await app(scope, receive, answer)

    return run


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def refuse_other_sites(public_url: str) -> Callable[[Connection, BaseRouteHandler], None]:
    """A guard: raises 403 for a change that a page of another origin requests.

    Browsers name the origin of a request, and no page can change that. So no CSRF token is needed.
    SameSite=Lax by itself would trust every subdomain beside ours. Sec-Fetch-Site names the origin
    over https and on localhost, and Origin elsewhere. A client that sends neither is not a browser.
    Our origin is that of the public URL, because proxies may write any host into a request.
    Without a public URL it is the host that the request names.
    """

    def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        if connection.scope["method"] in SAFE_METHODS:  # type: ignore[typeddict-item]
            return
        headers = connection.headers
        if site := headers.get("Sec-Fetch-Site"):
            ours = site in ("same-origin", "none")
        else:
            origin = headers.get("Origin")
            ours = origin is None or _is_ours(origin, public_url, headers.get("Host", ""))
        if not ours:
            raise problem(403, "cross_site_request", "Pages of other sites may not ask for this.")

    return guard


def _is_ours(origin: str, public_url: str, host: str) -> bool:
    try:
        own = public_url or f"{urlsplit(origin).scheme}://{host}"
        return origin_of(origin) == origin_of(own)
    except ValueError:
        return False
