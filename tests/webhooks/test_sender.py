"""The sender against real receivers that work, fail, dawdle, redirect and hang up."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.postgres.calls import Connection, Session
from service.webhooks import post
from service.webhooks import sender as sender_module
from tests.functions.conftest import message, only, store
from tests.functions.webhooks.test_webhooks import age
from tests.waiting import wait_until
from tests.webhooks.conftest import (
    Behaviour,
    Receiver,
    added,
    answer,
    drip,
    flood,
    hang_up,
    mail,
    sending,
)

VERIFY_JS = """
const { Webhook } = require(process.argv[1]);
const { secret, headers, body } = JSON.parse(process.argv[2]);
console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
try { new Webhook(secret).verify(body + " ", headers); } catch { console.log("refused"); }
"""


def failures(functions: Session, webhook_id: str, user: str | None = "ann") -> list[str]:
    rows = functions.rows("list_webhook_deliveries", user, webhook_id)
    return [row["error_message"] for row in rows if row["error_message"]]


def test_events_arrive_signed_and_agree_with_the_changes(
    functions: Session, service_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each thread that sends has connections of its own.
    monkeypatch.setattr(sender_module, "CONCURRENCY", 1)
    webhook = added(functions, receiver.url)
    with sending(service_url) as sender:
        task_id = mail(functions, "ann", *"abc")
        wait_until(lambda: receiver.received)
        store(functions, task_id, message("a", "X"))
        sender.wake()
        changes = functions.rows("changes_since", "ann", 0)
        wait_until(lambda: receiver.last_change() == changes[-1]["change_number"])

    last = {message_id: number for number, (_, message_id) in enumerate(receiver.ids())}
    assert sorted(last, key=last.__getitem__) == [change["message_id"] for change in changes]
    newest = receiver.received[-1]
    assert newest.event["data"]["change_number"] == changes[-1]["change_number"]
    assert newest.path == "/hook?a=1"
    assert newest.headers["content-type"] == "application/json"
    assert receiver.connections == 1, "the connection is kept open"
    for got in receiver.received:
        assert Webhook(webhook["secret"]).verify(got.body, got.headers) == got.event
        with pytest.raises(WebhookVerificationError):
            Webhook(webhook["secret"]).verify(got.body + b" ", got.headers)


def test_the_library_for_javascript_verifies_them_too(
    functions: Session, service_url: str, receiver: Receiver, javascript_library: Path
) -> None:
    webhook = added(functions, receiver.url)
    mail(functions, "ann", "é")
    with sending(service_url):
        wait_until(lambda: receiver.received)
    got = receiver.received[0]
    given = {"secret": webhook["secret"], "headers": got.headers, "body": got.body.decode()}

    done = subprocess.run(
        ["node", "-e", VERIFY_JS, str(javascript_library), json.dumps(given)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    verified, refused = done.stdout.splitlines()
    assert json.loads(verified) == got.event
    assert refused == "refused"


@pytest.fixture(scope="session")
def javascript_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm package standardwebhooks."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    folder = tmp_path_factory.mktemp("npm")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "standardwebhooks@1"],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot install it: {done.stderr[-200:]}")
    return folder / "node_modules" / "standardwebhooks"


def test_old_and_new_secrets_both_verify_during_a_rotation(
    functions: Session, service_url: str, receiver: Receiver
) -> None:
    webhook = added(functions, receiver.url)
    rotated = functions.value("rotate_webhook_secret", "ann", webhook["id"])
    functions.value("test_webhook", "ann", webhook["id"])
    with sending(service_url):
        wait_until(lambda: receiver.received)

    (got,) = receiver.received
    for secret in (webhook["secret"], rotated):
        assert Webhook(secret).verify(got.body, got.headers)["type"] == "webhook.test"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answer(500), "it answered 500 Internal Server Error"),
        (answer(404), "it answered 404 Not Found"),
        (answer(429, retry_after="7200"), "it answered 429 Too Many Requests"),
        (answer(302, location="http://127.0.0.1:1/"), "it answered 302 Found"),
        (hang_up, "no answer: "),
        (drip, "it took longer than 1 s"),
    ],
    ids=["500", "404", "429", "redirect", "hangs up", "drips"],
)
def test_what_a_receiver_does_not_accept_comes_again_under_the_same_id(
    functions: Session,
    db: Connection,
    service_url: str,
    receiver: Receiver,
    behaviour: Behaviour,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(post, "TOTAL_SECONDS", 1.0)
    receiver.behave = behaviour
    webhook = added(functions, receiver.url)
    with sending(service_url) as sender:
        mail(functions, "ann", "a")
        wait_until(lambda: failures(functions, webhook["id"]))
        assert failures(functions, webhook["id"])[0].startswith(reason)
        receiver.behave = answer(200)
        age(db, "2 hours")
        sender.wake()
        wait_until(lambda: not functions.rows("list_webhooks", "ann")[0]["waiting"])

    assert len(receiver.received) == 2
    assert len({(got.id, got.body) for got in receiver.received}) == 1


def test_an_answer_without_an_end_is_not_read(
    functions: Session, service_url: str, receiver: Receiver
) -> None:
    receiver.behave = flood
    webhook = added(functions, receiver.url)
    functions.value("test_webhook", "ann", webhook["id"])
    with sending(service_url):
        wait_until(lambda: functions.rows("list_webhook_deliveries", "ann", webhook["id"]))

    (row,) = functions.rows("list_webhook_deliveries", "ann", webhook["id"])
    assert (row["http_status"], row["error_message"]) == (200, None)


def test_410_ends_a_webhook(functions: Session, service_url: str, receiver: Receiver) -> None:
    receiver.behave = answer(410)
    webhook = added(functions, receiver.url)
    with sending(service_url):
        task_id = mail(functions, "ann", "a")
        wait_until(lambda: functions.rows("list_webhooks", "ann")[0]["disabled_at"])
        store(functions, task_id, message("b"))
        receiver.behave = answer(200)
        functions.value("replay_webhook", "ann", webhook["id"])
        wait_until(lambda: len(receiver.received) > 1 and receiver.ids()[-1] == ("ann", "b"))

    assert [message_id for _, message_id in receiver.ids()][:2] == ["a", "a"]


def test_a_receiver_that_is_down_for_an_hour_gets_everything_in_order(
    functions: Session, db: Connection, service_url: str
) -> None:
    receiver = Receiver()
    receiver.stop()
    added(functions, receiver.url, None)
    users = ("ann", "bo", "cy")
    with sending(service_url) as sender:
        tasks = {user: mail(functions, user, "a") for user in users}
        wait_until(lambda: functions.rows("list_webhooks", None)[0]["failing_since"])
        for minute in range(12):
            for user in users:
                store(functions, tasks[user], message(f"m{minute:02}"))
            age(db, "5 min")
            sender.wake()
        back = Receiver()
        try:
            db.execute("update gmail_sync.webhook set url = %s", [back.url])
            # The longest delay after an hour of failures.
            age(db, "3 hours")
            sender.wake()
            wait_until(lambda: not functions.rows("list_webhooks", None)[0]["waiting"])
        finally:
            back.stop()

    for user in users:
        changes = [row["message_id"] for row in functions.rows("changes_since", user, 0)]
        assert list(dict.fromkeys(i for who, i in back.ids() if who == user)) == changes


def test_a_slow_receiver_does_not_hold_up_others(
    functions: Session, service_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Receiver()
    slow.behave = drip
    monkeypatch.setattr(post, "TOTAL_SECONDS", 20.0)
    try:
        added(functions, slow.url, None)
        added(functions, receiver.url, None)
        with sending(service_url):
            for number in range(20):
                mail(functions, f"u{number:02}", "a")
            wait_until(lambda: len(receiver.received) == 20)
            assert len(slow.received) < 20
    finally:
        slow.stop()


def test_the_sender_sends_again_after_an_outage_of_the_database(
    functions: Session, db: Connection, service_url: str, receiver: Receiver
) -> None:
    added(functions, receiver.url)
    with sending(service_url):
        mail(functions, "ann", "a")
        wait_until(lambda: receiver.ids() == [("ann", "a")])
        ended = only(
            db,
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where application_name = 'gmail-sync webhooks' and datname = current_database()",
        )
        assert ended == 1
        mail(functions, "bo")
        added(functions, receiver.url, "bo")
        functions.value("test_webhook", "bo", functions.rows("list_webhooks", "bo")[0]["id"])
        wait_until(lambda: len(receiver.received) == 2)
