"""The search box in a real browser: suggestions by keyboard and mouse, chips, and the way back."""

import pytest
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from tests.api.conftest import claim, connect_account, store, stored
from tests.web.conftest import CHROMIUM, WindowOf

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture
def mail(functions: Session) -> None:
    connect_account(functions, "ann")
    task_id = functions.value("start_sync_idempotent", "ann")
    claim(functions, task_id)
    labels = [
        {"id": "Label_1", "name": "Work/Clients (2020)", "type": "user"},
        {"id": "Label_2", "name": "日记", "type": "user"},
    ]
    functions.rows("store_labels", task_id, Jsonb(labels))
    bo, zoe = "Bo <bo@x.example>", "Zoe <zoe@x.example>"
    store(
        functions,
        task_id,
        stored("m1", sender=bo, label_ids=["INBOX", "Label_1"], subject="The boat"),
        stored("m2", sender=bo, label_ids=["INBOX", "UNREAD"], subject="A boat"),
        stored("m3", sender=zoe, label_ids=["Label_2"], subject="No boat"),
    )


def options(page: Page) -> list[str]:
    return page.locator("#suggestions code").all_inner_texts()


def subjects(page: Page) -> list[str]:
    return page.locator(".mail-subject").all_inner_texts()


@pytest.mark.usefixtures("mail")
def test_a_term_is_picked_by_keyboard(window_of: WindowOf) -> None:
    page = window_of("ann").page
    page.goto("/mail")
    box = page.get_by_role("combobox", name="Search mail")
    box.focus()
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.type("boat -fr")
    option = page.get_by_role("option", name="from: Sender")
    expect(option).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", str(option.get_attribute("id")))
    page.keyboard.press("Enter")
    # An operator goes on to the values that the page knows.
    expect(box).to_have_value("boat -from:")
    assert options(page) == ["from:zoe@x.example", "from:bo@x.example"]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(box).to_have_value("boat -from:bo@x.example ")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url("**/mail?q=boat+-from%3Abo%40x.example*")
    assert subjects(page) == ["No boat"]


@pytest.mark.usefixtures("mail")
def test_what_is_typed_is_searched_unless_a_suggestion_is_chosen(window_of: WindowOf) -> None:
    page = window_of("ann").page
    page.goto("/mail")
    box = page.get_by_label("Search mail")
    box.press_sequentially("is:un")
    assert options(page) == ["is:unread"]
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("is:un")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/mail?q=is%3Aun")
    expect(page.get_by_text("searched as words")).to_contain_text("is:un")


@pytest.mark.usefixtures("mail")
def test_labels_are_suggested_by_any_part_of_their_names(window_of: WindowOf) -> None:
    page = window_of("ann").page
    page.goto("/mail")
    box = page.get_by_label("Search mail")
    box.press_sequentially("boat label:cli")
    page.get_by_role("option", name='label:"Work/Clients (2020)"').click()
    expect(box).to_have_value('boat label:"Work/Clients (2020)" ')
    expect(box).to_be_focused()
    box.press_sequentially("-label:记")
    assert options(page) == ["label:日记"]
    page.keyboard.press("Escape")
    box.fill('boat label:"work/')
    assert options(page) == ['label:"Work/Clients (2020)"']
    # In the middle of a text, only what is before the caret is replaced.
    box.fill("is boat")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("is:unread  boat")


@pytest.mark.usefixtures("mail")
def test_chips_narrow_a_search_and_the_way_back_is_the_browsers(window_of: WindowOf) -> None:
    page = window_of("ann").page
    page.goto("/mail?q=boat")
    assert subjects(page) == ["No boat", "A boat", "The boat"]
    page.get_by_role("listitem").filter(has_text="A boat").get_by_role(
        "link", name="Bo", exact=True
    ).click()
    page.wait_for_url("**/mail?q=boat+from%3Abo%40x.example*")
    assert subjects(page) == ["A boat", "The boat"]
    page.locator(".mail-list").get_by_role("link", name="Work/Clients (2020)").click()
    expect(page.locator(".mail-subject")).to_have_count(1)
    expect(page.get_by_label("Search mail")).to_have_value(
        'boat from:bo@x.example label:"Work/Clients (2020)"'
    )
    page.go_back()
    page.go_back()
    assert subjects(page) == ["No boat", "A boat", "The boat"]
    expect(page.get_by_label("Search mail")).to_have_value("boat")
    # The link to the thread covers the rest of a row.
    row = page.get_by_role("listitem").filter(has_text="No boat")
    row.locator(".mail-date").click(force=True)
    page.wait_for_url("**/mail/threads/thread-m3?message=m3#m3")


@pytest.mark.usefixtures("mail")
def test_operators_are_links_without_scripts(window_of: WindowOf) -> None:
    page = window_of("ann", java_script_enabled=False).page
    page.goto("/mail?q=boat")
    page.get_by_text("Search operators").click()
    page.get_by_role("link", name="is:unread").click()
    page.wait_for_url("**/mail?q=boat+is%3Aunread*")
    assert subjects(page) == ["A boat"]
    expect(page.get_by_role("listbox")).to_be_hidden()
