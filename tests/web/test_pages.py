"""What all pages have in common."""

import re
from datetime import UTC, datetime

import httpx
import pytest

from service.api.auth.security import PAGE_CSP
from service.i18n.translator import translator
from service.web.static import FOR_GOOD
from tests.api.conftest import problem
from tests.web.conftest import TAKEOUT, BrowserOf

PAGES = ["/", "/webhooks", "/sign-in"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("accepted", "tag"), [("en-GB", "en"), ("zh-CN", "zh-Hans")])
def test_a_page_speaks_the_browsers_language(
    browser_of: BrowserOf, path: str, accepted: str, tag: str
) -> None:
    answer = browser_of("ann", Accept_Language=accepted).get(path)
    assert answer.status_code == 200
    assert f'<html lang="{tag}"' in answer.text
    assert answer.headers["content-language"] == tag
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))
    assert answer.headers["content-security-policy"] == PAGE_CSP


@pytest.mark.parametrize("path", PAGES)
def test_a_page_holds_nothing_that_its_policy_would_refuse(
    browser_of: BrowserOf, path: str
) -> None:
    text = browser_of("ann").get(path).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    for script in re.findall(r"<script([^>]*)>", text):
        assert "src=" in script or 'type="application/json"' in script
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert address.startswith(("/", "#")) or address == TAKEOUT, address


def test_only_operators_are_shown_the_way_to_their_view(browser_of: BrowserOf) -> None:
    assert 'href="/operator"' not in browser_of("ann").get("/").text
    assert 'href="/operator"' in browser_of("ann", "operator").get("/").text


def test_a_user_id_is_text_and_nothing_else(browser_of: BrowserOf) -> None:
    text = browser_of('<b>"ann"&').get("/").text
    assert "<b>" not in text
    assert "&lt;b&gt;" in text


def test_files_are_kept_for_good_under_the_version_they_have(browser_of: BrowserOf) -> None:
    browser = browser_of(None)
    files = re.findall(r'(?:src|href)="(/static/[^"]*)"', browser.get("/sign-in").text)
    assert len(files) >= 3
    for address in files:
        answer = browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == FOR_GOOD
        assert answer.headers["x-content-type-options"] == "nosniff"
        old = browser.get(address.replace(address.split("/")[2], "0123456789ab"))
        assert old.content == answer.content
        assert old.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nope.css", "..%2fpages.py", "%2e%2e/pages.py"])
def test_no_other_file_is_served(browser_of: BrowserOf, name: str) -> None:
    assert browser_of(None).get(f"/static/x/{name}").status_code == 404


def test_errors_are_pages_for_people_and_problems_for_programs(
    browser_of: BrowserOf, ann: httpx.Client, functions: object
) -> None:
    browser = browser_of("ann")
    answer = browser.get("/sign-in?return_to=//evil.example")
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "Invalid address" in answer.text
    problem(ann.get("/api/gmail/messages/nope"), 404, "no_such_message")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nope", 404, "Page not found"),
        ("/api/gmail/callback?state=s&code=c", 400, "longer than ten minutes"),
        ("/api/gmail/messages/nope/raw", 404, "Page not found"),
    ],
)
def test_whoever_follows_a_link_is_shown_a_page_wherever_it_leads(
    browser_of: BrowserOf, functions: object, path: str, status: int, words: str
) -> None:
    answer = browser_of("ann", Sec_Fetch_Dest="document").get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"] == PAGE_CSP
    assert words in answer.text
    for_scripts = browser_of("ann", Sec_Fetch_Dest="empty").get(path)
    assert for_scripts.headers["content-type"] == "application/problem+json"


def test_whoever_is_signed_out_is_led_to_sign_in_and_on(browser_of: BrowserOf) -> None:
    led = browser_of(None, Sec_Fetch_Dest="document").get("/api/gmail/connect")
    assert led.status_code == 303
    assert led.headers["location"] == "/sign-in?return_to=%2Fapi%2Fgmail%2Fconnect"


@pytest.mark.parametrize(
    "zone", ["", "Mars/Base", "../../etc/passwd", "/etc/passwd", "America", "a" * 5000, "%00", "%"]
)
def test_a_time_zone_that_is_none_is_utc(browser_of: BrowserOf, zone: str) -> None:
    answer = browser_of("ann").get("/", headers={"Cookie": f"time_zone={zone}"})
    assert answer.status_code in (200, 303)
    shown = browser_of(None).get("/sign-in", headers={"Cookie": f"time_zone={zone}"}).text
    assert 'data-time-zone="UTC"' in shown


def test_the_browsers_time_zone_is_kept(browser_of: BrowserOf) -> None:
    shown = browser_of(None).get("/sign-in", headers={"Cookie": "time_zone=Asia%2FShanghai"}).text
    assert 'data-time-zone="Asia/Shanghai"' in shown


def test_dates_are_written_as_the_language_writes_them() -> None:
    at = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)
    assert translator("en").moment(at) == "1 Mar 2026, 09:05"
    assert translator("zh-Hans").moment(at) == "2026年3月1日 09:05"
    assert translator("en").clock(at) == "09:05:07 UTC"
