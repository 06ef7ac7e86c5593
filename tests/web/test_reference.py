"""The API reference in a real browser."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from service.postgres.calls import Session
from tests.api.conftest import Running, connect_account
from tests.web.conftest import CHROMIUM, WindowOf
from tests.web.test_accessibility import faults

# Of Swagger UI: grey texts, headings below a button, links within one, and a list without a label.
OF_SWAGGER_UI = {"color-contrast", "heading-order", "nested-interactive", "select-name"}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def opened(page: Page, operation: str) -> None:
    page.goto("/schema")
    page.locator(f"#operations-{operation} .opblock-summary-control").click()


def try_it(page: Page, operation: str) -> str:
    """The status that the reference shows for a request that it sent."""
    block = page.locator(f"#operations-{operation}")
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    shown = block.locator(".live-responses-table .response-col_status").last
    return shown.inner_text().split()[0]


@pytest.mark.gate
@needs_chromium
def test_a_reader_tries_a_call_as_the_user_of_the_page(
    window_of: WindowOf, functions: Session
) -> None:
    connect_account(functions, "ann")
    page = window_of("ann").page
    opened(page, "Mail-list_messages")
    expect(page.get_by_text("Gmail's search operators").first).to_be_visible()
    assert try_it(page, "Mail-list_messages") == "200"
    opened(page, "Syncs-start_sync")
    assert try_it(page, "Syncs-start_sync") == "202"


@pytest.mark.gate
@needs_chromium
def test_it_can_be_read_by_everybody_as_far_as_it_is_ours(window_of: WindowOf) -> None:
    page = window_of(None, width=1280).page
    opened(page, "Mail-list_messages")
    page.locator(".responses-table").wait_for()
    assert {fault.split(": ")[1] for fault in faults(page)} <= OF_SWAGGER_UI


def test_nothing_may_be_loaded_from_elsewhere(nobody: httpx.Client, running: Running) -> None:
    answer = nobody.get("/schema")
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html")
    assert "'unsafe-eval'" not in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "<script>" not in answer.text
    assert answer.text.count("/static/") == 4
    assert nobody.get("/schema/openapi.json").headers["content-security-policy"] != policy
