"""The pages of mail."""

import re
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from service.api.auth.security import PAGE_CSP
from service.mime.parse import parse_raw
from service.postgres.calls import Session
from service.web.mail import (
    BODY_CSP,
    BODY_WITH_IMAGES_CSP,
    FRAMING_CSP,
    PAGE_SIZE,
    THREAD_SIZE,
)
from service.web.mail_text import sender_name
from tests.api.conftest import claim, connect_account, store, stored
from tests.gmail.conftest import raw_message
from tests.web.conftest import BrowserOf

HOSTILE = "\"><script>alert(1)</script><b x='\ufdd0"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def task_id(functions: Session) -> str:
    """Ann's running sync; stores take it."""
    connect_account(functions, "ann")
    task_id: str = functions.value("start_sync_idempotent", "ann")
    claim(functions, task_id)
    labels = [
        {"id": "INBOX", "name": "INBOX", "type": "system"},
        {"id": "Label_1", "name": f"Garden {HOSTILE}", "type": "user"},
    ]
    functions.rows("store_labels", task_id, Jsonb(labels))
    return task_id


@pytest.fixture
def ann(browser_of: BrowserOf, task_id: str) -> httpx.Client:
    return browser_of("ann")


def attachment(**more: object) -> dict[str, Any]:
    return {
        "part_id": "1", "filename": "plan.pdf", "mime_type": "application/pdf", "size": 2048,
        "content_id": None, "inline": False, **more,
    }  # fmt: skip


