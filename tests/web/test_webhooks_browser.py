"""The page of webhooks in a real browser, with a receiver that gets the events."""

import pytest
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from service.i18n.translator import translator
from service.postgres.calls import Session
from tests.waiting import wait_until
from tests.web.conftest import CHROMIUM, WindowOf
from tests.web.test_accessibility import faults
from tests.webhooks.conftest import Receiver, added, receiver, sending  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
LANGUAGES = pytest.mark.parametrize(
    ("locale", "tag", "width"), [("en-GB", "en", 1280), ("zh-CN", "zh-Hans", 375)]
)


def fits(page: Page) -> bool:
    return bool(page.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth"))


@LANGUAGES
def test_a_webhook_is_added_tested_and_removed(
    window_of: WindowOf, service_url: str, functions: Session,
    receiver: Receiver,  # noqa: F811
    locale: str, tag: str, width: int,
) -> None:  # fmt: skip
    words = translator(tag).translate
    page = window_of("ann", width=width, locale=locale).page
    page.goto("/")
    page.get_by_role("link", name=words("common.part.webhooks"), exact=True).click()
    page.get_by_label(words("webhooks.address")).fill(receiver.url)
    page.get_by_label(words("webhooks.event.sync_failed")).uncheck()
    found = faults(page)
    page.get_by_role("button", name=words("webhooks.action.add")).click()
    secret = page.locator(".secret").inner_text()
    expect(page.locator("#done")).to_be_focused()
    expect(page.get_by_label(words("webhooks.address"))).to_have_value("")
    (webhook,) = functions.rows("list_webhooks", "ann")
    assert len(webhook["events"]) == 7
    found += faults(page)
    with sending(service_url):
        page.get_by_role("button", name=words("webhooks.action.test")).click()
        wait_until(lambda: receiver.received)
        # Nobody asks for it: the page looks again.
        expect(page.locator("#live .lines")).to_contain_text(words("webhooks.accepted"))
    got = receiver.received[0]
    assert Webhook(secret).verify(got.body, got.headers)["type"] == "webhook.test"
    assert fits(page)
    found += faults(page)
    remove = page.locator("#live").get_by_role("button", name=words("webhooks.action.remove"))
    dialog = page.get_by_role("dialog")
    remove.click()
    found += faults(page)
    dialog.get_by_role("button", name=words("common.keep")).click()
    expect(remove).to_be_focused()
    assert functions.rows("list_webhooks", "ann")
    remove.click()
    dialog.get_by_role("button", name=words("webhooks.action.remove")).click()
    expect(page.locator("#live")).to_have_text(words("webhooks.none"))
    assert functions.rows("list_webhooks", "ann") == []
    assert found == []


@LANGUAGES
@pytest.mark.parametrize("reason", ["not_public", "https_only"])
def test_a_private_address_is_refused_in_words(
    window_of: WindowOf, service_url: str, functions: Session,
    receiver: Receiver,  # noqa: F811
    locale: str, tag: str, width: int, reason: str,
) -> None:  # fmt: skip
    words = translator(tag).translate
    scheme = "https" if reason == "not_public" else "http"
    added(functions, f"{scheme}://127.0.0.1:{receiver.port}/{'long' * 50}")
    page = window_of("ann", width=width, locale=locale).page
    page.goto("/webhooks")
    with sending(service_url, allowed=()):
        page.get_by_role("button", name=words("webhooks.action.test")).click()
        expect(page.locator("#live")).to_contain_text(words(f"webhooks.reason.{reason}"))
    expect(page.locator("#live")).to_contain_text(words("webhooks.state.failing"))
    assert receiver.connections == 0
    assert fits(page)
    assert faults(page) == []


def test_a_replay_goes_on_where_it_stopped(window_of: WindowOf, functions: Session) -> None:
    webhook_id = added(functions, "https://app.example/hooks")["id"]
    page = window_of("ann").page
    page.goto("/webhooks")
    page.get_by_role("button", name="Replay").click()
    page.get_by_label("After change number").fill("0")
    found = faults(page)
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.locator("#done")).to_contain_text("✓ Replay")
    assert functions.rows("list_webhook_deliveries", "ann", webhook_id) == []
    assert found == []
