"""Which origin is ours, whatever a proxy writes into the requests that it passes on."""

from itertools import product

import httpx
import pytest

from service.origin import origin_of
from service.postgres.calls import Session
from tests.api.conftest import Running, bearer, connect_account, problem, serving, token
from tests.waiting import PATIENCE_SECONDS

PUBLIC = "https://sync.example.org"
# What proxies make of the host and of X-Forwarded headers.
HOSTS = ["127.0.0.1:8000", "sync.example.org", "sync.example.org:8000", "upstream", "evil.example"]
FORWARDED: list[dict[str, str]] = [
    {},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sync.example.org"},
    {"X-Forwarded-Port": "8443", "X-Forwarded-For": "203.0.113.7"},
    {"Forwarded": 'for=203.0.113.7;host="evil.example";proto=https'},
]
OTHER_ORIGINS = [
    "https://evil.example",
    "http://sync.example.org",
    "https://sync.example.org:8443",
    "https://www.sync.example.org",
    "https://sync.example.org.evil.example",
    "https://evil.example/sync.example.org",
    "https://evil.example@sync.example.org.evil.example",
    "null",
    "file://",
    "https://",
    "https://[::1",
    "https://sync.example.org:port",
]


def ask(running: Running, origin: str, host: str | None = None, **more: str) -> httpx.Response:
    """A change that a browser asks for which sends no Sec-Fetch-Site."""
    headers = bearer(token("ann")) | {"Origin": origin} | more
    if host is not None:
        headers["Host"] = host
    return httpx.post(
        f"{running.url}/api/gmail/sync/smart", headers=headers, timeout=PATIENCE_SECONDS
    )


def test_the_public_url_decides_whatever_the_proxy_writes(
    service_url: str, functions: Session
) -> None:
    connect_account(functions, "ann")
    with serving(service_url, GMAIL_SYNC_PUBLIC_URL=PUBLIC) as running:
        for host, forwarded in product(HOSTS, FORWARDED):
            assert ask(running, PUBLIC, host, **forwarded).status_code == 202, (host, forwarded)
            for origin in ("https://evil.example", "https://127.0.0.1:8000"):
                answer = ask(running, origin, host, **forwarded)
                problem(answer, 403, "cross_site_request")
        for origin in OTHER_ORIGINS:
            problem(ask(running, origin), 403, "cross_site_request")


@pytest.mark.parametrize(
    ("public", "origin"),
    [
        ("https://Sync.Example.ORG", "https://sync.example.org"),
        ("https://sync.example.org:443", "https://sync.example.org"),
        ("https://sync.example.org", "https://sync.example.org:443"),
        ("https://sync.example.org:8443", "https://sync.example.org:8443"),
        ("https://sync.example.org/gmail", "https://sync.example.org"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://[2001:DB8:0:0:0:0:0:1]", "https://[2001:db8::1]"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_one_origin_has_many_spellings(
    service_url: str, functions: Session, public: str, origin: str
) -> None:
    connect_account(functions, "ann")
    with serving(service_url, GMAIL_SYNC_PUBLIC_URL=public) as running:
        assert ask(running, origin).status_code == 202
        problem(ask(running, f"{origin}0"), 403, "cross_site_request")


def test_without_a_public_url_the_host_decides(service_url: str, functions: Session) -> None:
    connect_account(functions, "ann")
    with serving(service_url, GMAIL_SYNC_PUBLIC_URL="") as running:
        for origin, host in [
            ("https://sync.lan", "sync.lan"),
            ("https://sync.lan", "Sync.LAN:443"),
            ("http://sync.lan:80", "sync.lan"),
            ("http://[::1]:8000", "[::1]:8000"),
        ]:
            assert ask(running, origin, host).status_code == 202, (origin, host)
        for origin, host in [
            ("https://evil.example", "sync.lan"),
            ("https://sync.lan", "sync.lan:80"),
            ("null", "sync.lan"),
        ]:
            problem(ask(running, origin, host), 403, "cross_site_request")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "sync.lan",
        "ftp://sync.lan",
        "https://",
        "http://:8",
        "http://a@b",
        "http://[::1]8",
    ],
)
def test_a_text_that_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        origin_of(text)