def shown(client: httpx.Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def subjects(text: str) -> list[str]:
    return re.findall(r'class="mail-subject" [^>]*><bdi>(.*?)</bdi>', text)


def follow(text: str, rel: str) -> str:
    (address,) = re.findall(rf'rel="{rel}" href="([^"]*)"', text)
    return str(address).replace("&amp;", "&")


def test_mail_is_listed_newest_first_in_pages(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    count = PAGE_SIZE + 2
    store(
        functions, task_id, *(stored(f"m{n}", internal_date=n * 1000) for n in range(1, count + 1))
    )
    first = shown(ann, "/mail?label=INBOX")
    assert subjects(first) == [f"About m{n}" for n in range(count, 2, -1)]
    last = shown(ann, follow(first, "next"))
    assert subjects(last) == ["About m2", "About m1"]
    assert 'rel="next"' not in last
    assert "There is no older mail" in shown(ann, "/mail?before=m1")


def test_found_words_are_marked_and_nothing_else_is(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(
        functions,
        task_id,
        stored("m1", subject=f"Boat {HOSTILE}", sender="Bo At <b@x.example>", body_text="a boat"),
        stored("m2", subject="Sail", body_text=f"{HOSTILE} the boat {HOSTILE}"),
        stored("m3", subject="Other"),
    )
    assert "<mark>" not in shown(ann, "/mail")
    text = shown(ann, "/mail?q=boat")
    assert text.count("<mark>") == text.count("</mark>") == 3
    assert f"<mark>Boat</mark> &#34;&gt;{ESCAPED}" in text
    assert "<script>alert" not in text
    assert "Other" not in text
    assert 'value="boat"' in text


@pytest.mark.parametrize(
    "query", ["", "   ", "%00", "%ff%fe", "%0a", "a" * 900, "%27%22(%26|!:*", "%F0%9F%98%80"]
)
def test_no_search_fails(ann: httpx.Client, query: str) -> None:
    shown(ann, f"/mail?q={query}&label={query}")


def test_what_was_searched_is_text(ann: httpx.Client) -> None:
    text = ann.get("/mail", params={"q": HOSTILE, "label": HOSTILE}).text
    assert "<script>alert" not in text
    assert "Nothing matches in All mail" in text


def test_labels_filter_and_are_kept_by_a_search(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(functions, task_id, stored("m1", label_ids=["Label_1", "UNREAD"]), stored("m2"))
    text = shown(ann, "/mail?label=Label_1&q=about")
    assert len(subjects(text)) == 1
    assert 'class="unread"' in text
    assert '<input type="hidden" name="label" value="Label_1">' in text
    assert f"Garden &#34;&gt;{ESCAPED}" in text
    assert re.search(r'href="/mail\?q=about&amp;label=INBOX"', text)
    assert 'class="unread"' not in shown(ann, "/mail?label=INBOX")


def test_an_empty_mailbox_leads_to_the_sync(ann: httpx.Client) -> None:
    assert "There is no mail yet" in shown(ann, "/mail")


def test_a_thread_opens_its_newest_its_unread_and_the_one_asked_for(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    labels = {"m2": ["UNREAD"]}
    store(
        functions,
        task_id,
        *(
            stored(f"m{n}", thread_id="t", internal_date=n, label_ids=labels.get(f"m{n}", []))
            for n in range(1, 6)
        ),
    )
    text = shown(ann, "/mail/threads/t?message=m3")
    opened = re.findall(r'<details class="card message" id="(\w+)"( open)?>', text)
    assert opened == [("m1", ""), ("m2", " open"), ("m3", " open"), ("m4", ""), ("m5", " open")]


def test_a_long_thread_comes_in_pages(ann: httpx.Client, functions: Session, task_id: str) -> None:
    count = THREAD_SIZE + 1
    store(
        functions,
        task_id,
        *(stored(f"m{n}", thread_id="a/b", internal_date=n) for n in range(count)),
    )
    text = shown(ann, "/mail/threads/a%2Fb")
    assert text.count('<details class="card message"') == THREAD_SIZE
    assert 'href="/mail/threads/a%2Fb?upto=m0"' in text
    assert 'id="m0"' in shown(ann, "/mail/threads/a%2Fb?upto=m0")


def test_what_was_found_is_shown_however_far_back_it_is(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(
        functions,
        task_id,
        *(
            stored(f"m/{n}", thread_id="t", internal_date=n, subject="" if n else "harvest")
            for n in range(THREAD_SIZE + 1)
        ),
    )
    listed = shown(ann, "/mail?q=harvest")
    (address,) = re.findall(r'href="(/mail/threads/[^"]*)"', listed)
    assert address == "/mail/threads/t?message=m%2F0#m/0"
    assert '<details class="card message" id="m/0" open>' in shown(ann, address)
    assert f'id="m/{THREAD_SIZE}"' in shown(ann, "/mail/threads/t?message=gone")


def test_a_message_tells_all_there_is_as_text(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    evil = stored(
        "m1",
        subject=HOSTILE, sender=HOSTILE, recipients=HOSTILE, cc=HOSTILE, snippet=HOSTILE,
        body_text=f"{HOSTILE} see https://ok.example/?a=1&b=2.", label_ids=["Label_1"],
        headers=[{"name": HOSTILE, "value": HOSTILE}], defects=[HOSTILE],
        attachments=[attachment(filename=HOSTILE, mime_type=f"text/{HOSTILE}")],
    )  # fmt: skip
    store(functions, task_id, evil)
    for address in ("/mail", "/mail/threads/thread-m1", "/mail/messages/m1"):
        text = shown(ann, address)
        assert "<script>alert" not in text
        assert ESCAPED in text
    assert 'href="https://ok.example/?a=1&amp;b=2" target="_blank" rel="noopener noref' in text
    assert 'href="/api/gmail/messages/m1/attachments/1"' in text
    assert 'href="/api/gmail/messages/m1/raw"' in text
    assert "<iframe" not in text


def test_gmails_snippets_are_html(ann: httpx.Client, functions: Session, task_id: str) -> None:
    store(functions, task_id, stored("m1", snippet="It&#39;s &lt;b&gt; time"))
    assert "It&#39;s &lt;b&gt; time" in shown(ann, "/mail")


def test_attachments_lead_to_their_download(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    parts = [
        attachment(part_id="", filename="..\\..\\x\u202efdp.exe"),
        attachment(part_id="1/2", filename=None),
    ]
    store(functions, task_id, stored("a/b", attachments=parts))
    text = shown(ann, "/mail/messages/a%2Fb")
    assert 'href="/api/gmail/messages/a%2Fb/attachments"><bdi>x_fdp.exe</bdi>' in text
    assert 'href="/api/gmail/messages/a%2Fb/attachments/1%2F2"' in text
    # Or a browser would keep to itself that it cannot be had.
    assert "download>" not in text
    assert "attachment-1" in text


def test_html_is_shown_in_a_frame_that_can_do_nothing(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    html = "<p onclick=x>Hello <img src=https://pics.example/a.png></p><script>alert(1)</script>"
    store(functions, task_id, stored("m1", body_text=None, body_html=html))
    for address in ("/mail/messages/m1", "/mail/threads/thread-m1"):
        answer = ann.get(address)
        assert answer.headers["content-security-policy"] == FRAMING_CSP
        (frame,) = re.findall(r"<iframe[^>]*>", answer.text)
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame
        assert 'src="/mail/messages/m1/body"' in frame
        assert 'loading="lazy"' in frame
        assert 'href="/mail/messages/m1/body?images=true" target="body-m1"' in answer.text
    body = ann.get("/mail/messages/m1/body")
    assert body.headers["content-security-policy"] == BODY_CSP
    assert body.headers["referrer-policy"] == "no-referrer"
    assert "<p>Hello <img></p>" in body.text
    assert "script" not in body.text
    insert_images = ann.get("/mail/messages/m1/body?images=true")
    assert insert_images.headers["content-security-policy"] == BODY_WITH_IMAGES_CSP
    assert 'src="https://pics.example/a.png"' in insert_images.text


def test_policies_let_in_what_they_must_and_no_more() -> None:
    assert FRAMING_CSP.removeprefix(PAGE_CSP) == "; frame-src 'self'"
    for policy in (BODY_CSP, BODY_WITH_IMAGES_CSP):
        directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
        assert directives["default-src"] == directives["form-action"] == "'none'"
        assert directives["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
        assert "script-src" not in directives
    assert "https:" not in BODY_CSP


def test_text_is_chosen_where_there_are_both(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(functions, task_id, stored("m1", body_text="the text", body_html="<p>the html</p>"))
    assert 'href="/mail/messages/m1?plain=true"' in shown(ann, "/mail/messages/m1")
    plain = shown(ann, "/mail/messages/m1?plain=true")
    assert "the text" in plain
    assert "<iframe" not in plain


def test_html_that_cannot_be_cleaned_is_not_shown(
    ann: httpx.Client, functions: Session, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.web.sanitize.TIMEOUT_SECONDS", 0.2)
    store(functions, task_id, stored("m1", body_html="<div>" * 100_000))
    assert "too complex to show" in shown(ann, "/mail/messages/m1/body")


def test_a_long_text_is_cut_and_says_so(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(functions, task_id, stored("m1", body_text="word " * 80_000))
    thread = shown(ann, "/mail/threads/thread-m1")
    assert "Open its details to read all of it" in thread
    assert len(thread) < 40_000
    assert "Download the original to read" in shown(ann, "/mail/messages/m1")


def test_mail_of_others_is_not_there(
    ann: httpx.Client, browser_of: BrowserOf, functions: Session, task_id: str
) -> None:
    store(functions, task_id, stored("m1", subject="SECRET", body_html="<p>SECRET</p>"))
    bob = browser_of("bob", "operator")
    for address in ("/mail/messages/m1", "/mail/messages/m1/body", "/mail/threads/thread-m1"):
        answer = bob.get(address)
        assert answer.status_code == 404
        assert answer.content == bob.get(address.replace("m1", "no")).content
        assert ann.get(address).status_code == 200
    for address in ("/mail", "/mail?q=secret", "/mail?before=m1"):
        assert "SECRET" not in bob.get(address).text


def test_it_is_said_in_both_languages(ann: httpx.Client, functions: Session, task_id: str) -> None:
    store(functions, task_id, stored("m1", attachments=[attachment()], defects=["x"]))
    for address in ("/mail", "/mail?q=about", "/mail/threads/thread-m1", "/mail/messages/m1"):
        chinese = ann.get(address, headers={"Accept-Language": "zh-CN"}).text
        assert "邮件" in chinese
        for word in ("Search", "Inbox", "From", "Download", "attachment<", "wrong"):
            assert f">{word}" not in chinese


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Ann Li <a@x.example>", "Ann Li"),
        ('"Li, Ann" <a@x.example>', "Li, Ann"),
        (r'"Ann \"Nan\" \\ Li" <a@x.example>', r'Ann "Nan" \ Li'),
        ('"<boss@y.example>" <a@x.example>', "<boss@y.example>"),
        ('"Ann <a@x.example>', "Ann"),
        ("a@x.example", "a@x.example"),
        ("<a@x.example>", "<a@x.example>"),
    ],
)
def test_the_name_of_a_sender_is_shown_without_its_quotes(sender: str, name: str) -> None:
    assert sender_name(sender) == name


@pytest.mark.parametrize("first", ["text/plain", "text/html"])
def test_text_and_html_side_by_side_are_both_shown(
    ann: httpx.Client, functions: Session, task_id: str, first: str
) -> None:
    second = "text/html" if first == "text/plain" else "text/plain"
    source = (
        f"Subject: List\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: {first}\r\n\r\nThe news\r\n"
        f"--b\r\nContent-Type: {second}\r\n\r\nThe footer\r\n--b--"
    )
    parsed = parse_raw(raw_message(source.encode()))
    store(functions, task_id, stored("m1", body_text=parsed.body_text, body_html=parsed.body_html))

    page, thread = shown(ann, "/mail/messages/m1"), shown(ann, "/mail/threads/thread-m1")
    frames = re.findall(r'<iframe [^>]*src="([^"]*)"', page)

    assert re.search("The news.*The footer", shown(ann, frames[0]), re.DOTALL)
    assert frames[0] in thread
    assert re.search("The news.*The footer", shown(ann, "/mail/messages/m1?plain=true"), re.DOTALL)
    for word in ("news", "footer"):
        assert subjects(shown(ann, f"/mail?q={word}")) == ["About m1"]
