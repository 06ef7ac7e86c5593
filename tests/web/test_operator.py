"""The operators' page: what it shows, and what its buttons do."""

import html
import re
import uuid
from typing import Any

import httpx
import pytest

from service.api.operator import ACTIONS
from service.postgres.calls import Connection, Session
from tests.api.conftest import connect_account
from tests.functions.conftest import claimed, insert_run, queued, shift
from tests.web.conftest import BrowserOf

PAGE = "/operator"


@pytest.fixture
def olga(browser_of: BrowserOf) -> httpx.Client:
    return browser_of("olga", "operator")


@pytest.fixture
def trouble(functions: Session, db: Connection) -> None:
    """A zombie, a run that waits, a refused account, dead letters, a lost worker, no scheduler.

    All are three hours old, so that their ages read the same however slow the test is.
    """
    task_id = claimed(functions, "zoe")
    shift(db, task_id, "-3 h", "updated_at")
    functions.rows("worker_heartbeat", uuid.uuid4(), "0.9", 4)
    db.execute("update gmail_sync.worker set seen_at = now() - interval '3 h'")
    connect_account(functions, "ann")
    db.execute(
        "update gmail_sync.account set status = 'reauth_required', status_reason = 'Token revoked.'"
        " where user_id = 'ann'"
    )
    db.execute(
        "insert into gmail_sync.fetch_queue"
        " (user_id, message_id, reason, dead, error_code, error_message)"
        " values ('bob', '18f3a0c4', 'listed', true, 'too_large', 'larger than 50 MB')"
    )
    shift(db, queued(functions, "tim"), "-3 h", "started_at", "not_before", "updated_at")


def text_of(answer: httpx.Response, section: str) -> str:
    """What a section of the page says, without markup."""
    assert answer.status_code == 200, answer.text
    found = re.search(rf'aria-labelledby="{section}">(.*?)</section>', answer.text, re.S)
    assert found, section
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[1])).split())


def click(browser: httpx.Client, action: str, **fields: str) -> httpx.Response:
    return browser.post(PAGE, data={"action": action, **fields})


def audit(db: Connection) -> list[tuple[Any, ...]]:
    rows = db.execute("select act, actor, user_id, detail from gmail_sync.audit_event order by id")
    return [tuple(row.values()) for row in rows if row["actor"] == "olga"]


def test_it_is_for_operators_only(browser_of: BrowserOf, db: Connection, trouble: None) -> None:
    for answer in (browser_of("bob").get(PAGE), click(browser_of("bob"), "reap_zombie_syncs")):
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/html")
        assert "zoe" not in answer.text
    assert browser_of(None).get(PAGE).headers["location"] == "/sign-in?return_to=%2Foperator"
    assert audit(db) == []


def test_it_says_what_is_wrong(olga: httpx.Client, trouble: None) -> None:
    page = olga.get(PAGE)
    health = text_of(page, "health")
    assert "Unhealthy" in health
    assert "have lost their worker" in health
    assert "no worker picks up" in health
    assert "Zombies 1 Waiting 1 Longest wait 3 h Live workers 0 Dead letters 1" in health
    runs = text_of(page, "runs")
    assert re.search(r"zoe .* Heartbeat 3 h .* ✕ Zombie: no heartbeat", runs)
    assert re.search(r"tim .* Queued for 3 h", runs)
    assert re.search(r"ann .* ! Consent needed Reason Token revoked.", text_of(page, "accounts"))
    letters = text_of(page, "dead_letters")
    assert (
        "bob Messages 1 Error class too_large Reason larger than 50 MB Example 18f3a0c4" in letters
    )
    assert "✕ Silent for 3 h Busy slots 0 / 4 Version 0.9" in text_of(page, "workers")
    assert "zombie_task_cleanup" in text_of(page, "jobs")
    assert "Needs attention" in text_of(page, "jobs")


@pytest.mark.parametrize(
    ("language", "words"), [("en", "0 / 4 ✕ 1 failing"), ("zh-CN", "0 / 4 ✕ 1 个槽位反复出错")]
)
def test_it_says_that_slots_of_a_worker_fail(
    olga: httpx.Client, functions: Session, language: str, words: str
) -> None:
    functions.rows("worker_heartbeat", uuid.uuid4(), "0.9", 4, 3)
    page = olga.get(PAGE, headers={"Accept-Language": language})
    assert words in text_of(page, "workers")
    assert "1 of 4 worker slots fail" in text_of(page, "health")


def test_it_says_so_where_there_is_nothing(olga: httpx.Client) -> None:
    page = olga.get(PAGE)
    for section in ("runs", "accounts", "dead_letters"):
        assert text_of(page, section).endswith("None.")
    assert "No worker was active" in text_of(page, "workers")


