"""The operators' page in a real browser: buttons that are answered in place, and asked about."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from service.api.auth.tokens import COOKIE
from service.postgres.calls import Connection, Session
from tests.api.conftest import Running, claim, connect_account, token
from tests.functions.conftest import claimed, shift
from tests.web.conftest import CHROMIUM, PATIENCE_MILLISECONDS
from tests.web.test_live import LOOK_AWAY

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
PAGE = re.compile(r"/operator$")
# A hidden part of a name is set off by a space.
CANCEL_ZOE = re.compile(r"Cancel sync\s*: zoe")


@pytest.fixture
def page(chromium: Browser, running: Running) -> Iterator[Page]:
    """Olga's. Whatever it complains about fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=running.url, locale="en-GB")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    olga = token("olga", "operator")
    context.add_cookies([{"name": COOKIE, "value": olga, "url": running.url}])
    yield context.new_page()
    context.close()
    assert complaints == []


@pytest.fixture
def zoe(functions: Session) -> str:
    """A user whose sync runs."""
    connect_account(functions, "zoe")
    claim(functions, functions.value("start_sync_idempotent", "zoe", False, "api"))
    return "zoe"


def open_page(page: Page) -> None:
    """It is alive once its modules are."""
    page.goto("/operator", wait_until="load")


def is_done(page: Page, words: str) -> None:
    expect(page.locator("#done")).to_have_text(words)


def test_a_button_is_answered_in_its_place(page: Page, functions: Session, db: Connection) -> None:
    shift(db, claimed(functions, "zoe"), "-5 min", "updated_at")
    open_page(page)
    expect(page.locator("#live")).to_contain_text("Zombie: no heartbeat")
    page.evaluate("() => { window.isTheSame = true; }")
    page.get_by_role("button", name="Reap zombies").first.click()
    is_done(page, "✓ Reap zombies")
    expect(page.locator("#done")).to_be_focused()
    expect(page.locator("#live")).not_to_contain_text("Zombie: no heartbeat")
    assert page.evaluate("() => window.isTheSame")


def test_what_ends_something_is_asked_about(page: Page, functions: Session, zoe: str) -> None:
    open_page(page)
    cancel = page.locator("#live").get_by_role("button", name=CANCEL_ZOE)
    dialog = page.get_by_role("dialog")
    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.get_by_role("button", name="Cancel", exact=True).press("Enter"),
    ):
        cancel.press("Enter")
        expect(dialog).to_contain_text(zoe)
        expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
        leave()
        expect(dialog).to_be_hidden()
        expect(cancel).to_be_focused()
    assert (functions.row("sync_status", zoe) or {})["is_syncing"]
    cancel.click()
    dialog.get_by_role("button", name="Cancel sync").click()
    is_done(page, "✓ Cancel sync: zoe")
    expect(dialog).to_be_hidden()
    assert (functions.row("sync_status", zoe) or {})["outcome"] == "cancelled"


def test_no_click_is_lost_while_another_is_answered(page: Page, zoe: str) -> None:
    open_page(page)
    held: list[Route] = []
    page.route(PAGE, lambda route: held.append(route), times=1)
    with page.expect_request(PAGE):
        page.get_by_role("button", name="Check consistency").click()
    page.get_by_role("button", name=CANCEL_ZOE).click()
    page.get_by_role("dialog").wait_for(state="detached")
    held[0].continue_()
    page.get_by_role("dialog").get_by_role("button", name="Cancel sync").click()
    is_done(page, "✓ Cancel sync: zoe")


def test_a_question_stays_until_it_is_answered(page: Page, zoe: str) -> None:
    open_page(page)
    held: list[Route] = []
    page.route(PAGE, lambda route: held.append(route), times=1)
    with page.expect_request(PAGE):
        page.get_by_role("button", name=CANCEL_ZOE).click()
    page.get_by_role("button", name="Enqueue due syncs").click()
    held[0].continue_()
    page.get_by_role("button", name="Cancel", exact=True).click()
    is_done(page, "✓ Enqueue due syncs")


@pytest.mark.parametrize(
    ("user_id", "words"),
    [(" ", "A user ID is required."), ("nobody", "No account has this user ID.")],
)
def test_a_wrong_user_id_is_told_in_place(page: Page, user_id: str, words: str) -> None:
    open_page(page)
    page.get_by_label("For one user").fill(user_id)
    page.get_by_role("button", name="Start sync").click()
    expect(page.locator("#result")).to_contain_text(words)
    expect(page.locator("#away")).to_be_hidden()


def test_refresh_shows_what_is_true_and_keeps_the_focus(
    page: Page, functions: Session, zoe: str
) -> None:
    open_page(page)
    connect_account(functions, "tim")
    functions.value("start_sync_idempotent", "tim", False, "api")
    cancel = page.locator("#live").get_by_role("button", name=CANCEL_ZOE)
    cancel.focus()
    page.evaluate(LOOK_AWAY, False)
    expect(page.locator("#live")).to_contain_text("tim")
    expect(cancel).to_be_focused()


def test_a_server_that_does_not_answer_is_told(page: Page, zoe: str) -> None:
    open_page(page)
    refresh = page.get_by_role("link", name="Refresh")
    page.route(PAGE, lambda route: route.abort(), times=1)
    refresh.click()
    expect(page.locator("#away")).to_be_visible()
    expect(page.locator("#live")).to_contain_text(zoe)
    refresh.click()
    expect(page.locator("#away")).to_be_hidden()


def test_whoever_is_signed_out_is_led_to_sign_in(page: Page) -> None:
    open_page(page)
    page.context.clear_cookies()
    page.get_by_role("link", name="Refresh").click()
    page.wait_for_url("**/sign-in?return_to=%2Foperator")
