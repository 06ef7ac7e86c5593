"""What the page of the sync says as the server writes it."""

import re
import shlex
import time
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from psycopg.types.json import Jsonb

from service.api import run_text
from service.api.run_state import RunState, Stats
from service.i18n.translator import translator
from service.postgres.calls import Connection, Session
from tests.api.conftest import claim, connect_account, list_page, store, stored
from tests.web.conftest import BrowserOf

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER, BEFORE = NOW + timedelta(seconds=220), NOW - timedelta(minutes=1)
COUNTED = Stats(found=4150, new=1250, pending=2900)
WEIGHT, MILLISECONDS = 60_000, 100


def started(functions: Session, user_id: str = "ann") -> str:
    task_id: str = functions.value("start_sync_idempotent", user_id, False, "api")
    return task_id


def ended(functions: Session, error: str | None = None, user_id: str = "ann") -> str:
    """A run that has ended, with one new message unless it failed."""
    task_id = started(functions, user_id)
    claim(functions, task_id)
    if error is None:
        list_page(functions, task_id, "m1")
        functions.rows("take_messages", task_id, 25)
        store(functions, task_id, stored("m1"))
    functions.value("release_sync", task_id, error)
    return task_id


def failing(functions: Session, *errors: str) -> None:
    """Messages that were given up for these reasons, which the running run found."""
    connect_account(functions, "ann")
    task_id = started(functions)
    claim(functions, task_id)
    ids = [f"m{number:02}" for number in range(len(errors))]
    list_page(functions, task_id, *ids)
    for _ in range(0, len(ids), 25):
        functions.rows("take_messages", task_id, 25)
    failures = [
        {"message_id": message_id, "error_message": error, "permanent": True}
        for message_id, error in zip(ids, errors, strict=True)
    ]
    functions.rows("fail_messages", task_id, Jsonb(failures))


