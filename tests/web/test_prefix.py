"""The service below a path of a host, such as /gmail, whether its proxy strips that or not."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import httpx
import pytest
import structlog

from service.app import create_app
from service.config import ConfigError
from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.postgres.pool import Pool
from service.web.static import FOLDER
from tests.api.conftest import (
    EMAIL,
    PATIENCE_SECONDS,
    Running,
    bearer,
    configuration,
    connect_account,
    serving,
    token,
)
from tests.web.conftest import TAKEOUT
from tests.web.contents import Contents

HOST, PREFIX = "https://apps.example.org", "/gmail"
PUBLIC = HOST + PREFIX
# Attributes of which a browser makes a request.
ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "manifest"}
# With an account that has to be connected, so that this link is shown too.
USERS = {"ann": ("operator",), "bob": ()}


class Links(HTMLParser):
    """The addresses in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, value) for name, value in attributes if name in ADDRESSES and value]


@dataclass(frozen=True)
class Proxy:
    """A client of a proxy: it knows public addresses, which the proxy forwards in its own way."""

    http: httpx.Client
    strips: bool

    def get(self, address: str, user: str | None = None, **headers: str) -> httpx.Response:
        return self.ask("GET", address, user, **headers)

    def ask(self, method: str, address: str, user: str | None, **headers: str) -> httpx.Response:
        parts = urlsplit(urljoin(PUBLIC + "/", address))
        assert f"{parts.scheme}://{parts.netloc}" == HOST, address
        assert parts.path == PREFIX or parts.path.startswith(PREFIX + "/"), address
        path = (parts.path.removeprefix(PREFIX) or "/") if self.strips else parts.path
        signed = bearer(token(user, *USERS[user])) if user else {}
        target = f"{path}?{parts.query}" if parts.query else path
        return self.http.request(method, target, headers=signed | {"Host": "upstream"} | headers)


