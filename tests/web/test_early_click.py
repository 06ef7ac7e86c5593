"""A click counts once, also before the scripts of its page have arrived, and without them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from service.postgres.calls import Connection, Session
from tests.api.conftest import Running, serving
from tests.web.conftest import CHROMIUM, WindowOf
from tests.web.contents import Contents

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

SCRIPTS = "**/static/**/*.js"
PAGES = (
    "/",
    "/mail?q=minutes",
    "/mail/threads/t0",
    "/mail/messages/m0",
    "/webhooks",
    "/operator",
    "/operator/webhooks",
    "/sign-in",
    "/mail/messages/nowhere",
)


@pytest.fixture
def running(service_url: str) -> Iterator[Running]:
    with serving(service_url, GMAIL_SYNC_DEMO_USER="demo") as running:
        yield running


class SlowLine:
    """Delivers no script before `deliver()`. `changes` are the POSTs of its pages."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._held: list[Route] = []
        self.changes: list[str] = []
        context.route(SCRIPTS, self._hold)
        context.on("request", self._count)

    def _hold(self, route: Route) -> None:
        self._held.append(route)

    def _count(self, request: Request) -> None:
        if request.method == "POST":
            self.changes.append(request.post_data or "")

    def deliver(self) -> None:
        """The scripts that were asked for, and from now on each at once."""
        for route in self._held:
            route.continue_()
        self._context.unroute(SCRIPTS)


def click_at_once(page: Page, address: str, name: str) -> None:
    page.goto(address, wait_until="commit")
    page.get_by_role("button", name=name).first.click()


@pytest.mark.parametrize(
    ("address", "name", "part", "shown"),
    [
        ("/", "Sync now", "#headline", "Waiting for a worker"),
        ("/", "Full sync", "#headline", "Waiting for a worker"),
        ("/operator", "Check consistency", "#done", "✓ Check consistency"),
        ("/operator", "Prune history", "#question", "Prune history"),
        ("/webhooks", "Send a test", "#done", "✓ Send a test"),
        ("/sign-in", "Sign in as demo", "#headline", "Never synced yet"),
    ],
)
def test_a_click_before_the_scripts_counts_once(
    window_of: WindowOf, functions: Session, address: str, name: str, part: str, shown: str
) -> None:
    functions.value("connect_account", "ann", "ann@mail.example", b"sealed", "unlimited")
    functions.rows("add_webhook", "ann", "https://app.example/", ["sync.failed"])
    page = (window := window_of("ann", "operator")).page
    line = SlowLine(window.context)
    click_at_once(page, address, name)
    expect(page.locator(part)).to_contain_text(shown)
    line.deliver()
    page.wait_for_load_state()
    expect(page.locator(part)).to_contain_text(shown)
    assert len(line.changes) == 1


def test_what_is_clicked_twice_while_the_scripts_arrive_is_one_sync(
    window_of: WindowOf, functions: Session, db: Connection
) -> None:
    functions.value("connect_account", "ann", "ann@mail.example", b"sealed", "unlimited")
    page = (window := window_of("ann")).page
    line = SlowLine(window.context)
    click_at_once(page, "/", "Sync now")
    line.deliver()
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#headline")).to_have_text("Waiting for a worker")
    assert len(db.execute("select from gmail_sync.user_sync_status").fetchall()) == 1


def test_an_attempt_that_began_before_the_scripts_is_shown_without_a_reload(
    window_of: WindowOf, functions: Session
) -> None:
    functions.rows("add_webhook", "ann", "https://app.example/", ["sync.failed"])
    page = (window := window_of("ann")).page
    line = SlowLine(window.context)
    click_at_once(page, "/webhooks", "Send a test")
    expect(page.locator("#done")).to_be_visible()
    (webhook,) = functions.rows("list_webhooks", "ann")
    functions.value("remove_webhook", "ann", webhook["id"])
    line.deliver()
    expect(page.locator("#live")).not_to_contain_text("https://app.example/")


def test_a_sync_works_without_scripts(
    window_of: WindowOf, functions: Session, db: Connection
) -> None:
    contents = Contents(functions, db)
    page = window_of("ann", java_script_enabled=False).page
    click_at_once(page, "/", "Sync now")
    expect(page.get_by_role("alert")).to_have_text("Connect Gmail first, then sync.")
    task_id = contents.fill()
    click_at_once(page, "/", "Cancel")
    expect(page.locator("#headline")).to_have_text("The sync was cancelled")
    assert (functions.row("sync_run", task_id) or {})["outcome"] == "cancelled"
    click_at_once(page, "/", "Try again now")
    expect(page.locator("#headline")).to_have_text("Waiting for a worker")
    assert (functions.row("sync_status", "ann") or {})["task_id"] != task_id


def test_each_button_of_each_page_sends_a_form(
    window_of: WindowOf, functions: Session, db: Connection
) -> None:
    """So none needs a script, which may not have arrived yet."""
    contents = Contents(functions, db)
    contents.fill()
    contents.trouble()
    window = window_of("ann", "operator", java_script_enabled=False)
    count = 0
    for address in PAGES:
        window.page.goto(address)
        buttons = window.page.locator("button")
        kinds = buttons.evaluate_all("all => all.map(each => each.form && each.type)")
        assert set(kinds) <= {"submit"}, address
        count += len(kinds)
    assert count > 20
    window.complaints.clear()  # a page is missing
