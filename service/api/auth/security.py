"""What browsers are told and asked, so that nobody else's page can act for a person signed in."""

from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.auth.cookies import Connection
from service.api.problems import problem

# For answers that are no page: whatever they hold, a browser that is made to show it runs nothing.
CSP = "default-src 'none'; frame-ancestors 'none'"
# For the page, whose handler sets it.
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CSP,
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer, under which browsers call the origin of our own forms `null`.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # Mail holds links to hosts that strangers watch.
    "X-DNS-Prefetch-Control": "off",
}
HTTPS_HEADERS = HEADERS | {"Strict-Transport-Security": "max-age=31536000"}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def secured(app: ASGIApp, over_tls: bool = False) -> ASGIApp:
    """With security headers on every answer; one that the answer has itself goes before.

    `over_tls` says that browsers come by https, whatever a proxy speaks with us.
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


def refuse_other_sites(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: raises 403 for a change that a page of another origin asks a browser for.

    Browsers say where a request comes from and no page can make them lie, so no CSRF token has to
    be kept and handed out; SameSite=Lax alone would trust every subdomain beside ours. Sec-Fetch-
    Site tells it over https and on localhost, Origin elsewhere; who sends neither is no browser.
    """
    if connection.scope["method"] in SAFE_METHODS:  # type: ignore[typeddict-item]
        return
    headers = connection.headers
    if site := headers.get("Sec-Fetch-Site"):
        ours = site in ("same-origin", "none")
    else:
        origin = headers.get("Origin")
        ours = origin is None or urlsplit(origin).netloc == headers.get("Host")
    if not ours:
        raise problem(403, "cross_site_request", "Pages of other sites may not ask for this.")
