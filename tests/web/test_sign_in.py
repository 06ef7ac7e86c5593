"""Signing in with a token, or in the demo with a click, and out again."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest

from service.api.auth.tokens import COOKIE
from service.config import ConfigError
from tests.api.conftest import PATIENCE_SECONDS, Running, configuration, serving, token
from tests.web.conftest import BrowserOf


@pytest.fixture
def demo(service_url: str) -> Iterator[httpx.Client]:
    with (
        serving(service_url, GMAIL_SYNC_DEMO_USER="demo") as running,
        httpx.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as client,
    ):
        yield client


def sign_in(browser: httpx.Client, pasted: str, path: str = "/sign-in") -> httpx.Response:
    return browser.post(path, data={"token": pasted})


def test_nobody_is_led_to_sign_in_and_back(browser_of: BrowserOf) -> None:
    browser = browser_of(None)
    led = browser.get("/?before=a%26b")
    assert led.status_code == 303
    page = browser.get(led.headers["location"])
    assert page.status_code == 200
    back = browser.post(led.headers["location"], data={"token": token("ann")})
    assert back.status_code == 303
    assert back.headers["location"] == "/?before=a%26b"
    assert browser.get(back.headers["location"]).status_code == 200


def test_a_change_is_not_what_one_comes_back_to(browser_of: BrowserOf) -> None:
    expired = token("ann", lifetime=timedelta(seconds=-1))
    led = browser_of(None).get("/", headers={"Cookie": f"{COOKIE}={expired}"})
    assert led.headers["location"] == "/sign-in?return_to=%2F"


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (f"/mail?q={'标' * 500}", "/mail"),
        (f"/mail/threads/t?message={'m' * 4000}", "/"),
        ("/mail?q=a\\b", "/mail"),
    ],
)
def test_whoever_was_at_an_address_that_cannot_be_kept_signs_in_all_the_same(
    browser_of: BrowserOf, address: str, wanted: str
) -> None:
    browser = browser_of(None)
    led = browser.get(address)
    assert led.headers["location"] == f"/sign-in?return_to={quote(wanted, safe='')}"
    assert browser.get(led.headers["location"]).status_code == 200


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_sent_elsewhere(browser_of: BrowserOf, place: str) -> None:
    answer = browser_of(None).post(
        "/sign-in", params={"return_to": place}, data={"token": token("ann")}
    )
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_the_cookie_is_out_of_reach_for_scripts_and_ends_with_the_token(
    browser_of: BrowserOf,
) -> None:
    cookie = sign_in(browser_of(None), f"  {token('ann')}\n").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    seconds = re.search(r"Max-Age=(\d+)", cookie)
    assert seconds
    assert 3500 < int(seconds[1]) <= 3600


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("", "Paste a token first"),
        ("abc", "This token is not valid"),
        (token("ann", lifetime=timedelta(hours=-1)), "has expired"),
    ],
)
def test_a_wrong_token_is_told_why(browser_of: BrowserOf, pasted: str, words: str) -> None:
    answer = sign_in(browser_of(None), pasted)
    assert answer.status_code == 401
    assert words in answer.text
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers
    assert not pasted or pasted not in answer.text


def test_no_other_site_signs_anybody_in_or_out(browser_of: BrowserOf) -> None:
    for path in ("/sign-in", "/sign-in/demo", "/sign-out"):
        answer = browser_of("ann", Sec_Fetch_Site="cross-site").post(path)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_signing_out_forgets_the_token(browser_of: BrowserOf) -> None:
    browser = browser_of(None)
    sign_in(browser, token("ann"))
    assert browser.get("/").status_code == 200
    out = browser.post("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert browser.get("/").status_code == 303


def test_the_demo_signs_in_with_one_click(demo: httpx.Client) -> None:
    assert "Sign in as demo" in demo.get("/sign-in").text
    clicked = demo.post("/sign-in/demo?return_to=/mail")
    assert (clicked.status_code, clicked.headers["location"]) == (303, "/mail")
    page = demo.get("/")
    assert page.status_code == 200
    assert 'href="/operator"' in page.text


def test_only_a_demo_on_this_machine_does(running: Running, demo: httpx.Client) -> None:
    assert httpx.post(f"{running.url}/sign-in/demo", timeout=PATIENCE_SECONDS).status_code == 404
    # As when another site's name is made to lead here.
    rebound = {"Host": "evil.example"}
    assert demo.post("/sign-in/demo", headers=rebound).status_code == 404
    assert "Sign in as demo" not in demo.get("/sign-in", headers=rebound).text
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert demo.post("/sign-in/demo", headers=forwarded).status_code == 404


def test_a_demo_user_is_refused_where_others_come(service_url: str) -> None:
    for environment, word in (
        ({"GMAIL_SYNC_PUBLIC_URL": "https://sync.example.org"}, "this machine"),
        ({"GMAIL_SYNC_JWT_SECRET": ""}, "GMAIL_SYNC_JWT_SECRET"),
    ):
        with pytest.raises(ConfigError, match=word):
            configuration(service_url, GMAIL_SYNC_DEMO_USER="demo", **environment)
