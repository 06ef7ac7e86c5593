"""What meets on its way: tabs, people of one mailbox, a verdict of Google's and a new consent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.simulator import Fault, Mailbox, Simulator
from tests.api.browser import Browser
from tests.api.conftest import (
    EMAIL,
    OTHER_EMAIL,
    PATIENCE_SECONDS,
    Running,
    claim,
    client_of,
    list_page,
    problem,
    store,
    stored,
)

MAIL = b"Subject: Plan\r\n\r\nSoon.\r\n"
PLAN = {
    "part_id": "1",
    "filename": "plan.pdf",
    "mime_type": "application/pdf",
    "size": 3,
    "content_id": None,
    "inline": False,
}


@pytest.fixture
def mailbox(simulator: Simulator) -> Mailbox:
    return simulator.add_mailbox(EMAIL)


@pytest.fixture
def browser(running: Running) -> Iterator[Browser]:
    with Browser(running, "ann") as browser:
        yield browser


@pytest.fixture
def ann(running: Running) -> Iterator[httpx.Client]:
    with client_of(running, "ann") as client:
        yield client


def keep(functions: Session, user_id: str, message_id: str, email: str | None = EMAIL) -> None:
    """A run of the user's stores the message, once it has seen that the mailbox is `email`."""
    task_id = functions.rows("start_sync", user_id)[0]["task_id"]
    claim(functions, task_id)
    if email:
        functions.rows("confirm_mailbox_identity", task_id, email)
    list_page(functions, task_id, message_id)
    store(functions, task_id, stored(message_id, attachments=[PLAN]))
    functions.value("release_sync", task_id)


def raw_of(client: httpx.Client, message_id: str) -> httpx.Response:
    return client.get(f"/api/gmail/messages/{message_id}/raw")


def status(functions: Session, user_id: str) -> str:
    (account,) = functions.rows("list_accounts", user_id)
    return str(account["status"])


def test_of_two_answers_with_one_code_at_once_one_connects_and_the_other_changes_nothing(
    browser: Browser, simulator: Simulator, functions: Session, db: Connection
) -> None:
    location = browser.consent(browser.begin())
    ((name, value),) = browser.attempts().items()
    simulator.faults.add(Fault("token", "latency", seconds=0.3))

    def answer(_: int) -> str:
        headers = {"Cookie": f"{name}={value}"}
        return httpx.get(location, headers=headers, timeout=PATIENCE_SECONDS).headers["location"]

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(answer, range(2)))
    assert said == ["/", "/?connect_error=google_refused"]
    assert simulator.requests.methods["token"] == 2
    assert status(functions, "ann") == "connected"
    acts = [row["act"] for row in functions.rows("list_audit_events", "ann")]
    assert acts == ["connected", "connect_answered", "connect_answered", "connect_begun"]
    assert len(db.execute("select from gmail_sync.user_sync_status").fetchall()) == 1


def test_the_end_of_a_grant_reaches_all_users_of_the_mailbox_in_words(
    running: Running, mailbox: Mailbox, ann: httpx.Client, functions: Session
) -> None:
    message_id = mailbox.insert(MAIL)
    with Browser(running, "ann") as first, Browser(running, "bob") as second:
        assert (first.connect(), second.connect()) == ("/", "/")
        for user_id in ("ann", "bob"):
            keep(functions, user_id, message_id)
        with client_of(running, "bob") as bob:
            assert (raw_of(ann, message_id).content, raw_of(bob, message_id).content) == (
                mailbox.raw(message_id),
                mailbox.raw(message_id),
            )
            assert ann.delete("/api/gmail/connection?delete_mail=true").json()["revoked"]
            assert status(functions, "bob") == "connected"
            problem(raw_of(bob, message_id), 409, "account_not_connected")
            assert status(functions, "bob") == "reauth_required"
            assert bob.get("/api/gmail/connection").json()["status_reason"]
            assert len(bob.get("/api/gmail/messages").json()["messages"]) == 1
            assert second.connect() == "/"
            assert raw_of(bob, message_id).status_code == 200
    assert functions.rows("list_accounts", "ann") == []


def test_a_verdict_on_the_old_grant_does_not_touch_the_new_one(
    browser: Browser,
    simulator: Simulator,
    mailbox: Mailbox,
    ann: httpx.Client,
    functions: Session,
) -> None:
    message_id = mailbox.insert(MAIL)
    browser.connect()
    keep(functions, "ann", message_id)
    simulator.tokens.revoke(EMAIL)
    refusal = simulator.faults.add(Fault("token", "hang", count=1))
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(raw_of, ann, message_id)
        assert refusal.wait_arrived(PATIENCE_SECONDS)
        assert browser.connect() == "/"
        refusal.release()
        problem(asked.result(PATIENCE_SECONDS), 409, "account_not_connected")
    assert status(functions, "ann") == "connected"
    assert raw_of(ann, message_id).status_code == 200


def test_nothing_is_had_from_a_mailbox_that_is_not_the_account_s(
    simulator: Simulator, google: Google, ann: httpx.Client, functions: Session
) -> None:
    """Credentials that an application added are nobody's word on whose mailbox they open."""
    message_id = simulator.add_mailbox(OTHER_EMAIL).insert(MAIL)
    sealed = google.cipher.encrypt({"token": simulator.tokens.allow(OTHER_EMAIL)})
    functions.value("connect_account", "ann", EMAIL, sealed, "unlimited")
    keep(functions, "ann", message_id, email=None)
    for path in ("raw", "attachments/1"):
        answer = ann.get(f"/api/gmail/messages/{message_id}/{path}")
        detail = problem(answer, 409, "account_not_connected")["detail"]
        assert OTHER_EMAIL in detail
    assert simulator.requests.methods == {"getProfile": 2}


def test_whose_mailbox_it_is_is_asked_until_a_run_has_seen_it(
    simulator: Simulator, mailbox: Mailbox, google: Google, ann: httpx.Client, functions: Session
) -> None:
    message_id = mailbox.insert(MAIL)
    sealed = google.cipher.encrypt({"token": simulator.tokens.allow(EMAIL)})
    functions.value("connect_account", "ann", EMAIL.upper(), sealed, "unlimited")
    keep(functions, "ann", message_id, email=None)
    assert raw_of(ann, message_id).content == mailbox.raw(message_id)
    assert simulator.requests.methods == {"getProfile": 1, "messages.get": 1}
    keep(functions, "ann", message_id)
    assert raw_of(ann, message_id).content == mailbox.raw(message_id)
    assert simulator.requests.methods == {"getProfile": 1, "messages.get": 2}
