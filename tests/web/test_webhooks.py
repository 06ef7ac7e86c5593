"""The pages of webhooks, used without scripts."""

import re
from typing import Any

import httpx
import pytest

from service.i18n.translator import translator
from service.postgres.calls import Connection, Session
from tests.functions.conftest import only
from tests.functions.webhooks.test_webhooks import accept, claim
from tests.web.conftest import BrowserOf
from tests.webhooks.conftest import added

URL = "https://app.example/hooks"
OWN, FOR_ALL = "/webhooks", "/operator/webhooks"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def send(browser: httpx.Client, page: str = OWN, **fields: Any) -> str:
    answer = browser.post(page, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize(("page", "owner"), [(OWN, "ann"), (FOR_ALL, None)])
def test_the_secret_of_a_new_webhook_is_shown_once(
    browser_of: BrowserOf, functions: Session, page: str, owner: str | None
) -> None:
    ann = browser_of("ann", "operator")
    text = send(ann, page, action="add", url=f" {URL} ", events="sync.failed")
    assert SECRET.search(text)
    (webhook,) = functions.rows("list_webhooks", owner)
    assert (webhook["url"], webhook["events"]) == (URL, ["sync.failed"])
    shown = ann.get(page).text
    assert URL in shown
    assert not SECRET.search(shown)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "ftp://x"}, "This is not an http or https address"),
        ({"url": "https://u:p@x/"}, "This is not an http or https address"),
        ({"url": URL, "events": []}, "Choose at least one event."),
        ({"url": URL, "events": ["message.sent"]}, "Choose at least one event."),
    ],
)
def test_a_webhook_that_is_not_valid_is_refused_in_words(
    browser_of: BrowserOf, functions: Session, fields: dict[str, Any], words: str
) -> None:
    text = send(browser_of("ann"), **{"action": "add", "events": ["sync.failed"], **fields})
    assert words in text
    assert f'value="{fields["url"]}"' in text
    assert functions.rows("list_webhooks", "ann") == []


def test_content_is_sent_only_if_it_is_chosen(browser_of: BrowserOf, functions: Session) -> None:
    ann = browser_of("ann")
    words = "Events contain subject, people, date and beginning of messages</p>"
    send(ann, action="add", url=URL, events=["message.created"])
    assert words not in ann.get(OWN).text
    send(ann, action="add", url=URL, events=["message.created"], with_content="true")
    assert words in ann.get(OWN).text
    assert [row["with_content"] for row in functions.rows("list_webhooks", "ann")] == [False, True]


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_each_type_of_event_has_words_and_can_be_chosen(
    browser_of: BrowserOf, functions: Session, tag: str
) -> None:
    page = browser_of("ann").get(OWN).text
    for event in functions.value("webhook_event_types"):
        assert f'value="{event}"' in page
        assert f"webhooks.event.{event.replace('.', '_')}" in translator(tag).messages


def test_more_than_twenty_webhooks_are_refused_in_words(
    browser_of: BrowserOf, functions: Session
) -> None:
    for _ in range(20):
        added(functions, URL)
    text = send(browser_of("ann"), action="add", url=URL, events=["sync.failed"])
    assert "There are 20 webhooks" in text


def test_a_test_and_a_new_secret_need_one_click(browser_of: BrowserOf, functions: Session) -> None:
    webhook = added(functions, URL)
    ann = browser_of("ann")
    send(ann, action="test", webhook_id=webhook["id"])
    accept(functions, claim(functions)[0])
    assert "Accepted" in ann.get(OWN).text
    secret = SECRET.search(send(ann, action="rotate", webhook_id=webhook["id"]))
    assert secret
    assert secret[0] != webhook["secret"]


@pytest.mark.parametrize("action", ["replay", "remove"])
def test_it_asks_before_it_replays_or_removes(
    browser_of: BrowserOf, functions: Session, action: str
) -> None:
    webhook_id = added(functions, URL)["id"]
    ann = browser_of("ann")
    before = functions.rows("list_webhooks", "ann")
    assert "<dialog" in send(ann, action=action, webhook_id=webhook_id)
    assert functions.rows("list_webhooks", "ann") == before
    assert "✓" in send(ann, action=action, webhook_id=webhook_id, confirmed="true", after="")
    assert (functions.rows("list_webhooks", "ann") == []) == (action == "remove")


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19])
def test_a_change_number_that_is_none_is_refused_in_words(
    browser_of: BrowserOf, functions: Session, after: str
) -> None:
    webhook_id = added(functions, URL)["id"]
    fields = {"action": "replay", "webhook_id": webhook_id, "confirmed": "true"}
    assert "is not a number" in send(browser_of("ann"), **fields, after=after)


def test_a_disabled_webhook_says_why_and_a_replay_enables_it(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    webhook_id = added(functions, URL)["id"]
    db.execute(
        "update gmail_sync.webhook set failing_since = now(), disabled_at = now(),"
        " disabled_reason = 'it answered 410 Gone'"
    )
    ann = browser_of("ann")
    assert "it is gone" in ann.get(OWN).text
    assert "is disabled" in send(ann, action="test", webhook_id=webhook_id)
    send(ann, action="replay", webhook_id=webhook_id, confirmed="true")
    assert "Working" in ann.get(OWN).text


@pytest.mark.parametrize("owner", ["ann", None])
@pytest.mark.parametrize("action", ["test", "rotate", "replay", "remove"])
def test_a_webhook_of_another_is_not_found(
    browser_of: BrowserOf, functions: Session, owner: str | None, action: str
) -> None:
    webhook_id = added(functions, URL, owner)["id"]
    bob = browser_of("bob", "operator")
    text = send(bob, action=action, webhook_id=webhook_id, confirmed="true")
    assert "no longer exists" in text
    assert len(functions.rows("list_webhooks", owner)) == 1
    assert URL not in bob.get(OWN).text


def test_what_operators_change_for_all_is_recorded(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    ann = browser_of("ann", "operator")
    send(ann, FOR_ALL, action="add", url=URL, events=["sync.failed"])
    (webhook,) = functions.rows("list_webhooks", None)
    send(ann, FOR_ALL, action="remove", webhook_id=webhook["id"], confirmed="true")
    acts = only(db, "select array_agg(detail ->> 'action' order by id) from gmail_sync.audit_event")
    assert acts == ["add_webhook", "remove_webhook"]


def test_only_operators_are_led_to_the_webhooks_for_all(browser_of: BrowserOf) -> None:
    assert FOR_ALL not in browser_of("ann").get(OWN).text
    assert FOR_ALL in browser_of("ann", "operator").get(OWN).text
    assert browser_of("ann").get(FOR_ALL).status_code == 403
