"""Every route for every caller: nobody, another user, the user, an operator; with every bad
token."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from litestar.routes import HTTPRoute

from service.api.auth.tokens import COOKIE
from service.postgres.calls import Session
from tests.api.conftest import (
    OWN_TOKENS,
    PATIENCE_SECONDS,
    SECRET,
    Running,
    bearer,
    claim,
    connect_account,
    list_page,
    problem,
    serving,
    store,
    stored,
)
from tests.api.issuer import AUDIENCE, ISSUER, local_issuer

# Whatever is open is listed here, so that nothing is by mistake.
OPEN = {
    "GET /api/gmail/callback",
    "GET /api/gmail/sync/health",
    "GET /api/scheduler/status",
    "GET /livez",
    "GET /metrics",
    "GET /readyz",
    "GET /schema",
    "GET /schema/openapi.json",
    "GET /schema/{path}",
    "GET /sign-in",
    "GET /sign-in/callback",
    "GET /sign-in/provider",
    "GET /static/{version}/{name}",
    "POST /api/gmail/push",
    "POST /sign-in",
    "POST /sign-in/demo",
    "POST /sign-out",
}
# What only Gmail has, which this installation cannot ask: refused only for that reason.
NEEDS_GOOGLE = {
    "GET /api/gmail/connect",
    "GET /api/gmail/messages/{message_id}/attachments",
    "GET /api/gmail/messages/{message_id}/attachments/{part_id}",
    "GET /api/gmail/messages/{message_id}/raw",
}
# What shows or does for everybody, and is refused to others than operators.
FOR_OPERATORS = {
    "GET /operator",
    "POST /operator",
    "GET /operator/webhooks",
    "POST /operator/webhooks",
    "POST /api/operator/{action}",
    "GET /api/operator/running-syncs",
    "GET /api/operator/accounts",
    "GET /api/operator/accounts-to-reconnect",
    "GET /api/operator/dead-letters",
    "GET /api/operator/workers",
    "GET /api/operator/webhooks",
    "POST /api/operator/webhooks",
    "DELETE /api/operator/webhooks/{webhook_id}",
    "GET /api/operator/webhooks/{webhook_id}/deliveries",
    "POST /api/operator/webhooks/{webhook_id}/test",
    "POST /api/operator/webhooks/{webhook_id}/replay",
    "POST /api/operator/webhooks/{webhook_id}/secret",
}
WITHOUT_GOOGLE = {"connect_not_configured", "gmail_not_configured", "no_such_attachment"}
# What stands in the addresses of things that are nobody's.
NAMES_FOR_ALL = {
    "part_id": "1", "path": "openapi.json", "version": "old", "name": "page.css",
    "action": "check_sync_consistency",
}  # fmt: skip
# A word in all that is ann's.
MARK = "ann-of-the-mark"
OTHER_SITES = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    is_open: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes_something(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def is_page(self) -> bool:
        """Made for people: nobody is led to sign in, and errors are pages."""
        return not self.path.startswith(("/api/", "/schema", "/livez", "/readyz", "/metrics"))


@dataclass(frozen=True)
class Installation:
    """A running service, tokens it must take, and tokens it must refuse."""

    running: Running
    sign: Callable[..., str]
    bad_tokens: dict[str, str]

    def routes(self) -> list[Route]:
        """All there are; changes come last, then deletions, and the user's own at the very end."""
        found = []
        for route in self.running.server.config.app.routes:  # type: ignore[union-attr]
            assert isinstance(route, HTTPRoute), f"{route.path} needs a matrix of its own"
            for handler in route.route_handlers:
                is_open = bool(handler.opt.get("exclude_from_auth"))
                found += [
                    Route(method, route.path_format, is_open)
                    for method in handler.http_methods - {"OPTIONS"}
                ]
        order = ["GET", "HEAD", "PATCH", "POST", "PUT", "DELETE"]
        deletes_user = "/api/gmail/account"
        return sorted(
            found,
            key=lambda each: (order.index(each.method), each.path == deletes_user, each.path),
        )

    def closed(self) -> list[Route]:
        return [route for route in self.routes() if not route.is_open]


def claims(user_id: str | None = MARK, **more: object) -> dict[str, object]:
    """A token's claims; one that is None is left out."""
    all_claims = {"sub": user_id, "exp": datetime.now(UTC) + timedelta(hours=1), **more}
    return {name: value for name, value in all_claims.items() if value is not None}


def with_signature(token: str, signature: bytes) -> str:
    return f"{token.rpartition('.')[0]}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def hmac_signed(
    payload: dict[str, object], key: bytes, algorithm: str = "HS256", **headers: str
) -> str:
    """Signed by hand: PyJWT refuses public keys as secrets, and secrets it finds too short."""
    token = with_alg(jwt.encode(payload, "f" * 32, "HS256", headers=headers), algorithm)
    signed = token.rpartition(".")[0].encode()
    return with_signature(token, hmac.digest(key, signed, f"sha{algorithm[2:]}"))


