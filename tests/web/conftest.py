"""Pages, asked for as browsers do, and by a real one."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    expect,
    sync_playwright,
)

from service.api.auth.tokens import COOKIE
from tests.api.conftest import (  # noqa: F401  (fixtures)
    PATIENCE_SECONDS,
    Running,
    ann,
    connect_account,
    google,
    nobody,
    running,
    simulator,
    token,
)

# Where a person asks Google for an export.
TAKEOUT = "https://takeout.google.com"

CHROMIUM = shutil.which("chromium")
PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1000

BrowserOf = Callable[..., httpx.Client]
WindowOf = Callable[..., "Window"]


@pytest.fixture
def browser_of(
    running: Running,  # noqa: F811
) -> Iterator[BrowserOf]:
    """Makes browsers: browser_of("ann", "operator", **headers) is signed in as this user."""
    opened: list[httpx.Client] = []

    def open_browser(user_id: str | None, *scopes: str, **headers: str) -> httpx.Client:
        cookies = {COOKIE: token(user_id, *scopes)} if user_id else {}
        sent = {"Accept-Language": "en", **{k.replace("_", "-"): v for k, v in headers.items()}}
        opened.append(
            httpx.Client(
                base_url=running.url, cookies=cookies, headers=sent, timeout=PATIENCE_SECONDS
            )
        )
        return opened[-1]

    yield open_browser
    for client in opened:
        client.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of the module, for while Playwright runs no test can have an event loop of its own."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        args = [
            "--no-sandbox",
            # Nothing leaves this machine, whatever asks.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            # Where there is none, emulating it takes longer than painting does.
            "--disable-gpu",
        ]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


@dataclass
class Window:
    """A browser's window, and what its pages complained of, asked elsewhere or popped up."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def watch(self, home: str) -> None:
        # No route: that would cost each request a detour, and the browser its cache.
        self.context.on("request", lambda request: self._check(request.url, home))
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("console", self._hear)
        self.context.on("dialog", self._dismiss)

    def _check(self, url: str, home: str) -> None:
        if not url.startswith((f"{home}/", "data:")):
            self.complaints.append(f"asked {url}")

    def _hear(self, message: ConsoleMessage) -> None:
        """Errors: scripts that fail, files that are missing, what the policy refuses."""
        if message.type == "error":
            self.complaints.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"said {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def window_of(
    chromium: Browser,
    running: Running,  # noqa: F811
) -> Iterator[WindowOf]:
    """Opens windows: window_of("ann", "operator", width=375, locale="zh-CN") is signed in as this
    user. Whatever their pages complain of fails the test."""
    opened: list[Window] = []

    def open_window(
        user_id: str | None, *scopes: str, width: int = 1280, locale: str = "en-GB", **options: Any
    ) -> Window:
        context = chromium.new_context(
            base_url=running.url,
            viewport={"width": width, "height": 800},
            locale=locale,
            **options,
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        if user_id:
            signed_in = {"name": COOKIE, "value": token(user_id, *scopes), "url": running.url}
            context.add_cookies([signed_in])  # type: ignore[list-item]
        opened.append(Window(context, context.new_page()))
        opened[-1].watch(running.url)
        return opened[-1]

    yield open_window
    for window in opened:
        window.context.close()
    assert [window.complaints for window in opened] == [[]] * len(opened)
