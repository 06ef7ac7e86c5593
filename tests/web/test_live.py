"""The page of the sync in a real browser, as the sync goes on."""

import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from service.api.auth.tokens import COOKIE
from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from tests.api.conftest import (
    Running,
    claim,
    connect_account,
    list_page,
    serving,
    store,
    stored,
    token,
)
from tests.functions.conftest import only, set_run
from tests.web.conftest import CHROMIUM, PATIENCE_MILLISECONDS, WindowOf
from tests.web.test_sync import failing, hours_left

EVENTS = "**/api/gmail/sync/events"
# Whether anybody looks at a page is the browser's to say, and ours in a test.
LOOK_AWAY = (
    "(hidden) => { Object.defineProperty(document, 'hidden', { get: () => hidden,"
    " configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
)
# Before any timer of the page runs.
STREAMS_OPENED_BY_A_LOOK = (
    "() => { let opened = 0; const Stream = window.EventSource; window.EventSource ="
    " class extends Stream { constructor(url) { super(url); opened += 1; } };"
    f" ({LOOK_AWAY})(false); return opened; }}"
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture
def window(chromium: Browser, running: Running) -> Iterator[BrowserContext]:
    """Ann's browser. Whatever its pages complain about fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=running.url, locale="en-GB")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    sign_in(context, running)
    yield context
    context.close()
    assert complaints == []


def sign_in(context: BrowserContext, running: Running, seconds: int = 3600) -> None:
    value = token("ann", lifetime=timedelta(seconds=seconds))
    context.add_cookies([{"name": COOKIE, "value": value, "url": running.url}])


@pytest.fixture
def task_id(functions: Session) -> str:
    """Ann's running sync, which has listed ten messages."""
    connect_account(functions, "ann")
    task_id: str = functions.value("start_sync_idempotent", "ann", False, "api")
    claim(functions, task_id)
    list_page(functions, task_id, *(f"m{number}" for number in range(10)))
    functions.rows("take_messages", task_id, 25)
    return task_id


def says(page: Page, words: str) -> None:
    expect(page.locator("#headline")).to_have_text(words)


def store_some(functions: Session, task_id: str, *numbers: int) -> None:
    store(functions, task_id, *(stored(f"m{number}") for number in numbers))


def percent(page: Page) -> int:
    return int(page.locator("#bar").evaluate("bar => bar.value"))


@pytest.mark.parametrize(
    ("locale", "allowed", "offer", "day"),
    [
        (
            "en-GB",
            "Google allows 300 messages a minute; about 6 h left",
            "Google Takeout is faster",
            "Waiting for Google's daily quota until",
        ),
        (
            "zh-CN",
            "Google 每分钟允许获取 300 封邮件；大约还需 6 小时",
            "用 Google Takeout 更快",
            "等待 Google 的每日配额，至",
        ),
    ],
)
def test_what_google_allows_is_said_while_it_holds(
    window_of: WindowOf,
    functions: Session,
    db: Connection,
    locale: str,
    allowed: str,
    offer: str,
    day: str,
) -> None:
    task_id = hours_left(functions, db)
    page = window_of("ann", width=375, locale=locale).page
    page.goto("/")
    left, title = page.locator("#left"), page.get_by_role("heading", name=offer)
    expect(left).to_have_text(allowed)
    expect(title).to_be_visible()
    set_run(db, task_id, found=400, new=400, pending=0)
    expect(left).to_have_text("")
    expect(title).to_be_hidden()
    reset = only(db, "select gmail_sync._quota_reset_at(clock_timestamp())")
    functions.value("report_progress", task_id, reset)
    expect(page.locator("#headline")).to_contain_text(day)


def test_progress_comes_by_itself_to_the_end(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    page = window.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/")
    says(page, "Fetching 0 of 10")
    store_some(functions, task_id, 0, 1, 2)
    says(page, "Fetching 3 of 10")
    expect(page.locator("#count-new")).to_have_text("3")
    store_some(functions, task_id, *range(3, 10))
    functions.value("release_sync", task_id, None)
    says(page, "Up to date")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#history li").first).to_contain_text("10 new")
    # One stream, and the page once more when the run had ended: nothing is polled.
    assert len([url for url in asked if "/api/" in url]) == 1


def test_the_browser_says_what_the_server_said(
    window: BrowserContext, running: Running, task_id: str
) -> None:
    written = window.request.get("/").text()
    page = window.new_page()
    page.goto("/")
    says(page, "Fetching 0 of 10")
    for element_id in ("headline", "advice", "percent", "count-new", "count-failed"):
        text = page.locator(f"#{element_id}").text_content() or ""
        assert f'id="{element_id}">{text}<' in written, element_id


def test_ten_quick_clicks_are_one_sync(
    window: BrowserContext, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    page = window.new_page()
    page.goto("/")
    for _ in range(10):
        page.locator("[value=start]").click()
    says(page, "Waiting for a worker")
    page.reload()
    says(page, "Waiting for a worker")
    rows = db.execute("select task_id from gmail_sync.user_sync_status").fetchall()
    assert len(rows) == 1


def test_a_takeover_is_followed_without_a_jump(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    store_some(functions, task_id, *range(6))
    says(page, "Fetching 6 of 10")
    page.evaluate(
        "() => { window.seen = []; const bar = document.getElementById('bar');"
        " new MutationObserver(() => window.seen.push(bar.value))"
        ".observe(bar, { attributes: true, attributeFilter: ['value'] }); }"
    )
    before = percent(page)
    successor: str = functions.value("handover_sync", task_id, "draining")
    says(page, "Waiting for a worker")
    assert percent(page) == before
    claim(functions, successor)
    functions.rows("take_messages", successor, 25)
    store_some(functions, successor, 6, 7)
    says(page, "Fetching 8 of 10")
    seen = page.evaluate("() => window.seen")
    assert seen == sorted(seen)
    assert all(value >= before for value in seen)
    expect(page.locator("#history li").first).to_contain_text("Handed over")


def test_a_lost_connection_is_told_and_comes_back_by_itself(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    store_some(functions, task_id, 0)
    # Heard by the stream. What is on its way still when the line goes would be heard after it.
    says(page, "Fetching 1 of 10")
    expect(page.locator("#offline")).to_be_hidden()
    window.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    store_some(functions, task_id, 1, 2)
    window.set_offline(False)
    says(page, "Fetching 3 of 10")
    expect(page.locator("#offline")).to_be_hidden()


def test_coming_back_shows_the_truth_at_once(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    """As after a laptop was closed. What a hidden page does not show, it does not ask for."""
    page = window.new_page()
    page.goto("/")
    says(page, "Fetching 0 of 10")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
        page.evaluate(LOOK_AWAY, True)
    store_some(functions, task_id, *range(5))
    assert page.evaluate(STREAMS_OPENED_BY_A_LOOK) == 1
    says(page, "Fetching 5 of 10")


def test_a_run_that_is_no_takeover_begins_where_it_is(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    """While nobody looked the sync ended, and another began and was handed over."""
    page = window.new_page()
    page.goto("/")
    store_some(functions, task_id, *range(8))
    says(page, "Fetching 8 of 10")
    page.evaluate(LOOK_AWAY, True)
    store_some(functions, task_id, 8, 9)
    functions.value("release_sync", task_id, None)
    another: str = functions.value("start_sync_idempotent", "ann", True, "api")
    claim(functions, another)
    functions.value("handover_sync", another, "draining")
    page.evaluate(LOOK_AWAY, False)
    says(page, "Waiting for a worker")
    assert percent(page) == 0


def test_a_page_that_nobody_has_looked_at_asks_for_nothing(
    window: BrowserContext, task_id: str
) -> None:
    page = window.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.add_init_script(f"({LOOK_AWAY})(true)")
    page.goto("/")
    for event in ("offline", "online"):
        page.evaluate("name => { dispatchEvent(new Event(name)); }", event)
    with page.expect_request(EVENTS):
        page.evaluate(LOOK_AWAY, False)
    assert [path for path in asked if path.startswith("/api/")] == ["/api/gmail/sync/events"]


@pytest.mark.gate
def test_a_stream_that_is_refused_is_asked_for_ever_less(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    says(page, "Fetching 0 of 10")
    page.evaluate(LOOK_AWAY, True)
    times: list[float] = []

    def refuse(route: Route) -> None:
        times.append(time.monotonic())
        route.fulfill(status=502)

    page.route(EVENTS, refuse)
    page.evaluate(LOOK_AWAY, False)
    expect(page.locator("#offline")).to_be_visible()
    while len(times) < 4:
        with page.expect_response(EVENTS):
            pass
    # A busy machine delays what asks, so the pauses are longer, never shorter.
    assert times[2] - times[1] > 1.5
    assert times[3] - times[2] > 3
    page.unroute(EVENTS)
    page.evaluate("() => { dispatchEvent(new Event('online')); }")
    store_some(functions, task_id, 0)
    says(page, "Fetching 1 of 10")


def test_the_history_is_asked_for_until_it_comes(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    says(page, "Fetching 0 of 10")
    page.route(re.compile(r"/$"), lambda route: route.fulfill(status=503), times=1)
    with page.expect_response(lambda answer: answer.status == 503):
        functions.value("release_sync", task_id, "no more")
    says(page, "The sync failed")
    expect(page.locator("#history li").first).to_contain_text("no more")


def test_what_went_wrong_at_google_is_told_once(window: BrowserContext, running: Running) -> None:
    page = window.new_page()
    page.goto("/?connect_error=access_denied")
    expect(page.get_by_text("Gmail was not connected")).to_be_visible()
    page.wait_for_url(f"{running.url}/")
    page.reload()
    expect(page.get_by_text("Connect your Gmail")).to_be_visible()
    expect(page.get_by_text("Gmail was not connected")).to_be_hidden()


def test_a_full_sync_that_has_to_wait_is_told(
    window: BrowserContext, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    db.execute("update gmail_sync.account set history_id = 7")
    task_id: str = functions.value("start_sync_idempotent", "ann", False, "api")
    claim(functions, task_id)
    page = window.new_page()
    page.goto("/")
    expect(page.locator("#follow-up")).to_be_empty()
    page.get_by_role("button", name="Full sync").click()
    for _ in range(2):
        expect(page.locator("#follow-up")).to_have_text("A full sync follows.")
        page.reload()
    functions.value("release_sync", task_id, None)
    says(page, "Waiting for a worker")
    expect(page.locator("#follow-up")).to_be_empty()
    assert (functions.row("sync_status", "ann") or {})["sync_type"] == "full"


def test_messages_that_failed_are_tried_again_by_a_click(
    window: BrowserContext, functions: Session, db: Connection
) -> None:
    failing(functions, "malformed: no")
    functions.value("release_sync", (functions.row("sync_status", "ann") or {})["task_id"], None)
    page = window.new_page()
    page.goto("/")
    page.get_by_role("button", name="Try again now").click()
    says(page, "Waiting for a worker")
    expect(page.locator("#failed")).not_to_contain_text("given up")
    waiting = db.execute("select message_id from gmail_sync.fetch_queue where not dead").fetchall()
    assert [row["message_id"] for row in waiting] == ["m00"]


def test_a_menu_closes_with_escape(window: BrowserContext) -> None:
    page = window.new_page()
    page.goto("/")
    page.get_by_label("Account").click()
    expect(page.get_by_text("Signed in as ann")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Signed in as ann")).to_be_hidden()


def test_a_server_that_stops_is_told(
    window: BrowserContext, running: Running, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    says(page, "Fetching 0 of 10")
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    expect(page.locator("#offline")).to_be_visible()
    page.locator("[value=start]").click()
    expect(page.get_by_role("alert")).to_contain_text("Please try again in a moment.")
    stopping.join()


def test_a_server_that_comes_back_is_found_by_the_page_itself(
    window: BrowserContext,
    running: Running,
    service_url: str,
    google: Google,
    functions: Session,
    task_id: str,
) -> None:
    page = window.new_page()
    page.goto("/")
    says(page, "Fetching 0 of 10")
    running.stop()
    expect(page.locator("#offline")).to_be_visible()
    store_some(functions, task_id, 0, 1)
    with serving(service_url, google=google, port=urlsplit(running.url).port or 0):
        says(page, "Fetching 2 of 10")
        expect(page.locator("#offline")).to_be_hidden()
        page.close()


def test_an_expired_token_leads_to_sign_in_and_back(
    window: BrowserContext, running: Running, task_id: str
) -> None:
    sign_in(window, running, seconds=3)
    page = window.new_page()
    page.goto("/")
    page.wait_for_url("**/sign-in?return_to=%2F")
    page.get_by_label("Token").fill(token("ann"))
    page.get_by_role("button", name="Sign in").click()
    says(page, "Fetching 0 of 10")


def test_cancel_ends_the_sync_and_keeps_the_keyboards_place(
    window: BrowserContext, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    page.locator("[value=cancel]").press("Enter")
    says(page, "The sync was cancelled")
    expect(page.locator("[value=start]")).to_be_focused()


def test_a_click_without_an_account_says_what_to_do(window: BrowserContext) -> None:
    page = window.new_page()
    page.goto("/")
    page.locator("[value=start]").click()
    expect(page.get_by_role("alert")).to_have_text("Connect Gmail first, then sync.")


def test_a_missing_worker_is_told(
    window: BrowserContext, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    functions.value("start_sync_idempotent", "ann", False, "api")
    page = window.new_page()
    page.goto("/")
    says(page, "Waiting for a worker")
    db.execute(
        "update gmail_sync.user_sync_status set started_at = started_at - interval '11 s',"
        " not_before = not_before - interval '11 s'"
    )
    says(page, "Waiting: no worker is running")
    expect(page.locator("#advice")).to_contain_text("gmail-sync worker")


def test_screen_readers_are_told_of_steps_and_not_of_each_second(
    window: BrowserContext, functions: Session, task_id: str
) -> None:
    page = window.new_page()
    page.goto("/")
    page.evaluate(
        "() => { window.told = []; const place = document.getElementById('announcement');"
        " new MutationObserver(() => window.told.push(place.textContent))"
        ".observe(place, { childList: true }); }"
    )
    for number in range(2):
        store_some(functions, task_id, number)
        says(page, f"Fetching {number + 1} of 10")
    assert page.evaluate("() => window.told") == []
    store_some(functions, task_id, 2)
    says(page, "Fetching 3 of 10")
    assert page.evaluate("() => window.told") == ["Fetching 3 of 10 30%"]