@pytest.fixture(params=[True, False], ids=["stripped", "passed on"])
def strips(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def running(service_url: str, google: Google) -> Iterator[Running]:
    with serving(service_url, google=google, GMAIL_SYNC_PUBLIC_URL=PUBLIC) as running:
        yield running


@pytest.fixture
def proxy(running: Running, strips: bool) -> Iterator[Proxy]:
    with httpx.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as http:
        yield Proxy(http, strips)


@pytest.fixture
def contents(functions: Session, db: Connection) -> None:
    functions.value("connect_account", "bob", EMAIL, b"sealed", "unlimited")
    # More earlier runs than a page of the history shows.
    for _ in range(12):
        [run] = functions.rows("start_sync", "bob", False, "api")
        functions.value("cancel_sync", run["task_id"])
    contents = Contents(functions, db)
    contents.fill()
    contents.trouble()


@pytest.mark.usefixtures("contents")
def test_no_address_of_any_page_leaves_the_prefix(proxy: Proxy) -> None:
    seen: set[str] = set()
    for user in USERS:
        waiting = [f"{PREFIX}/", f"{PREFIX}/sign-in", f"{PREFIX}/operator", f"{PREFIX}/nope"]
        waiting.append(f"{PREFIX}/?before=sync_ann_00000000_1")
        while waiting:
            address = waiting.pop()
            if (user, address) in seen:
                continue
            seen.add((user, address))  # type: ignore[arg-type]
            answer = proxy.get(address, user, **{"Sec-Fetch-Dest": "document"})
            if "location" in answer.headers:
                assert answer.headers["location"].startswith((PREFIX + "/", "http://127.0.0.1"))
            if not answer.headers.get("content-type", "").startswith("text/html"):
                continue
            found = own(answer.text)
            # Each link of a search leads to a longer one.
            if "?q=" in address:
                assert all(each.startswith(f"{PREFIX}/") for each in found)
            else:
                waiting += [each for each in found if each not in waiting]
    paths = {urlsplit(address).path.removeprefix(PREFIX) for _, address in seen}
    shown = {re.sub(r"/[mt]\d\b|/[0-9a-f]{12}/", "/*/", path).rstrip("/") for path in paths}
    assert {
        "", "/mail", "/webhooks", "/operator", "/operator/webhooks", "/sign-in",
        "/sign-out", "/api/gmail/connect",
        "/mail/threads/*", "/mail/messages/*", "/mail/messages/*//body",
        "/api/gmail/messages/*//raw", "/api/gmail/messages/*//attachments/2",
        "/static/*/page.css", "/static/*/page.js", "/static/*/sync.js", "/static/*/icon.svg",
    } <= shown  # fmt: skip


def own(page: str) -> list[str]:
    """The addresses of this service in a page; a link of a mail may lead elsewhere."""
    found = [address for _, address in Links(page).found if not address.startswith("#")]
    elsewhere = [each for each in found if not each.startswith("/")]
    of_mail = ("https://mail.example/", "https://pics.example/")
    assert all(each.startswith((*of_mail, TAKEOUT)) for each in elsewhere), elsewhere
    return [each.partition("#")[0] for each in found if each.startswith("/")]


def test_scripts_make_every_address_in_one_place() -> None:
    for file in FOLDER.glob("*.js"):
        text = re.sub(r"^\s*(//|\*|/\*).*$", "", file.read_text("utf-8"), flags=re.M)
        bare = [each for each in re.findall(r"(.{4})[\"'`]/[\w$]", text) if each != "url("]
        assert bare == [], file.name


def test_whoever_is_signed_out_stays_below_the_prefix(proxy: Proxy) -> None:
    led = proxy.get(f"{PREFIX}/mail?q=a%26b")
    assert led.headers["location"] == f"{PREFIX}/sign-in?return_to=%2Fmail%3Fq%3Da%2526b"
    form = proxy.get(led.headers["location"])
    [action] = [value for tag, value in Links(form.text).found if tag == "form"]
    answer = proxy.http.post(
        action.removeprefix(PREFIX) if proxy.strips else action, data={"token": token("ann")}
    )
    assert answer.headers["location"] == f"{PREFIX}/mail?q=a%26b"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Secure-gmail_sync_token=")
    assert f"; Path={PREFIX};" in cookie
    assert {"Secure", "HttpOnly"} <= set(cookie.split("; "))

    signed = {"Cookie": cookie.partition(";")[0]}
    assert proxy.get(f"{PREFIX}/mail?q=a", None, **signed).status_code == 200
    # Another instance on this host has its own cookie.
    other = {"Cookie": signed["Cookie"].replace("__Secure-", "__Host-")}
    assert proxy.get(f"{PREFIX}/mail", None, **other).status_code == 303
    out = proxy.ask("POST", f"{PREFIX}/sign-out", None)
    assert out.headers["location"] == f"{PREFIX}/sign-in"
    assert f"; Path={PREFIX};" in out.headers["set-cookie"]
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_connecting_leads_through_google_and_back_below_the_prefix(
    proxy: Proxy, functions: Session
) -> None:
    begun = proxy.get(f"{PREFIX}/api/gmail/connect?return_to=/mail%3Flabel%3DINBOX", "ann")
    page = begun.headers["location"]
    assert parse_qs(urlsplit(page).query)["redirect_uri"] == [f"{PUBLIC}/api/gmail/callback"]
    cookie = begun.headers["set-cookie"]
    assert cookie.startswith("__Secure-gmail_sync_connect_")
    assert f"; Path={PREFIX};" in cookie
    consented = httpx.get(page, timeout=PATIENCE_SECONDS).headers["location"]
    back = proxy.get(consented, None, Cookie=cookie.partition(";")[0])
    assert back.status_code == 303, back.text
    assert back.headers["location"] == f"{PREFIX}/mail?label=INBOX"
    assert functions.rows("list_accounts", "ann")[0]["status"] == "connected"


def test_a_path_to_come_back_to_may_have_the_prefix_already(proxy: Proxy) -> None:
    for wanted in ("/mail", f"{PREFIX}/mail"):
        answer = proxy.http.post(f"/sign-in?return_to={wanted}", data={"token": token("ann")})
        assert answer.headers["location"] == f"{PREFIX}/mail"


@pytest.mark.parametrize("user_id", ["ann", "a/n+n %2F?"])
def test_the_api_answers_below_the_prefix(proxy: Proxy, functions: Session, user_id: str) -> None:
    functions.value("connect_account", user_id, "ann@mail.example", b"sealed", "unlimited")
    task_id = functions.value("start_sync_idempotent", user_id, False, "api")
    headers = bearer(token(user_id))
    address = f"{PREFIX}/api/gmail/sync/{quote(task_id, safe='')}"
    answer = proxy.get(address, None, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["task_id"] == task_id
    for path in ("/livez", "/readyz", "/metrics", "/api/gmail/sync/health"):
        assert proxy.get(PREFIX + path).status_code == 200
    pushed = proxy.ask("POST", f"{PREFIX}/api/gmail/push", None)
    assert pushed.json()["code"] == "push_not_configured"


def test_the_document_of_the_api_says_where_it_is(proxy: Proxy) -> None:
    answer = proxy.get(f"{PREFIX}/schema/openapi.json")
    assert answer.json()["servers"] == [{"url": PREFIX}]
    assert proxy.get(f"{PREFIX}/schema/other").json()["code"] == "not_found"


def test_events_come_below_the_prefix(proxy: Proxy, functions: Session) -> None:
    connect_account(functions, "ann")
    path = "/api/gmail/sync/events" if proxy.strips else f"{PREFIX}/api/gmail/sync/events"
    with proxy.http.stream("GET", path, headers=bearer(token("ann"))) as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        assert any(line.startswith("data: {") for line in answer.iter_lines())


Answer = Callable[..., httpx.Response]


@pytest.fixture
def home(service_url: str) -> Iterator[Answer]:
    """The home page of a service without a public URL, whose server may have a root_path."""
    with serving(service_url, GMAIL_SYNC_PUBLIC_URL="") as running:

        def get(path: str, root_path: str = "", **headers: str) -> httpx.Response:
            running.server.config.root_path = root_path
            return httpx.get(
                running.url + path,
                headers=bearer(token("ann")) | headers,
                timeout=PATIENCE_SECONDS,
            )

        yield get


@pytest.mark.parametrize("path", ["/", "/gmail", "/gmail/"])
@pytest.mark.parametrize("forwarded", ["/gmail", "/gmail/"])
def test_a_proxy_may_say_what_it_strips(home: Answer, path: str, forwarded: str) -> None:
    page = home(path, **{"X-Forwarded-Prefix": forwarded})
    assert page.status_code == 200
    assert f'href="{PREFIX}/mail"' in page.text
    assert all(each.startswith(PREFIX + "/") for each in own(page.text))


@pytest.mark.parametrize(
    "forwarded",
    [
        "//evil.example",
        "https://evil.example",
        "/a, /b",
        "/\\evil",
        '/"><script>',
        "/mail",
        "x",
    ],
)
def test_a_prefix_that_cannot_be_one_is_ignored(home: Answer, forwarded: str) -> None:
    page = home("/", **{"X-Forwarded-Prefix": forwarded})
    assert page.status_code == 200
    assert 'href="/mail"' in page.text


def test_a_public_url_goes_before_what_a_request_says(proxy: Proxy) -> None:
    page = proxy.get(f"{PREFIX}/sign-in", None, **{"X-Forwarded-Prefix": "/other"})
    assert all(each.startswith(PREFIX + "/") for each in own(page.text))


@pytest.mark.parametrize("path", ["/", "/gmail/"])
def test_the_servers_root_path_is_a_prefix(home: Answer, path: str) -> None:
    page = home(path, root_path=PREFIX)
    assert page.status_code == 200
    assert own(page.text)
    assert all(each.startswith(PREFIX + "/") for each in own(page.text))


@pytest.mark.parametrize("path", ["/mail", "/api/gmail", "/static", "/schema/x"])
def test_a_prefix_that_begins_like_an_address_of_ours_is_refused(
    service_url: str, path: str
) -> None:
    config = configuration(service_url, GMAIL_SYNC_PUBLIC_URL=HOST + path)
    with pytest.raises(ConfigError, match="GMAIL_SYNC_PUBLIC_URL has the path /"):
        create_app(config, Pool(service_url, "test", 1), None, structlog.get_logger())