def test_the_charts_tell_in_words_too(olga: httpx.Client, db: Connection) -> None:
    for number, outcome in enumerate(["succeeded", "succeeded", "failed"]):
        db.execute(
            "insert into gmail_sync.user_sync_status (task_id, user_id, is_syncing, outcome, phase,"
            " progress_percentage, error_message, found, new, started_at, not_before, claimed_at,"
            " updated_at, finished_at) select %s, 'ann', false, %s, 'done', %s, %s, 40, 40,"
            " at - interval '90 s', at - interval '90 s', at - interval '60 s', at, at"
            " from (select now() - interval '3 hours' as at) t",
            [
                f"t{number}", outcome, 100 if outcome == "succeeded" else 0,
                "why" if outcome == "failed" else None,
            ],
        )  # fmt: skip
    activity = text_of(olga.get(PAGE), "activity")
    assert "Succeeded 2 Handed over 0 Cancelled 0 Reaped 0 Failed 1" in activity
    assert "Median (max) 30 s 95 % (max) 30 s" in activity
    assert re.search(r"\d\d:\d\d · Succeeded 2 · .* · Failed 1", activity)
    assert olga.get(PAGE).text.count('role="img"') == 3
    assert len(re.findall(r'<rect class="(?:succeeded|failed)" x=', olga.get(PAGE).text)) == 2


@pytest.mark.parametrize("action", ACTIONS)
def test_a_button_says_what_it_did_or_asks_first(
    olga: httpx.Client, functions: Session, db: Connection, trouble: None, action: str
) -> None:
    fields = {"user_id": "bob"} if ACTIONS[action].for_one_user else {}
    connect_account(functions, "bob")
    answer = click(olga, action, **fields)
    if ACTIONS[action].destructive:
        assert "<dialog open" in answer.text
        assert audit(db)[-1][0] == "operator_read"
        answer = click(olga, action, confirmed="true", **fields)
    assert "<dialog" not in answer.text
    assert text_of(answer, "done").startswith("✓ ")
    assert audit(db)[-1] == ("operator_act", "olga", fields.get("user_id"), {"action": action})
    assert click(olga, action, confirmed="true", **fields).status_code == 200


def test_what_was_done_is_shown_with_what_is_true_now(olga: httpx.Client, trouble: None) -> None:
    answer = click(olga, "reap_zombie_syncs")
    done = text_of(answer, "done")
    assert "1 row of gmail_sync.reap_zombie_syncs" in done
    assert re.search(r"user_id zoe cause silent silent_for 3:00:", done)
    assert "Zombies 0" in text_of(answer, "health")
    assert "Nothing to do." in text_of(click(olga, "reap_zombie_syncs"), "done")


def test_a_mistake_is_told_in_place(olga: httpx.Client) -> None:
    answer = click(olga, "start_sync", user_id=" nobody ")
    assert "✕ Start sync" in text_of(answer, "done")
    assert "No account has this user ID." in text_of(answer, "done")
    assert "This action does not exist." in text_of(click(olga, "delete_account"), "done")
    assert "A user ID is required." in text_of(click(olga, "start_sync"), "done")
    answer = click(olga, "reap_zombie_syncs", user_id="ann")
    assert "Leave the user ID empty" in text_of(answer, "done")


def test_no_other_site_presses_a_button(
    browser_of: BrowserOf, db: Connection, trouble: None
) -> None:
    browser = browser_of("olga", "operator", Sec_Fetch_Site="cross-site")
    assert click(browser, "reap_zombie_syncs").status_code == 403
    assert audit(db) == []


def test_a_look_is_noted_before_it_is_shown(
    olga: httpx.Client, db: Connection, trouble: None
) -> None:
    db.execute("alter function gmail_sync.record_audit_event rename to record_audit_away")
    assert "zoe" not in olga.get(PAGE).text
    db.execute("alter function gmail_sync.record_audit_away rename to record_audit_event")
    for _ in range(3):
        assert "zoe" in olga.get(PAGE).text
    assert audit(db) == [("operator_read", "olga", None, {"view": "operator"})]


def test_what_others_wrote_is_text(olga: httpx.Client, db: Connection) -> None:
    db.execute(
        "insert into gmail_sync.fetch_queue"
        " (user_id, message_id, reason, dead, error_code, error_message)"
        " values ('<b>bob', '\"><i>', 'listed', true, null, '<script>alert(1)</script>')"
    )
    text = olga.get(PAGE).text
    assert "<b>bob" not in text
    assert "<script>alert" not in text
    assert '"><i>' not in text
    assert "&lt;script&gt;alert(1)" in text


def test_it_speaks_chinese(browser_of: BrowserOf, trouble: None) -> None:
    page = browser_of("olga", "operator", Accept_Language="zh-CN").get(PAGE)
    assert "僵尸 1" in text_of(page, "health")
    assert re.search(r"tim .* 已排队 3 小时", text_of(page, "runs"))


def test_it_obeys_its_policy(olga: httpx.Client, trouble: None) -> None:
    text = olga.get(PAGE).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)


