"""The headers that browsers get with every answer."""

import asyncio
from typing import Any

import httpx
import pytest
from litestar.types import Receive, Scope, Send

from service.api.auth.security import CSP, HEADERS, PAGE_CSP, secured
from service.web.reference import REFERENCE_CSP
from tests.api.conftest import Running, bearer, token
from tests.api.test_auth_matrix import NAMES_FOR_ALL, Installation, ask

HSTS = "strict-transport-security"


def is_secured(answer: httpx.Response) -> bool:
    """Whether each header is there, once; how long an answer may be kept it may say itself."""
    found = {name: answer.headers.get_list(name) for name in HEADERS}
    kept = found.pop("Cache-Control")
    # What strangers sent is put into a sandbox besides.
    (policy,) = found.pop("Content-Security-Policy")
    return (
        len(kept) == 1
        and policy in (CSP, f"{CSP}; sandbox", PAGE_CSP, REFERENCE_CSP)
        and found == {name: [value] for name, value in HEADERS.items() if name in found}
    )


def test_every_route_answers_with_them(running: Running, nobody: httpx.Client) -> None:
    things = {"task_id": "t", "message_id": "m", "thread_id": "t", "webhook_id": "wh_0"}
    things |= NAMES_FOR_ALL
    for route in Installation(running, str, {}).routes():
        for headers in ({}, bearer(token("ann"))):
            answer = ask(nobody, route, things, headers)
            assert is_secured(answer), (route, answer.headers)
            assert HSTS not in answer.headers


def test_no_link_has_a_browser_ask_for_the_address_of_its_host(nobody: httpx.Client) -> None:
    assert nobody.get("/sign-in").headers["x-dns-prefetch-control"] == "off"


def test_errors_have_them_too(ann: httpx.Client, db: Any) -> None:
    db.execute("alter table gmail_sync.label rename to label_away")
    answers = [
        ann.get("/nope"),
        ann.delete("/api/gmail/sync/status"),
        ann.get("/api/gmail/messages?limit=0"),
        ann.get("/api/gmail/labels"),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 400, 500]
    assert all(is_secured(answer) for answer in answers)


def test_only_https_is_told_to_stay_with_https(nobody: httpx.Client) -> None:
    answer = nobody.get("/livez", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers[HSTS] == "max-age=31536000"
    assert is_secured(answer)


def test_an_answers_own_headers_go_before() -> None:
    own = [
        (b"Content-Security-Policy", PAGE_CSP.encode()),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]

    async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        pytest.fail("nothing is to be read")

    asyncio.run(secured(page)({"type": "http", "scheme": "http"}, receive, send))  # type: ignore[arg-type]

    headers = sent[0]["headers"]
    assert headers[:3] == own
    assert CSP.encode() not in dict(headers).values()
    assert (b"x-content-type-options", b"nosniff") in headers


def test_no_policy_lets_in_what_is_not_ours() -> None:
    for policy in (CSP, PAGE_CSP):
        directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["frame-ancestors"] == "'none'"
        assert "unsafe" not in policy
        assert "*" not in policy
    assert directives["base-uri"] == "'none'"
