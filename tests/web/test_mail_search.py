"""The search of the list of mail: what it offers, keeps and says."""

import re
import shutil
import zoneinfo
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from service.web.mail import PAGE_SIZE
from service.web.mail_search import TERMS, hides_trash, label_term, sender_term, with_term
from tests.api.conftest import claim, connect_account, store, stored
from tests.web.conftest import BrowserOf
from tests.web.test_mail import follow, shown, subjects

LABELS = [
    'Work/Clients, "old" (2020) {x}',
    "日记 本",
    "-draft",
    "OR",
    "it's",
    "a:b",
    "שלום",
    "Plain",
]


@pytest.fixture
def task_id(functions: Session) -> str:
    connect_account(functions, "ann")
    task_id: str = functions.value("start_sync_idempotent", "ann")
    claim(functions, task_id)
    labels = [
        {"id": f"Label_{number}", "name": name, "type": "user"}
        for number, name in enumerate(LABELS)
    ]
    labels.append({"id": "INBOX", "name": "INBOX", "type": "system"})
    functions.rows("store_labels", task_id, Jsonb(labels))
    return task_id


@pytest.fixture
def ann(browser_of: BrowserOf, task_id: str) -> httpx.Client:
    return browser_of("ann")


def search(ann: httpx.Client, query: str, label: str = "") -> str:
    answer = ann.get("/mail", params={"q": query, "label": label})
    assert answer.status_code == 200, answer.text[:300]
    return answer.text


def chips(text: str) -> dict[str, str]:
    """The addresses of the chips on hits, by their terms."""
    listed = text[text.index('<ol class="card mail-list">') : text.index("</ol>")]
    found = re.findall(r'href="([^"]*)" title="[^"]*" data-term="([^"]*)"', listed)
    return {unescape(term): unescape(address) for address, term in found}