def with_alg(token: str, alg: str) -> str:
    """The token, saying that it is signed another way than it is."""
    head, payload, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    changed = json.dumps({**header, "alg": alg}).encode()
    return f"{base64.urlsafe_b64encode(changed).decode().rstrip('=')}.{payload}.{signature}"


def bad_tokens(sign: Callable[..., str]) -> dict[str, str]:
    """Tokens to refuse, however they are signed; `sign` makes good ones."""
    good = sign(MARK)
    late = datetime.now(UTC) + timedelta(hours=1)
    return {
        "expired": sign(MARK, exp=datetime.now(UTC) - timedelta(seconds=1)),
        "not valid yet": sign(MARK, nbf=late),
        "unsigned": with_signature(good, b""),
        "signed by guess": with_signature(good, b"\0" * 32),
        "alg none": jwt.encode(claims(), "", "none"),
        "alg none with all claims": with_signature(with_alg(good, "none"), b""),
        "alg None, signature kept": with_alg(good, "None"),
        "wrong audience": sign(MARK, aud="somebody-else"),
        "wrong audiences": sign(MARK, aud=["somebody-else", "another"]),
        "no sub": sign(None),
        "no exp": sign(MARK, exp=None),
        "endless": sign(MARK, exp=1e300),
        "rubbish": "abc",
    }


@contextmanager
def own_secret(service_url: str) -> Iterator[Installation]:
    def sign(user_id: str | None, **more: object) -> str:
        return jwt.encode(claims(user_id, **more), SECRET, "HS256")

    others = {
        "another secret": jwt.encode(claims(), "f" * 32, "HS256"),
        "another algorithm": hmac_signed(claims(), SECRET.encode(), "HS512"),
    }
    with serving(service_url) as running:
        yield Installation(running, sign, bad_tokens(sign) | others)


@contextmanager
def own_secret_with_audience(service_url: str) -> Iterator[Installation]:
    ours = {"aud": AUDIENCE, "iss": ISSUER}

    def sign(user_id: str | None, **more: object) -> str:
        return jwt.encode(claims(user_id, **{**ours, **more}), SECRET, "HS256")

    others = {
        "no audience": sign(MARK, aud=None),
        "no issuer": sign(MARK, iss=None),
        "wrong issuer": sign(MARK, iss="https://elsewhere.example"),
    }
    environment = {"GMAIL_SYNC_JWT_AUDIENCE": AUDIENCE, "GMAIL_SYNC_JWT_ISSUER": ISSUER}
    with serving(service_url, tokens=OWN_TOKENS | environment) as running:
        yield Installation(running, sign, bad_tokens(sign) | others)


@contextmanager
def issuer(service_url: str) -> Iterator[Installation]:
    ours = {"aud": AUDIENCE, "iss": ISSUER}
    with local_issuer() as issuer:

        def sign(user_id: str | None, **more: object) -> str:
            return issuer.sign(claims(user_id, **{**ours, **more}))

        key_id = {"kid": issuer.kid}
        stranger = rsa.generate_private_key(65537, 2048)
        payload = claims(**ours)
        others = {
            "another key": jwt.encode(payload, stranger, "RS256", headers=key_id),
            "unknown key id": issuer.sign(payload, kid="unknown"),
            "no key id": jwt.encode(payload, issuer.key, "RS256"),
            "another algorithm": jwt.encode(payload, issuer.key, "RS512", headers=key_id),
            "another padding": jwt.encode(payload, issuer.key, "PS256", headers=key_id),
            "public key as secret": hmac_signed(payload, issuer.public_pem(), **key_id),
            "public key as secret, called RS256": with_alg(
                hmac_signed(payload, issuer.public_pem(), **key_id), "RS256"
            ),
            "no audience": sign(MARK, aud=None),
            "no issuer": sign(MARK, iss=None),
            "wrong issuer": sign(MARK, iss="https://elsewhere.example"),
        }
        with serving(service_url, tokens=issuer.environment) as running:
            yield Installation(running, sign, bad_tokens(sign) | others)


@pytest.fixture(
    params=[own_secret, own_secret_with_audience, issuer], ids=lambda each: each.__name__
)
def installation(request: pytest.FixtureRequest, service_url: str) -> Iterator[Installation]:
    with request.param(service_url) as installation:
        yield installation