def text_of(html: str) -> str:
    """What there is to read."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def part_of(html: str, element_id: str) -> str:
    found = re.search(rf'id="{element_id}"[^>]*>(.*?)</', html, re.DOTALL)
    assert found, element_id
    return found[1].strip()


@pytest.mark.parametrize(
    ("run", "english"),
    [
        (RunState(), "Never synced yet"),
        (RunState(phase="queued"), "Waiting for a worker"),
        (RunState(phase="queued", worker_missing=True), "Waiting: no worker is running"),
        (RunState(phase="queued", not_before=LATER), "Retrying at 12:03:40 UTC"),
        (RunState(phase="queued", not_before=BEFORE), "Waiting for a worker"),
        (RunState(phase="queued", waiting_until=LATER), "Waiting for Gmail until 12:03:40 UTC"),
        (RunState(phase="waiting", waiting_until=LATER), "Waiting for Gmail until 12:03:40 UTC"),
        (RunState(phase="waiting", waiting_until=BEFORE), "Waiting for Gmail"),
        (
            RunState(phase="queued", waiting_until=LATER, waits_for="day_quota"),
            "Waiting for Google's daily quota until 1 Mar 2026, 12:03:40 UTC",
        ),
        (RunState(phase="listing", current_stats=COUNTED), "Listing: 4,150 found so far"),
        (RunState(phase="fetching", current_stats=COUNTED), "Fetching 1,250 of 4,150"),
        (RunState(phase="reconciling"), "Comparing with Gmail"),
        (RunState(phase="done", outcome="succeeded"), "Up to date"),
        (RunState(phase="done", outcome="failed"), "The sync failed"),
        (RunState(phase="done", outcome="cancelled"), "The sync was cancelled"),
        (RunState(phase="done", outcome="reaped"), "The sync lost its worker"),
        (RunState(phase="done", outcome="superseded"), "The sync was handed over"),
        (
            RunState(phase="done", outcome="reaped", successor="t"),
            "Another run continues this sync",
        ),
    ],
)
def test_each_state_is_said_in_words(run: RunState, english: str) -> None:
    assert run_text.describe(run, translator("en"), UTC, NOW).headline == english
    assert re.search(
        r"[\u4e00-\u9fff]", run_text.describe(run, translator("zh-Hans"), UTC, NOW).headline
    )


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_each_error_code_of_runs_has_a_sentence(db: Connection, tag: str) -> None:
    (row,) = db.execute(
        "select pg_get_constraintdef(oid) as text from pg_constraint"
        " where conname = 'known_error_code'"
    ).fetchall()
    (codes,) = (found.split(",") for found in re.findall(r"{(.*)}", row["text"]))
    assert translator(tag).section("sync.reason.").keys() == {
        f"sync.reason.{code}" for code in codes
    }
    for code in codes:
        (rules,) = db.execute(
            "select gmail_sync._run_violations(jsonb_build_object('error_code', %s::text)) broken",
            [code],
        ).fetchall()
        assert "known_error_code" not in rules["broken"]


def test_the_chinese_page_says_why_a_run_failed(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    task_id = started(functions)
    claim(functions, task_id)
    functions.value("release_sync", task_id, "Gmail is gone. (410)", "gmail_refused")
    html = browser_of("ann", Accept_Language="zh-CN").get("/").text
    said = re.findall(r'<p class="reason"[^>]*>(.*?)</p>', html)
    assert said == ["Google 拒绝了这次同步的请求。"] * 2
    (run,) = functions.rows("sync_run", task_id)
    assert (run["error_code"], run["error_message"]) == ("gmail_refused", "Gmail is gone. (410)")


def test_a_reason_without_a_code_is_said_in_english(
    browser_of: BrowserOf, functions: Session
) -> None:
    connect_account(functions, "ann")
    task_id = started(functions)
    claim(functions, task_id)
    functions.value("release_sync", task_id, "Adopted.")
    html = browser_of("ann", Accept_Language="zh-CN").get("/").text
    assert re.findall(r'<p class="reason"(.*?)</p>', html) == [
        ' id="reason" lang="en">Adopted.', ' lang="en">Adopted.',
    ]  # fmt: skip


def test_what_follows_a_sync_is_said_while_it_runs() -> None:
    run = RunState(is_syncing=True, phase="fetching", follow_up="full")
    assert run_text.describe(run, translator("en"), UTC, NOW).follow_up == "A full sync follows."
    assert (
        run_text.describe(run, translator("zh-Hans"), UTC, NOW).follow_up == "之后将进行完整同步。"
    )
    assert (
        run_text.describe(
            RunState(phase="done", follow_up="full"), translator("en"), UTC, NOW
        ).follow_up
        == ""
    )
    assert run_text.describe(RunState(is_syncing=True), translator("en"), UTC, NOW).follow_up == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (59, "59 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (9001, "3 h"),
        (172_799, "48 h"),
        (172_800, "2 days"),
    ],
)
def test_durations_are_in_a_unit_that_is_easy_to_read(seconds: int, words: str) -> None:
    assert run_text.duration(seconds, translator("en")) == words


@pytest.mark.parametrize(
    ("run", "english", "chinese"),
    [
        (RunState(), "", ""),
        (RunState(eta_seconds=50, messages_a_minute=300), "about 50 s left", "大约还需 50 秒"),
        (RunState(eta_seconds=7200), "about 2 h left", "大约还需 2 小时"),
        (
            RunState(eta_seconds=7200, messages_a_minute=3000),
            "Google allows 3,000 messages a minute; about 2 h left",
            "Google 每分钟允许获取 3,000 封邮件；大约还需 2 小时",
        ),
        (
            RunState(eta_seconds=400_000, messages_a_minute=1),
            "Google allows 1 message a minute; about 5 days left",
            "Google 每分钟允许获取 1 封邮件；大约还需 5 天",
        ),
        (
            RunState(eta_seconds=7200, messages_a_minute=300, waits_for="day_quota"),
            "about 2 h left",
            "大约还需 2 小时",
        ),
    ],
)
def test_the_time_left_says_what_google_allows(run: RunState, english: str, chinese: str) -> None:
    for tag, words in {"en": english, "zh-Hans": chinese}.items():
        assert run_text.describe(run, translator(tag), UTC, NOW).time_left == words


def hours_left(functions: Session, db: Connection, user_id: str = "ann") -> str:
    """A first sync that the quota makes take 5.7 hours."""
    connect_account(functions, user_id)
    functions.value("set_quota_profile", user_id, "google-standard")
    task_id = started(functions, user_id)
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2")
    functions.rows("take_messages", task_id, 25)
    db.execute(
        "update gmail_sync.user_sync_status set found = 100000, new = 300, pending = 99700"
        " where task_id = %s",
        [task_id],
    )
    db.execute("update gmail_sync.account set messages_total = 100000")
    return task_id


def test_a_first_sync_of_hours_offers_an_import(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    user_id = "o'neill"
    task_id = hours_left(functions, db, user_id)
    browser = browser_of(user_id)

    def offers() -> bool:
        (attributes,) = re.findall(
            r'<div class="notice" id="takeout"([^>]*)>', browser.get("/").text
        )
        status = browser.get("/api/gmail/sync/status").json()
        assert status["takeout_saves_time"] == ("hidden" not in attributes)
        return "hidden" not in attributes

    assert offers()
    html = browser.get("/").text
    assert part_of(html, "left") == "Google allows 300 messages a minute; about 6 h left"
    assert f"gmail-sync import {shlex.quote(user_id)} PATH" in unescape(html)
    assert 'href="https://takeout.google.com"' in html
    status = browser.get("/api/gmail/sync/status").json()
    assert status["messages_a_minute"] == 300
    assert status["eta_seconds"] == pytest.approx(99_700 / 300 * 61.2, rel=0.01)

    db.execute("update gmail_sync.user_sync_status set sync_type = 'incremental'")
    assert not offers()
    db.execute(
        "update gmail_sync.user_sync_status"
        " set sync_type = 'full', found = 10000, new = 0, pending = 10000"
    )
    assert not offers()
    functions.value("cancel_sync", task_id)
    assert not offers()


def test_the_first_answer_tells_the_state_and_every_count(
    browser_of: BrowserOf, functions: Session
) -> None:
    connect_account(functions, "ann")
    task_id = started(functions)
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2")
    functions.rows("take_messages", task_id, 25)
    store(functions, task_id, stored("m1"))
    html = browser_of("ann").get("/").text
    assert part_of(html, "headline") == "Fetching 1 of 2"
    assert part_of(html, "percent") == "50%"
    assert [part_of(html, f"count-{name}") for name in run_text.COUNTS] == ["1", *["0"] * 4]


def test_who_never_synced_sees_zeros(browser_of: BrowserOf) -> None:
    html = browser_of("ann").get("/").text
    assert part_of(html, "headline") == "Never synced yet"
    assert [part_of(html, f"count-{name}") for name in run_text.COUNTS] == ["0"] * 5
    assert "No syncs yet." in html


def test_times_are_the_browsers_own(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    task_id = started(functions)
    db.execute(
        "update gmail_sync.user_sync_status set waiting_until = now() + interval '1 h',"
        " not_before = now() + interval '1 h' where task_id = %s",
        [task_id],
    )
    row = functions.row("sync_run", task_id)
    assert row
    in_utc = f"{row['waiting_until'].astimezone(UTC):%H:%M:%S}"
    ahead = f"{row['waiting_until'].astimezone(UTC) + timedelta(hours=9):%H:%M:%S}"
    browser = browser_of("ann")
    assert part_of(browser.get("/").text, "headline").endswith(f"{in_utc} UTC")
    browser.cookies.set("time_zone", "Asia%2FTokyo")
    assert part_of(browser.get("/").text, "headline").endswith(ahead)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("reauth_required", "Connect ann@example.org again"),
        ("suspended", "Google currently refuses this account"),
    ],
)
def test_an_account_that_google_refuses_is_told_with_what_to_do(
    browser_of: BrowserOf, functions: Session, db: Connection, status: str, words: str
) -> None:
    connect_account(functions, "ann")
    db.execute(
        "update gmail_sync.account set status = %s, status_reason = '<b>revoked</b>'", [status]
    )
    html = browser_of("ann").get("/").text
    assert words in html
    assert "&lt;b&gt;revoked&lt;/b&gt;" in html


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_the_page_says_for_each_refusal_who_must_do_what(
    browser_of: BrowserOf, functions: Session, db: Connection, tag: str
) -> None:
    connect_account(functions, "ann")
    ann = browser_of("ann", Accept_Language=tag)
    codes = db.execute("select code, status from gmail_sync.refusal").fetchall()
    assert codes
    for row in codes:
        functions.value("mark_credentials_rejected", "ann", b"sealed", row["code"], "why")
        advice = translator(tag).translate(f"sync.refusal.{row['code']}", email="ann@example.org")
        assert advice in unescape(ann.get("/").text)
        connection = ann.get("/api/gmail/connection").json()
        assert (connection["status"], connection["status_code"]) == (row["status"], row["code"])


def test_who_has_no_account_is_led_to_connect_one(browser_of: BrowserOf) -> None:
    assert "Connect your Gmail" in browser_of("ann").get("/").text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("access_denied", "You or Google denied access."),
        ("scope_missing", "was not selected"),
        ("never_heard_of", "Please start again."),
    ],
)
def test_why_connecting_failed_is_said(browser_of: BrowserOf, code: str, words: str) -> None:
    html = browser_of("ann").get("/", params={"connect_error": code}).text
    assert words in html
    assert "never_heard_of" not in html


def test_failed_messages_are_listed_with_their_reason(
    browser_of: BrowserOf, functions: Session
) -> None:
    failing(functions, "malformed: <script>alert(1)</script>", *["other: no"] * 21)
    html = browser_of("ann").get("/").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html
    assert html.count("given up after 1 attempt<") + html.count("given up after 1 attempt\n") == 20
    assert "There are more failed messages." in html
    assert 'value="retry"' in html
    assert "could not be fetched" not in browser_of("bob").get("/").text


def test_history_comes_in_pages(browser_of: BrowserOf, functions: Session, db: Connection) -> None:
    connect_account(functions, "ann")
    for number in range(12):
        ended(functions, f"reason {number:02}")
    browser = browser_of("ann")
    first = browser.get("/").text
    assert re.findall(r"reason \d\d", first.partition('id="history"')[2]) == [
        f"reason {number:02}" for number in range(11, 1, -1)
    ]
    older = re.search(r'href="(/\?before=[^"#]*)', first)
    assert older
    second = browser.get(older[1]).text
    assert re.findall(r"reason \d\d", second.partition('id="history"')[2]) == [
        "reason 01", "reason 00",
    ]  # fmt: skip
    assert "Older" not in second
    assert "Newest" in second


def test_a_run_tells_outcome_counts_and_duration(browser_of: BrowserOf, functions: Session) -> None:
    connect_account(functions, "ann")
    ended(functions)
    history = text_of(browser_of("ann").get("/").text.partition('id="history-title"')[2])
    assert re.search(r"Succeeded 1 new .* Full · started by a click · Duration 1 s", history)
    assert "1 new" not in text_of(browser_of("bob").get("/").text)


def test_the_chart_says_in_words_what_it_shows(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    ended(functions)
    browser = browser_of("ann")
    assert "No new mail in the last 30 days." in browser.get("/").text
    db.execute("update gmail_sync.message set internal_date = now() - interval '3 days'")
    html = browser.get("/").text
    assert html.count('<rect class="messages"') == 1
    words = text_of(html)
    day = translator("en").day(datetime.now(UTC) - timedelta(days=3))
    assert "1 message in the last 30 days" in words
    assert f"Busiest day: {day} (1)." in words


def test_a_zone_that_postgres_does_not_know_costs_no_page(browser_of: BrowserOf) -> None:
    browser = browser_of("ann")
    for zone in ("localtime", "posixrules", "Factory", "right%2FUTC"):
        browser.cookies.set("time_zone", zone)
        assert browser.get("/").status_code == 200


@pytest.mark.serial
def test_the_page_is_light_and_quick(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    for number in range(12):
        ended(functions, f"reason {number:02}")
    browser = browser_of("ann", Accept_Encoding="identity")
    html = browser.get("/")
    files = set(re.findall(r'(?:src|href)="(/static/[^"]*)"', html.text))
    files |= {
        f"{address.rpartition('/')[0]}/{name}"
        for address in files
        for name in ("i18n.js", "request.js", "fresh.js", "stream.js")
    }
    weight = sum(len(browser.get(address).content) for address in files) + len(html.content)
    assert weight < WEIGHT

    def milliseconds() -> float:
        began = time.monotonic()
        browser.get("/")
        return (time.monotonic() - began) * 1000

    assert min(milliseconds() for _ in range(20)) < MILLISECONDS


def test_both_languages_write_every_part(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    failing(functions, "malformed: no")
    db.execute("update gmail_sync.account set status = 'reauth_required'")
    functions.value("cancel_sync", started(functions))
    html = browser_of("ann", Accept_Language="zh-CN").get("/").text
    for word in ("立即同步", "同步记录", "每天的新邮件", "未能获取的邮件", "请重新连接"):
        assert word in html


def test_a_button_says_why_nothing_was_started(
    browser_of: BrowserOf, functions: Session, db: Connection
) -> None:
    browser = browser_of("ann")

    def trouble(action: str, task_id: str = "") -> str:
        answer = browser.post("/", data={"action": action, "task_id": task_id})
        assert answer.status_code == 200
        return text_of(part_of(answer.text, "trouble"))

    assert trouble("start") == trouble("retry") == "Connect Gmail first, then sync."
    connect_account(functions, "ann")
    ended(functions)
    db.execute("update gmail_sync.settings set max_starts_a_minute = 1")
    assert re.fullmatch(r"Too many requests\. Please wait \d+ seconds\.", trouble("full"))
    assert (
        trouble("cancel", "never_heard_of") == "Something went wrong. Please try again in a moment."
    )
    assert browser.post("/", data={"action": "delete"}).status_code == 400
    assert browser.post("/", data={"action": "cancel", "task_id": "\0"}).status_code == 400


def test_a_button_ends_no_run_of_another_user(browser_of: BrowserOf, functions: Session) -> None:
    connect_account(functions, "ann")
    task_id = started(functions)
    answer = browser_of("bob").post("/", data={"action": "cancel", "task_id": task_id})
    assert "Something went wrong" in answer.text
    assert (functions.row("sync_run", task_id) or {})["is_syncing"]
    browser_of("ann").post("/", data={"action": "cancel", "task_id": task_id})
    assert not (functions.row("sync_run", task_id) or {})["is_syncing"]
