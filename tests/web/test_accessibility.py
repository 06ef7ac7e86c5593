"""Every page in a real browser: no rule of WCAG 2.1 (A, AA) is broken, nor what axe thinks good."""

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from service.postgres.calls import Connection, Session
from tests.web.conftest import CHROMIUM, WindowOf
from tests.web.contents import Contents
from tests.web.test_sync import hours_left

pytestmark = [
    pytest.mark.gate,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# What mail looks like in its frame is its sender's doing.
OPTIONS = {"runOnly": RULES, "resultTypes": ["violations"], "iframes": False}
PAGES = (
    "/",
    "/mail",
    "/mail?q=minutes",
    "/mail?q=nothing-has-this",
    "/mail?q=nothing:has&label=Label_1",
    f"/mail?q={'a+' * 301}",
    "/mail/threads/t0",
    "/mail/messages/m0",
    "/mail/messages/m2",
    "/webhooks",
    "/operator",
    "/operator/webhooks",
    "/operator?cause=zombie&worker=0badcafe",
    "/operator?runs_after=a&accounts_after=a&dead_letters_after=a",
    "/sign-in",
    "/mail/messages/nowhere",
)


def faults(page: Page) -> list[str]:
    """What is broken, and where."""
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [
        f"{page.url}: {each['id']}: {each['help']}: {node['html']} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]


@pytest.fixture
def contents(functions: Session, db: Connection) -> Contents:
    contents = Contents(functions, db)
    contents.fill()
    contents.trouble()
    return contents


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(
    window_of: WindowOf, contents: Contents, scheme: str, width: int, locale: str
) -> None:
    window = window_of("ann", "operator", width=width, locale=locale, color_scheme=scheme)
    found = []
    for address in PAGES:
        window.page.goto(address)
        found += faults(window.page)
    # A page is missing and a search is refused, and the browser says so.
    window.complaints = [
        each for each in window.complaints if "404" not in each and "400" not in each
    ]
    assert found == []


@pytest.mark.parametrize(("scheme", "locale"), [("light", "zh-CN"), ("dark", "en-GB")])
def test_a_first_sync_of_hours_can_be_followed_by_everybody(
    window_of: WindowOf, functions: Session, db: Connection, scheme: str, locale: str
) -> None:
    hours_left(functions, db)
    page = window_of("ann", width=375, locale=locale, color_scheme=scheme).page
    page.goto("/")
    page.locator("#takeout").wait_for()
    assert faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_on_a_page_can_be_used_by_everybody(
    window_of: WindowOf, contents: Contents, scheme: str
) -> None:
    page = window_of("ann", "operator", color_scheme=scheme).page
    page.goto("/")
    page.locator(".menu > summary").click()
    found = faults(page)
    page.goto("/operator")
    page.get_by_text("Show as a table").click()
    page.get_by_role("button", name="Prune history").click()
    page.locator("dialog[open]").wait_for()
    found += faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Check consistency").click()
    page.locator("#done").wait_for()
    found += faults(page)
    page.goto("/mail?q=minutes")
    page.get_by_text("Search operators").click()
    found += faults(page)
    page.get_by_label("Search mail").press_sequentially(" label:")
    page.keyboard.press("ArrowDown")
    found += faults(page)
    page.goto("/mail/messages/m0")
    for summary in page.locator("details.plain > summary").all():
        summary.click()
    assert found + faults(page) == []


def test_a_fault_would_be_found(window_of: WindowOf, contents: Contents) -> None:
    page = window_of("ann").page
    page.goto("/mail")
    page.evaluate(
        "() => { document.querySelector('label[for=q]').remove();"
        " document.querySelector('#q').removeAttribute('placeholder');"
        " document.querySelector('.mail-snippet').style.color = '#ccc'; }"
    )
    assert {each.split(": ")[1] for each in faults(page)} >= {"label", "color-contrast"}