def parameters(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@pytest.mark.parametrize("number", range(len(LABELS)))
def test_a_click_on_a_label_finds_its_mail_however_it_is_named(
    ann: httpx.Client, functions: Session, task_id: str, number: int
) -> None:
    store(functions, task_id, stored("m1", label_ids=[f"Label_{number}"]), stored("m2"))
    found = shown(ann, chips(search(ann, "about"))[label_term("Label", {"Label": LABELS[number]})])
    assert subjects(found) == ["<mark>About</mark> m1"]
    assert 'class="notice warn"' not in found


@pytest.mark.parametrize(
    ("label_id", "term"), [("STARRED", "is:starred"), ("SENT", "in:sent"), ("DRAFT", "in:drafts")]
)
def test_a_click_on_a_label_of_gmail_uses_its_operator(
    ann: httpx.Client, functions: Session, task_id: str, label_id: str, term: str
) -> None:
    store(functions, task_id, stored("m1", label_ids=[label_id]), stored("m2"))
    assert subjects(shown(ann, chips(shown(ann, "/mail"))[term])) == ["About m1"]


def test_a_click_on_the_sender_adds_the_address_and_keeps_the_rest(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    bo = '"Bo, \\"Bo\\" <b@y.example>" <bo@x.example>'
    store(
        functions,
        task_id,
        stored("m1", sender=bo, label_ids=["Label_7"]),
        stored("m2", sender="bo@z.example", label_ids=["Label_7"]),
    )
    address = chips(search(ann, '"about" OR sail', "Label_7"))["from:bo@x.example"]
    assert parameters(address) == {
        "q": '"about" OR sail from:bo@x.example',
        "label": "Label_7",
    }
    found = shown(ann, address)
    assert subjects(found) == ["<mark>About</mark> m1"]
    # A second click changes nothing.
    assert chips(found)["from:bo@x.example"] == address


@pytest.mark.parametrize(
    ("sender", "term"),
    [
        ("Ann Li <a@x.example>", "from:a@x.example"),
        ("a@x.example", "from:a@x.example"),
        ("<a@x.example>", "from:a@x.example"),
        ("Ann Li", 'from:"Ann Li"'),
        ("小明 <明@例子.example>", "from:明@例子.example"),
        ('"a b"@x.example', "from:\"'a b'@x.example\""),
        ("???", None),
        ("", None),
    ],
)
def test_the_term_of_a_sender(sender: str, term: str | None) -> None:
    assert sender_term(sender) == term


@pytest.mark.parametrize(
    ("query", "added"),
    [
        ("", "is:read"),
        ("boat", "boat is:read"),
        ("boat is:read", "boat is:read"),
        ("a OR b", "a OR b is:read"),
        ('"open', 'is:read "open'),
        ("-(open", "is:read -(open"),
        ("{a b", "is:read {a b"),
        ("a OR", "is:read a OR"),
    ],
)
def test_a_term_is_added_where_nothing_takes_it_in(query: str, added: str) -> None:
    assert with_term(query, "is:read") == added


def test_each_operator_is_a_link_that_the_search_understands(ann: httpx.Client) -> None:
    text = search(ann, "boat", "Label_7")
    listed = text[text.index('id="terms"') : text.index("</dl>")]
    links = dict(re.findall(r'href="([^"]*)" data-term="([^"]*)"', listed))
    assert list(links.values()) == list(TERMS)
    for address, term in links.items():
        asked = parameters(unescape(address))
        assert asked["q"].startswith(f"boat {term}")
        assert asked["label"] == "Label_7"
    assert 'class="notice warn"' not in search(ann, " ".join(map("".join, TERMS.items())))


def test_what_is_not_understood_is_said(ann: httpx.Client) -> None:
    text = search(ann, "is:purple boat")
    assert "searched as words" in text
    assert "<code><bdi>is:purple</bdi></code>" in text


def test_where_nothing_is_found_the_page_says_what_to_do(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(functions, task_id, stored("m1", label_ids=["TRASH"]))
    text = search(ann, "about", "Label_7")
    assert "Nothing matches in Plain: <strong><bdi>about</bdi></strong>" in " ".join(text.split())
    everywhere = re.search(r'href="([^"]*)">Search all mail instead', text)
    assert everywhere is not None
    assert parameters(unescape(everywhere[1])) == {"q": "about"}
    text = shown(ann, unescape(everywhere[1]))
    assert "Search all mail instead" not in text
    hidden = re.search(r'Trash and spam were not searched. <a href="([^"]*)"', text)
    assert hidden is not None
    text = shown(ann, unescape(hidden[1]))
    assert subjects(text) == ["<mark>About</mark> m1"]
    assert "Trash and spam were not searched" not in text


@pytest.mark.parametrize(
    ("query", "label", "hides"),
    [
        ("boat", "", True),
        ("trash", "Label_7", True),
        ("in:anywhere boat", "", False),
        ("-IN:trash", "", False),
        ('label:"spam"', "", False),
        ("boat", "SPAM", False),
    ],
)
def test_whether_trash_is_hidden(query: str, label: str, hides: bool) -> None:
    assert hides_trash(query, label) is hides


def test_only_the_last_page_offers_to_search_trash(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(
        functions,
        task_id,
        *(stored(f"m{n}", internal_date=n, label_ids=["Label_7"]) for n in range(PAGE_SIZE + 1)),
    )
    first = search(ann, "in:plain about", "Label_7")
    assert "Trash and spam" not in first
    last = shown(ann, follow(first, "next"))
    assert subjects(last) == ["<mark>About</mark> m0"]
    assert "Trash and spam were not searched" in last
    newest = re.search(r'href="([^"]*)">Newest', last)
    assert newest is not None
    assert parameters(unescape(newest[1])) == {"q": "in:plain about", "label": "Label_7"}
    assert "Trash and spam" not in shown(ann, "/mail")


def test_a_search_that_stopped_early_says_so_and_goes_on(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    """Mail that is not indexed yet is read, so a search stops after some of it."""
    store(
        functions,
        task_id,
        stored("m0", internal_date=1000, subject="harvest"),
        *(stored(f"m{n}", internal_date=1_700_000_000_000 + n) for n in range(1, 150)),
    )
    first = search(ann, "harvest")
    assert subjects(first) == []
    assert "Nothing was found yet" in first
    assert re.search(r'It covers mail back to <time datetime="2023-11-14T', first)
    assert "Trash and spam" not in first
    address = follow(first, "next")
    assert parameters(address)["q"] == "harvest"
    assert subjects(shown(ann, address)) == ["<mark>harvest</mark>"]


@pytest.mark.parametrize(
    ("query", "words", "in_chinese"),
    [
        ("字" * 1001, "1,000 characters, at position 1,001", "超过 1,000 个（位置 1,001）"),
        ("a " * 301, "more than 300 words, at position 601", "超过 300 个（位置 601）"),
        ("(" * 21, "nested deeper than 20, at position 21", "超过 20 层（位置 21）"),
    ],
)
def test_a_search_that_is_refused_is_answered_beside_the_box(
    ann: httpx.Client, functions: Session, task_id: str, query: str, words: str, in_chinese: str
) -> None:
    store(functions, task_id, stored("m1"))
    answer = ann.get("/mail", params={"q": query, "label": "Label_7"})
    assert answer.status_code == 400
    assert words in answer.text
    assert f'value="{query.strip()}"' in answer.text
    assert 'aria-invalid="true" aria-describedby="refusal"' in answer.text
    # The text is in the box, and in none of the many links.
    assert answer.text.count(query.strip()) == 1
    assert "?q=&amp;label=INBOX" in answer.text
    assert "Nothing matches" not in answer.text
    chinese = ann.get("/mail", params={"q": query}, headers={"Accept-Language": "zh"}).text
    assert "无法执行此搜索" in chinese
    assert in_chinese in chinese


def test_a_long_search_is_kept_where_it_is_needed_only(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    number = PAGE_SIZE + 1
    store(functions, task_id, *(stored(f"m{n}", label_ids=["Label_7"]) for n in range(number)))
    query = "about " + "OR 合同条款 " * 70
    text = search(ann, query)
    assert len(subjects(text)) == PAGE_SIZE
    assert len(text) < 100_000
    assert parameters(follow(text, "next"))["q"] == query.strip()
    assert parameters(chips(text)["label:Plain"]) == {"q": "label:Plain"}


def test_a_hit_with_an_attachment_says_so(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    attached = {
        "part_id": "2", "filename": "x.pdf", "mime_type": "application/pdf", "size": 5,
        "content_id": None, "inline": False,
    }  # fmt: skip
    store(
        functions,
        task_id,
        stored("m1", attachments=[attached]),
        stored("m2", attachments=[attached | {"inline": True}]),
    )
    text = search(ann, "about")
    assert text[text.index('<ol class="card') :].count(">With attachment<") == 1
    found = shown(ann, chips(text)["has:attachment"])
    assert subjects(found) == ["<mark>About</mark> m1"]


def test_the_way_back_leads_to_the_page_of_the_list(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    store(functions, task_id, stored("m1", thread_id="t1"))
    place = "/mail?q=about+OR+sail&label=Label_7&before=m2"
    for address in ["/mail/threads/t1", "/mail/messages/m1"]:
        for came_from, back in [
            (f"https://mail.example{place}", place),
            ("https://mail.example/mail", "/mail"),
            ("https://mail.example/mail/threads/t1?message=m1", "/mail"),
            ("https://[", "/mail"),
            (None, "/mail"),
        ]:
            headers = {"Referer": came_from} if came_from else {}
            text = ann.get(address, headers=headers).text
            found = re.search(r'href="([^"]*)">Back to the list', text)
            assert found is not None
            assert unescape(found[1]) == back


@pytest.fixture
def martian_time(tmp_path: Path) -> Iterator[str]:
    """A time zone that Python knows, but Postgres does not."""
    known = zoneinfo.TZPATH
    utc = next(Path(each, "UTC") for each in known if Path(each, "UTC").exists())
    shutil.copy(utc, tmp_path / "Mars")
    zoneinfo.reset_tzpath(to=[str(tmp_path), *known])
    yield "Mars"
    zoneinfo.reset_tzpath(to=known)


def test_a_time_zone_that_postgres_does_not_know_is_utc(
    ann: httpx.Client, functions: Session, task_id: str, martian_time: str
) -> None:
    store(functions, task_id, stored("m1", internal_date=1_700_000_000_000))
    ann.cookies.set("time_zone", martian_time)
    assert len(subjects(search(ann, "after:2023/11/14 before:2023/11/15"))) == 1
    assert ann.get("/mail", params={"q": "a" * 1001}).status_code == 400


def test_days_of_a_search_are_those_of_the_browser(
    ann: httpx.Client, functions: Session, task_id: str
) -> None:
    # 22:13 of 14 November in UTC.
    store(functions, task_id, stored("m1", internal_date=1_700_000_000_000))
    assert subjects(search(ann, "after:2023/11/15")) == []
    ann.cookies.set("time_zone", "Asia%2FTokyo")
    assert len(subjects(search(ann, "after:2023/11/15"))) == 1


@pytest.mark.parametrize(
    ("query", "columns", "marked"),
    [
        ("北京", {"body_text": "天" * 500 + "我们在北京见面"}, "我们在<mark>北京</mark>见面"),
        ("cafe", {"body_text": "x " * 300 + "le CAFÉ noir"}, "le <mark>CAFÉ</mark> noir"),
        ("חשבון", {"body_text": "שלום " * 90 + "הנה חשבון חדש"}, "הנה <mark>חשבון</mark> חדש"),
        ("مرحبا", {"body_text": "سَلَامٌ " * 300 + "مَرْحَبًا بك"}, "<mark>مَرْحَبًا</mark> بك"),
        ("straße", {"body_text": "ß é " * 900 + "Strasse 5"}, "<mark>Strasse</mark> 5"),
        ("cafe", {"body_text": "e\u0301 " * 900 + "cafe\u0301 5"}, "<mark>cafe\u0301</mark> 5"),
        ("from:bo@x.example", {"sender": "Ann <bo@x.example>"}, "&lt;<mark>bo</mark>@<mark>x<"),
        ("from:bo", {"sender": '"Li, Bo" <li@x.example>'}, "<bdi>Li, <mark>Bo</mark></bdi>"),
    ],
)
def test_hits_are_marked_in_every_script_and_the_snippet_is_around_them(
    ann: httpx.Client,
    functions: Session,
    task_id: str,
    query: str,
    columns: dict[str, str],
    marked: str,
) -> None:
    store(functions, task_id, stored("m1", **columns))
    assert marked in search(ann, query)


def test_a_search_is_there_after_signing_in(browser_of: BrowserOf, task_id: str) -> None:
    wanted = str(httpx.URL("/mail", params={"q": "会议纪要 " * 40, "label": "Label_1"}))
    led = browser_of(None).get(wanted)
    assert parse_qs(urlsplit(led.headers["location"]).query)["return_to"] == [wanted]
    form = browser_of(None).get(led.headers["location"])
    assert form.status_code == 200
