"""Signing in at the provider in a real browser, in both languages."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from service.simulator import Decision, Simulator
from tests.api.conftest import EMAIL, OTHER_EMAIL, Running, serving
from tests.web.conftest import CHROMIUM, Window, WindowOf
from tests.web.test_accessibility import faults
from tests.web.test_oidc import environment, provider_with_people

pytestmark = [
    pytest.mark.gate,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
WORDS = {
    "en-GB": ("Sign in with 127.0.0.1", "may not sign in here", "Start again", "Sign out"),
    "zh-CN": ("用 127.0.0.1 登录", "不能在这里登录", "重新开始", "退出登录"),
}

SIGNED_OUT = {
    "en-GB": ("You are signed out", "Sign out of 127.0.0.1"),
    "zh-CN": ("您已退出登录", "退出 127.0.0.1"),
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with provider_with_people() as simulator:
        yield simulator


@pytest.fixture
def running(service_url: str, simulator: Simulator) -> Iterator[Running]:
    simulator.tokens.consent.decision = Decision(ask=True)
    with serving(service_url, **environment(simulator)) as running:
        yield running


def forgive(window: Window, simulator: Simulator) -> None:
    """Only the provider may be asked besides the service. It has no icon, and a refusal is 403."""
    window.complaints = [
        each
        for each in window.complaints
        if not each.startswith(f"asked {simulator.url}/")
        and "403" not in each
        and "404" not in each
    ]


@pytest.mark.parametrize("locale", WORDS)
def test_a_person_signs_in_and_out_with_clicks(
    window_of: WindowOf, simulator: Simulator, locale: str
) -> None:
    sign_in, refused, again, sign_out = WORDS[locale]
    window = window_of(None, locale=locale)
    page = window.page
    page.goto("/mail")
    assert faults(page) == []
    page.get_by_role("link", name=sign_in).click()

    page.get_by_role("link", name=OTHER_EMAIL).click()
    expect(page.get_by_role("alert")).to_contain_text(refused)
    assert faults(page) == []

    page.get_by_role("link", name=again).click()
    page.get_by_role("link", name=sign_in).click()
    page.get_by_role("link", name=EMAIL).click()
    page.wait_for_url("**/mail")
    page.locator(".menu > summary").click()
    expect(page.locator(".menu-body")).to_contain_text(EMAIL)
    page.get_by_role("button", name=sign_out).click()
    page.wait_for_url("**/sign-in")
    page.goto("/mail")
    page.wait_for_url("**/sign-in?return_to=**")
    forgive(window, simulator)


@pytest.mark.parametrize("locale", WORDS)
def test_a_person_signs_out_at_the_provider_and_cannot_go_back(
    window_of: WindowOf, simulator: Simulator, running: Running, locale: str
) -> None:
    sign_in, _, _, sign_out = WORDS[locale]
    title, go_on = SIGNED_OUT[locale]
    simulator.issuer.ends_sessions = True
    window = window_of(None, locale=locale)
    page = window.page

    def leave() -> None:
        page.goto("/mail")
        page.get_by_role("link", name=sign_in).click()
        page.get_by_role("link", name=EMAIL).click()
        page.wait_for_url("**/mail")
        page.locator(".menu > summary").click()
        page.get_by_role("button", name=sign_out).click()

    # The browser goes on by itself. With 204 it stays, and the page has a link.
    page.route("**/o/oauth2/v2/logout?*", lambda route: route.fulfill(status=204))
    with page.expect_request("**/o/oauth2/v2/logout?*"):
        leave()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert faults(page) == []
    page.unroute("**/o/oauth2/v2/logout?*")
    page.get_by_role("link", name=go_on).click()
    page.wait_for_url(f"{running.url}/sign-in")

    leave()
    page.wait_for_url(f"{running.url}/sign-in")
    assert simulator.requests.methods["logout"] == 2
    # The page before is the mail, which the browser has not kept.
    page.go_back()
    page.wait_for_url("**/sign-in?return_to=**")
    forgive(window, simulator)


def test_a_token_can_still_be_pasted(window_of: WindowOf) -> None:
    page = window_of(None).page
    page.goto("/sign-in")
    page.get_by_text("Sign in with a token").click()
    assert faults(page) == []
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
