"""The service behind a real nginx, whose settings are its defaults and the handbook's blocks."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from playwright.sync_api import Browser, expect

from service import logs
from service.demo.cluster import as_server_user, server_user
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Session
from service.simulator import Simulator
from service.simulator.generate import generate
from service.worker.worker import Worker
from tests.api.conftest import (
    EMAIL,
    KEY,
    PATIENCE_SECONDS,
    bearer,
    serving,
    token,
)
from tests.handbook.handbook import sections
from tests.ports import free_port
from tests.waiting import wait_until
from tests.web.conftest import CHROMIUM, PATIENCE_MILLISECONDS, Window

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
UPSTREAM = "http://127.0.0.1:8000"
# Less than its default of 60, for which the test of a quiet stream would have to wait.
READ_TIMEOUT_SECONDS = 25
# Several buffers of nginx, so that it would keep them if it did buffer.
MESSAGES = 300

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed: docker/install-postgres.sh --with-nginx"
)


def block(section: str) -> str:
    [found] = [block.code for block in sections()[section] if block.language == "nginx"]
    return found


PATH_OF_A_HOST = block("nginx with a path of a host")
BLOCKS = {
    "host": ("", block("nginx with a host of its own")),
    "path": ("/gmail", PATH_OF_A_HOST),
    "stripped path": ("/gmail", PATH_OF_A_HOST.replace(UPSTREAM, f"{UPSTREAM}/")),
}


@contextmanager
def nginx(location: str, port: int) -> Iterator[None]:
    """nginx with this location, and files of its own in place of the machine's."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off;\npid {folder}/pid;\nerror_log {folder}/log;\nevents {{}}\n"
            f"http {{\n{places}\naccess_log off;\nproxy_read_timeout {READ_TIMEOUT_SECONDS};\n"
            f"server {{\nlisten 127.0.0.1:{port};\n{location}}}\n}}\n"
        )
        os.chown(folder, *server_user())
        command = [str(NGINX), "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"]
        process = subprocess.Popen(as_server_user(command))
        try:
            wait_until(lambda: process.poll() is not None or answers(port))
            assert process.poll() is None, (folder / "log").read_text()
            yield
        finally:
            process.terminate()
            process.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=BLOCKS)
def home(
    request: pytest.FixtureRequest,
    service_url: str,
    google: Google,
    simulator: Simulator,
    functions: Session,
) -> Iterator[str]:
    """The public URL of a service with a worker, behind nginx. Ann's mailbox is connected."""
    simulator.add_mailbox(EMAIL, "access", "refresh", generate(MESSAGES))
    sealed = CredentialCipher([KEY]).encrypt({"token": "access"})
    functions.value("connect_account", "ann", EMAIL, sealed, "unlimited")
    functions.value("set_content_mode", "ann", "raw")
    prefix, location = BLOCKS[request.param]
    port = free_port()
    home = f"http://127.0.0.1:{port}{prefix}"
    worker = Worker(service_url, google, 1, logs.configure("warning"))
    with (
        serving(service_url, worker, google, GMAIL_SYNC_PUBLIC_URL=home) as running,
        nginx(location.replace(UPSTREAM, running.url), port),
    ):
        yield home


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_person_signs_in_and_sees_a_sync_finish_live(chromium: Browser, home: str) -> None:
    context = chromium.new_context(locale="en-GB", timezone_id="Asia/Shanghai")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    window = Window(context, context.new_page())
    window.watch(home)
    page = window.page
    page.goto(f"{home}/")
    page.wait_for_url(f"{home}/sign-in?return_to=%2F")
    page.get_by_label("Token").fill(token("ann"))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{home}/")
    headline = page.locator("#headline")
    expect(headline).to_have_text("Never synced yet")
    page.get_by_role("button", name="Sync now").click()
    expect(headline).to_have_text("Up to date")
    expect(page.locator("#history li")).to_contain_text(f"Succeeded {MESSAGES} new")
    page.get_by_role("link", name="Mail", exact=True).click()
    page.locator(".mail-subject").first.click()
    page.get_by_role("link", name="Details").last.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download original").click()
    assert download.value.url.startswith(f"{home}/api/gmail/messages/")
    paths = {cookie["name"]: cookie["path"] for cookie in context.cookies()}  # type: ignore[typeddict-item]
    path = httpx.URL(home).path.rstrip("/") or "/"
    assert paths == {"gmail_sync_token": path, "time_zone": path}
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{home}/sign-in")
    context.close()
    assert window.complaints == []


def test_events_pass_at_once_and_downloads_whole(home: str, functions: Session) -> None:
    with httpx.Client(headers=bearer(token("ann")), timeout=PATIENCE_SECONDS) as ann:
        with ann.stream("GET", f"{home}/api/gmail/sync/events") as events:
            lines = events.iter_lines()
            assert '"task_id":null' in next_data(lines)
            started = ann.post(f"{home}/api/gmail/sync/smart", headers={"Origin": origin(home)})
            assert started.status_code == 202, started.text
            while '"outcome":"succeeded"' not in next_data(lines):
                pass
        mbox = ann.get(f"{home}/api/gmail/export.mbox")
        assert len(re.findall(rb"^From ", mbox.content, re.M)) == MESSAGES


def test_pages_of_other_sites_are_refused(home: str) -> None:
    answer = httpx.post(
        f"{home}/api/gmail/sync/smart",
        headers=bearer(token("ann")) | {"Origin": "https://evil.example"},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.json()["code"] == "cross_site_request"


@pytest.mark.gate
@pytest.mark.parametrize("home", ["path"], indirect=True)
def test_a_stream_in_which_nothing_happens_outlives_the_timeout(home: str) -> None:
    began = time.monotonic()
    with httpx.stream(
        "GET",
        f"{home}/api/gmail/sync/events",
        headers=bearer(token("ann")),
        timeout=PATIENCE_SECONDS,
    ) as events:
        for _ in events.iter_raw():
            if time.monotonic() - began > READ_TIMEOUT_SECONDS + 5:
                return
    pytest.fail(f"the stream ended after {time.monotonic() - began:.0f} s")


def next_data(lines: Iterator[str]) -> str:
    return next(line for line in lines if line.startswith("data: "))


def origin(home: str) -> str:
    return str(httpx.URL(home).copy_with(path="")).rstrip("/")