def users_of(answer: httpx.Response, section: str) -> list[str]:
    """The users that a table of the page shows, in its order."""
    found = re.search(rf'aria-labelledby="{section}">(.*?)</section>', answer.text, re.S)
    assert found, answer.text
    return re.findall(r"<b>(.*?)</b>", found[1])


def next_page(browser: httpx.Client, answer: httpx.Response, section: str) -> httpx.Response:
    found = re.search(rf'rel="next" href="([^"]*#{section})"', answer.text)
    assert found, "no next page"
    return browser.get(html.unescape(found[1]))


def test_the_runs_of_many_users_are_shown_in_pages_after_the_zombies(
    olga: httpx.Client, db: Connection
) -> None:
    users = [f"user {number:03}" for number in range(120)]
    for user in users:
        insert_run(db, task_id=f"of {user}", user_id=user)
    shift(db, "of user 117", "-61 s", "updated_at")
    page = olga.get(PAGE)
    assert users_of(page, "runs") == ["user 117", *users[:50]]
    page = next_page(olga, page, "runs")
    assert users_of(page, "runs") == users[50:100]
    page = next_page(olga, page, "runs")
    assert users_of(page, "runs") == users[100:]
    assert "Next page" not in text_of(page, "runs")
    assert "First page" in text_of(page, "runs")
    zombies = olga.get(PAGE, params={"cause": "silent"})
    assert users_of(zombies, "runs") == ["user 117"]
    assert users_of(olga.get(PAGE, params={"cause": "stalled"}), "runs") == []
    assert users_of(olga.get(PAGE, params={"user_id": " user 003 "}), "runs") == ["user 003"]


def test_the_runs_of_a_worker_are_shown(olga: httpx.Client, db: Connection) -> None:
    worker = uuid.uuid4()
    insert_run(db, task_id="a", user_id="ann", claimed_by=worker)
    insert_run(db, task_id="b", user_id="bob", claimed_by=uuid.uuid4())
    answer = olga.get(PAGE, params={"worker": str(worker)[:8]})
    assert users_of(answer, "runs") == ["ann"]
    assert f'value="{str(worker)[:8]}"' in answer.text


def test_refused_accounts_and_dead_letters_are_shown_in_pages(
    olga: httpx.Client, db: Connection
) -> None:
    db.execute(
        "insert into gmail_sync.account (user_id, email, credentials, status)"
        " select to_char(n, 'FM000'), n || '@mail.example', 'sealed', 'suspended'"
        " from generate_series(1, 51) n"
    )
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead, error_code)"
        " select to_char(n, 'FM000'), m, 'listed', true, m"
        " from generate_series(1, 51) n, unnest('{x,y}'::text[]) m"
    )
    page = olga.get(PAGE)
    assert users_of(page, "accounts")[-1] == "050"
    assert users_of(page, "dead_letters")[-2:] == ["050", "050"]
    both = next_page(olga, next_page(olga, page, "accounts"), "dead_letters")
    assert users_of(both, "accounts") == ["051"]
    assert users_of(both, "dead_letters") == ["051", "051"]
    one = olga.get(PAGE, params={"user_id": "007"})
    assert (users_of(one, "accounts"), users_of(one, "dead_letters")) == (["007"], ["007"] * 2)


@pytest.mark.parametrize(
    "query",
    [
        "cause=tired",
        "user_id=%00%0d",
        "worker=%25",
        "runs_after=%F0%9F%93%AC",
        "user_id=a&user_id=b",
    ],
)
def test_any_filter_is_answered(olga: httpx.Client, db: Connection, query: str) -> None:
    insert_run(db, task_id="t", user_id="ann")
    assert olga.get(f"{PAGE}?{query}").status_code == 200


def test_an_action_keeps_the_filter(olga: httpx.Client, db: Connection) -> None:
    for user in ("ann", "bob"):
        insert_run(db, task_id=user, user_id=user)
    page = olga.get(PAGE, params={"user_id": "bob"})
    assert 'action="/operator?user_id=bob"' in page.text
    answer = olga.post(f"{PAGE}?user_id=bob", data={"action": "reap_zombie_syncs"})
    assert users_of(answer, "runs") == ["bob"]


@pytest.mark.parametrize(
    ("language", "about", "at_least"),
    [("en", "about 11,000", "at least 1,000"), ("zh-CN", "约 11,000", "至少 1,000")],
)
def test_it_says_which_counts_are_estimates(
    olga: httpx.Client, db: Connection, language: str, about: str, at_least: str
) -> None:
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " select 'ann', n, 'listed', true from generate_series(1, 11000) n"
    )
    db.execute("vacuum analyze gmail_sync.fetch_queue")
    page = olga.get(PAGE, headers={"Accept-Language": language})
    assert about in text_of(page, "health")
    assert at_least in text_of(page, "dead_letters")