@pytest.fixture
def http(installation: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=installation.running.url, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture
def of_ann(functions: Session) -> dict[str, str]:
    """What stands in the addresses of ann's things, by the parameter's name."""
    connect_account(functions, MARK)
    task_id: str = functions.value("start_sync_idempotent", MARK)
    claim(functions, task_id)
    list_page(functions, task_id, "m1")
    store(functions, task_id, stored("m1", subject=f"To {MARK}", body_html="<p>"))
    webhook = functions.row("add_webhook", MARK, f"https://app.example/{MARK}")
    assert webhook
    names = {"task_id": task_id, "message_id": "m1", "thread_id": "thread-m1"}
    return names | {"webhook_id": webhook["id"]} | NAMES_FOR_ALL


def carriers(token: str) -> list[dict[str, str]]:
    """The ways a token may be sent."""
    return [bearer(token), {"Cookie": f"{COOKIE}={token}"}]


def ask(
    http: httpx.Client, route: Route, things: dict[str, str], headers: dict[str, str]
) -> httpx.Response:
    """The answer, read; of an endless one the first event."""
    path = route.path.format(**things)
    with http.stream(route.method, path, headers=headers) as answer:
        is_endless = answer.headers.get("content-type", "").startswith("text/event-stream")
        content = next(answer.iter_bytes()) if is_endless else answer.read()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


def assert_refused(route: Route, answer: httpx.Response) -> None:
    if route.is_page:
        assert answer.status_code == 303, route
        assert answer.headers["location"].startswith("/sign-in?return_to=")
    else:
        assert answer.status_code == 401, route
        problem(answer, 401, "not_authenticated")


def test_exactly_the_listed_routes_are_open(running: Running) -> None:
    routes = Installation(running, str, {}).routes()
    assert {str(route) for route in routes if route.is_open} == OPEN
    assert len(routes) > len(OPEN)


def test_closed_routes_refuse_nobody_and_every_bad_token(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str]
) -> None:
    for route in installation.closed():
        assert_refused(route, ask(http, route, of_ann, {}))
        for token in installation.bad_tokens.values():
            for headers in carriers(token):
                assert_refused(route, ask(http, route, of_ann, headers))


def test_open_routes_answer_all_alike(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str]
) -> None:
    for route in installation.routes():
        if not route.is_open:
            continue
        plain = ask(http, route, of_ann, {})
        assert MARK not in plain.text, route
        for token in [*installation.bad_tokens.values(), installation.sign("bob")]:
            for headers in carriers(token):
                answer = ask(http, route, of_ann, headers)
                assert answer.status_code == plain.status_code, route
                assert MARK not in answer.text, route


@pytest.mark.parametrize("scope", [None, "operator"])
def test_another_user_gets_nothing_of_anns(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str], functions: Session,
    scope: str | None,
) -> None:  # fmt: skip
    connect_account(functions, "bob")
    before = functions.row("sync_status", MARK)
    for headers in carriers(installation.sign("bob", scope=scope)):
        for route in installation.closed():
            answer = ask(http, route, of_ann, headers)
            if str(route) in FOR_OPERATORS:
                assert (answer.status_code == 403) == (scope is None), route
                continue
            assert answer.status_code not in (401, 403), route
            assert answer.status_code < 500, route
            assert MARK not in answer.text, route
    assert functions.row("sync_status", MARK) == before
    assert functions.row("get_message", MARK, "m1") is not None


@pytest.mark.parametrize("carrier", [0, 1], ids=["header", "cookie"])
def test_the_user_gets_what_is_hers(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str], carrier: int
) -> None:
    headers = carriers(installation.sign(MARK))[carrier]
    shown = set()
    for route in installation.closed():
        answer = ask(http, route, of_ann, headers)
        if str(route) in FOR_OPERATORS:
            assert answer.status_code == 403, route
            continue
        if str(route) in NEEDS_GOOGLE:
            assert answer.json()["code"] in WITHOUT_GOOGLE, route
            continue
        assert answer.status_code not in (401, 403, 404), route
        assert answer.status_code < 500, route
        if MARK in answer.text:
            shown.add(str(route))
    assert {
        "GET /api/gmail/messages",
        "GET /api/gmail/messages/{message_id}",
        "GET /api/gmail/threads",
        "GET /api/gmail/threads/{thread_id}",
        "GET /api/gmail/sync/events",
        "GET /api/gmail/sync/history",
        "GET /api/gmail/sync/status",
        "GET /api/gmail/sync/{task_id}",
        "POST /api/gmail/sync/smart",
        "POST /api/gmail/sync/{task_id}/cancel",
    } <= shown


def test_no_page_of_another_site_changes_anything(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str], functions: Session
) -> None:
    before = functions.row("sync_status", MARK)
    for route in installation.routes():
        for site in OTHER_SITES if route.changes_something else ():
            for headers in carriers(installation.sign(MARK)):
                answer = ask(http, route, of_ann, headers | site)
                assert answer.status_code == 403, route
                if not route.is_page:
                    problem(answer, 403, "cross_site_request")
    assert functions.row("sync_status", MARK) == before


def test_our_own_page_may_ask(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str]
) -> None:
    cookie = carriers(installation.sign(MARK))[1]
    for site in (
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://behind.a.proxy"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": installation.running.url},
        {},
    ):
        answer = http.post("/api/gmail/sync/smart", headers=cookie | site)
        assert answer.status_code == 202, site


def test_a_bearer_token_goes_before_the_cookie(
    installation: Installation, http: httpx.Client, of_ann: dict[str, str]
) -> None:
    cookie = carriers(installation.sign(MARK))[1]

    def status(headers: dict[str, str]) -> httpx.Response:
        return http.get("/api/gmail/sync/status", headers=cookie | headers)

    assert status({}).json()["user_id"] == MARK
    assert status(bearer(installation.sign("bob"))).json()["user_id"] is None
    problem(status(bearer("rubbish")), 401, "not_authenticated")
    # As a proxy that asks for a password hands it on.
    assert status({"Authorization": "Basic YTpi"}).json()["user_id"] == MARK
