"""A Gmail whose lists never end, and whose batches never answer what was asked."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import psycopg
import pytest

from service import logs
from service.gmail.errors import EndlessPages, MalformedResponse
from service.gmail.pages import MAX_BARREN_PAGES
from service.google.configuration import Google
from service.mailbox.access import MailboxAccess
from service.mailbox.verify import MailboxComparison
from service.postgres.calls import Row, Session
from service.simulator import Fault, Mailbox, Simulator, generate
from service.simulator.faults import Action
from service.worker.fetch import MAX_UNANSWERED_REQUESTS, PARALLEL
from service.worker.sync import MAX_CATCH_UPS
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account
from tests.worker.tables import queue, stored
from tests.worker.test_sync import MAIL

Db = psycopg.Connection[Row]

# What never ends fails its test sooner than elsewhere.
PATIENCE_SECONDS = 60
# Attempts without progress, and the one before them, which may have made some.
ATTEMPTS = 2
RUNS = 1 + ATTEMPTS
# A run reads a list again once.
READS = 2


class Endless(NamedTuple):
    """Faults that make a list endless, and the requests after which one reading gives up."""

    actions: Sequence[Action]
    requests: int


ENDLESS = {
    "the same token": Endless(["stuck_token"], 2),
    "two tokens in turn": Endless(["alternating_tokens"], 3),
    "new tokens to the same items": Endless(["repeated_page"], 1 + MAX_BARREN_PAGES),
    "new tokens to the same items under new numbers": Endless(
        ["renumbered_page"], 1 + MAX_BARREN_PAGES
    ),
    "new tokens to empty pages": Endless(["empty_page"], MAX_BARREN_PAGES),
    "a token that is refused": Endless(["empty_page", "invalid_page_token"], 2),
}


class Gmail(NamedTuple):
    simulator: Simulator
    mailbox: Mailbox
    account: Account
    functions: Session
    google: Google


@pytest.fixture
def gmail(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    functions: Session,
    google: Google,
    worker: Worker,
    db: Db,
) -> Gmail:
    """A synced account with one change that was not synced yet."""
    mailbox.load(generate(3))
    account.sync()
    mailbox.insert(MAIL % b"news")
    # Room for the numbers that a fault gives to records.
    mailbox.skip_history(mailbox.history_id + 1_000_000)
    db.execute("update gmail_sync.settings set max_attempts = %s", [ATTEMPTS])
    return Gmail(simulator, mailbox, account, functions, google)


def sync(gmail: Gmail, *, force_full: bool) -> str:
    """Why the sync failed in the end."""
    run = gmail.account.sync(force_full, PATIENCE_SECONDS)
    assert run["outcome"] == "failed"
    reason: str = run["error_message"]
    return reason


def compare(gmail: Gmail) -> str:
    """Why the comparison failed."""
    with (
        MailboxAccess(gmail.functions, gmail.google, USER, logs.configure("warning")) as access,
        pytest.raises(EndlessPages) as failure,
    ):
        MailboxComparison(gmail.functions, access, USER).run()
    return str(failure.value)


class PagedCall(NamedTuple):
    method: str
    fail: Callable[[Gmail], str]
    runs: int


PAGED_CALLS = {
    "listing of a sync": PagedCall(
        "messages.list", lambda gmail: sync(gmail, force_full=True), RUNS
    ),
    "history of a sync": PagedCall(
        "history.list", lambda gmail: sync(gmail, force_full=False), RUNS
    ),
    "listing of a comparison": PagedCall("messages.list", compare, 1),
    "history of a comparison": PagedCall("history.list", compare, 1),
}


@pytest.mark.parametrize("endless", ENDLESS)
@pytest.mark.parametrize("call", PAGED_CALLS)
def test_a_list_that_never_ends_is_given_up_in_words(gmail: Gmail, call: str, endless: str) -> None:
    method, fail, runs = PAGED_CALLS[call]
    actions, requests = ENDLESS[endless]
    for action in actions:
        gmail.simulator.faults.add(Fault(method, action))
    gmail.simulator.requests.reset()

    reason = fail(gmail)

    assert reason.startswith(EndlessPages.advice)
    assert gmail.simulator.requests.methods[method] <= runs * READS * requests

    gmail.simulator.faults.clear()
    assert gmail.account.sync()["outcome"] == "succeeded"


def test_a_full_sync_ends_though_gmail_repeats_the_same_changes(
    gmail: Gmail, simulator: Simulator, db: Db
) -> None:
    gone = {"message": {"id": "0badc0de"}}
    body = {"history": [{"id": "1", "messagesAdded": [gone]}], "historyId": "1"}
    simulator.faults.add(Fault("history.list", "mangle", body=json.dumps(body)))
    simulator.requests.reset()

    assert gmail.account.sync(True, PATIENCE_SECONDS)["outcome"] == "succeeded"

    assert simulator.requests.methods["history.list"] == 1
    assert len(stored(db)) == 4


def test_a_full_sync_ends_though_the_mailbox_never_comes_to_rest(gmail: Gmail, db: Db) -> None:
    message_id = gmail.mailbox.message_ids()[0]
    ended = threading.Event()

    def keep_changing() -> None:
        while not ended.wait(0.005):
            gmail.mailbox.modify(message_id, add=["STARRED"])
            gmail.mailbox.modify(message_id, remove=["STARRED"])

    changing = threading.Thread(target=keep_changing)
    changing.start()
    try:
        assert gmail.account.sync(True, PATIENCE_SECONDS)["outcome"] == "succeeded"
    finally:
        ended.set()
        changing.join(5)
    assert gmail.simulator.requests.methods["history.list"] <= 2 + MAX_CATCH_UPS


def test_labels_are_one_page_whatever_token_they_name(gmail: Gmail) -> None:
    gmail.simulator.faults.add(Fault("labels.list", "stuck_token"))
    gmail.simulator.requests.reset()

    assert gmail.account.sync()["outcome"] == "succeeded"

    # Once more after a change: the history can name a new label.
    assert gmail.simulator.requests.methods["labels.list"] == 2


def test_batches_without_parts_end_the_run_though_gmail_answers_now_and_then(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    mailbox.load(generate(30))
    simulator.faults.add(Fault("batch", "mangle", body=" "))
    simulator.faults.add(Fault("getProfile", "error", every=2))

    task_id = account.start()
    run = wait_until(lambda: (run := account.run(task_id))["outcome"] and run)

    assert run["outcome"] == "superseded"
    assert run["error_message"].startswith(MalformedResponse.advice)
    # Each of the parallel fetchers may have more on its way when the run gives up.
    assert simulator.requests.methods["batch"] <= 2 * (MAX_UNANSWERED_REQUESTS + PARALLEL)


ANOTHER_MESSAGE = json.dumps({"id": "0badc0de", "threadId": "0badc0de", "historyId": "1"})
USELESS: dict[str, Fault] = {
    "the parts of an earlier batch": Fault("batch", "stale_parts"),
    "parts of messages never asked for": Fault("messages.get", "mangle", body=ANOTHER_MESSAGE),
    "fewer parts than asked for": Fault("messages.get", "drop", every=2),
    "no part at all": Fault("messages.get", "drop"),
}


@pytest.mark.parametrize("content_mode", ["full", "raw"])
@pytest.mark.parametrize("useless", USELESS)
def test_no_message_is_asked_for_again_and_again(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: Db,
    useless: str,
    content_mode: str,
) -> None:
    attempts, messages = 3, 30
    mailbox.load(generate(messages))
    account.connect(content_mode)
    db.execute("update gmail_sync.settings set max_message_attempts = %s", [attempts])
    simulator.faults.add(USELESS[useless])

    account.sync(seconds=PATIENCE_SECONDS)
    for _ in range(2 * attempts):
        db.execute("update gmail_sync.fetch_queue set not_before = now()")
        account.sync(seconds=PATIENCE_SECONDS)

    given_up = queue(db)
    assert len(given_up) + len(stored(db)) == messages
    assert all(row["dead"] and row["attempts"] == attempts for row in given_up)
    assert {row["error_code"] for row in given_up} <= {"malformed_response", "transient"}
    assert simulator.requests.methods["messages.get"] <= attempts * messages
