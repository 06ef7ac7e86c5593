"""Hostile mail in a real browser, all the way from the mailbox through a sync to the page."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, Route

from service import logs
from service.api.auth.tokens import COOKIE
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Session
from service.simulator import Simulator
from service.worker.worker import Worker
from tests.api.conftest import EMAIL, KEY, Running, token
from tests.waiting import wait_until
from tests.web.conftest import CHROMIUM
from tests.web.test_mail_html import HOSTILE

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

EVIL = "</title></bdi>\"'><img src=x onerror=alert(1)><script>alert(1)</script>"
PIXEL = (
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    b"AABJRU5ErkJggg=="
)
MAIL = (
    b"Message-ID: <evil@evil.example>\r\nSubject: %(evil)s\r\nFrom: %(evil)s <e@evil.example>\r\n"
    b"To: %(evil)s <ann@mail.example>\r\nX-Evil: %(evil)s\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/related; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%(html)s\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <own@evil>\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n%(pixel)s\r\n"
    b'--b\r\nContent-Type: text/html; name="<script>alert(1)</script>.html"\r\n'
    b"Content-Disposition: attachment\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n"
)
HTML = (
    "<p id=hello>Hello</p><a href=https://elsewhere.example/page>a link</a><img src=cid:own@evil>"
    "<img src=https://pics.example/remote.png>{hostile}"
)


@dataclass
class Visit:
    """A page, and what came of looking at it."""

    page: Page
    home: str
    elsewhere: list[Request] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.context.route(lambda url: not url.startswith(self.home), self._refuse)
        self.page.on("dialog", self._dismiss)

    def _refuse(self, route: Route) -> None:
        """Nothing leaves this machine, whatever asks."""
        self.elsewhere.append(route.request)
        route.abort()

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def body(self) -> str:
        """The mail's HTML as the browser has it, once it is there."""
        frame = self.page.frame_locator("iframe.mail-frame").first
        frame.locator("text=Hello").wait_for()
        return str(frame.locator("body").inner_html())


@pytest.fixture
def message_id(simulator: Simulator, google: Google, functions: Session, service_url: str) -> str:
    """The one message of ann's mailbox, synced."""
    html = HTML.format(hostile="<p>".join(HOSTILE))
    values = {"evil": EVIL.encode(), "html": html.encode(), "pixel": PIXEL}
    mailbox = simulator.add_mailbox(EMAIL, "access", "refresh")
    mailbox.create_label(EVIL)
    message_id = mailbox.insert(MAIL % {name.encode(): value for name, value in values.items()})
    sealed = CredentialCipher([KEY]).encrypt({"token": "access"})
    functions.value("connect_account", "ann", EMAIL, sealed, "unlimited")
    task_id = functions.value("start_sync_idempotent", "ann")
    worker = Worker(service_url, google, 1, logs.configure("warning"))
    worker.start()
    try:
        wait_until(lambda: (functions.row("sync_run", task_id) or {})["outcome"] == "succeeded")
    finally:
        worker.stop()
    return message_id


@pytest.fixture
def visit(chromium: Browser, running: Running, message_id: str) -> Iterator[Visit]:
    with closing(chromium.new_context()) as context:
        context.add_cookies([{"name": COOKIE, "value": token("ann"), "url": running.url}])
        visit = Visit(context.new_page(), running.url)
        visit.watch()
        yield visit


def test_hostile_mail_runs_nothing_and_asks_nobody(visit: Visit, message_id: str) -> None:
    addresses = ["/mail", "/mail?q=hello", f"/mail/messages/{message_id}"]
    for address in [*addresses, f"/mail/messages/{message_id}/body"]:
        visit.page.goto(f"{visit.home}{address}", wait_until="load")
    visit.page.goto(f"{visit.home}/mail")
    visit.page.click(".mail-subject")
    assert "<script" not in visit.body()
    assert EVIL in visit.page.locator("h1").inner_text()
    assert visit.page.locator("main script, main img").count() == 0
    assert (visit.dialogs, visit.elsewhere) == ([], [])


def test_a_frame_would_run_nothing_even_if_a_script_were_left(
    visit: Visit, message_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second lock holds without the first."""
    monkeypatch.setattr("service.web.sanitize.sanitize", lambda html, remote_images: html)
    for address in (f"/mail/messages/{message_id}", f"/mail/messages/{message_id}/body"):
        visit.page.goto(f"{visit.home}{address}", wait_until="load")
        visit.page.wait_for_load_state("networkidle")
    assert visit.dialogs == []
    # Navigations of the frame itself, as by <meta refresh>, are all that a sandbox lets through.
    assert {request.resource_type for request in visit.elsewhere} <= {"document"}


def test_images_come_when_they_are_asked_for(visit: Visit, message_id: str) -> None:
    visit.page.goto(f"{visit.home}/mail/messages/{message_id}")
    assert "remote.png" not in visit.body()
    with visit.page.expect_request("https://pics.example/remote.png") as asked:
        visit.page.click("text=Show images")
    assert "referer" not in asked.value.headers
    assert "data:image/png;base64,iVBOR" in visit.body()
    assert visit.page.url.endswith(message_id)
    assert {request.url for request in visit.elsewhere} >= {"https://pics.example/remote.png"}
    assert visit.dialogs == []


def test_links_of_a_mail_open_apart_and_tell_nothing(visit: Visit, message_id: str) -> None:
    visit.page.goto(f"{visit.home}/mail/messages/{message_id}")
    visit.body()
    link = visit.page.frame_locator("iframe.mail-frame").get_by_text("a link", exact=True)
    with visit.page.expect_popup():
        link.click()
    (request,) = visit.elsewhere
    assert request.url == "https://elsewhere.example/page"
    assert "referer" not in request.headers
    assert visit.page.url.endswith(message_id)


def test_a_long_label_makes_no_phone_wider(visit: Visit, message_id: str) -> None:
    visit.page.set_viewport_size({"width": 375, "height": 700})
    visit.page.goto(f"{visit.home}/mail/messages/{message_id}")
    width = visit.page.evaluate(
        """() => {
          const label = `<span class="tag"><bdi>${"label".repeat(50)}</bdi></span>`;
          document.querySelector(".mail-actions").insertAdjacentHTML("afterbegin", label);
          return document.documentElement.scrollWidth;
        }"""
    )
    assert width == 375
