"""What becomes of an account after each refusal of Google's, and how often it is tried again."""

from collections.abc import Iterator

import pytest

from service.gmail import errors
from service.i18n.translator import translator
from service.postgres.calls import Row
from tests.cluster import Cluster
from tests.functions.conftest import age_runs, only
from tests.worker import answers
from tests.worker.answers import Answer, each
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, REFRESH_TOKEN
from tests.worker.stack import Stack, running_stack

CREDENTIALS = {"refresh_token": REFRESH_TOKEN, "client_id": "id", "client_secret": "secret"}


@pytest.fixture(scope="module")
def stack(cluster: Cluster, template: str) -> Iterator[Stack]:
    with running_stack(cluster, template, "full") as stack:
        stack.db.execute("update gmail_sync.settings set max_connects_a_minute = 1000")
        stack.db.execute("update gmail_sync.account set sync_interval = '1 min'")
        stack.simulator.tokens.allow_refresh(EMAIL, REFRESH_TOKEN)
        yield stack


@pytest.fixture(autouse=True)
def restored(stack: Stack) -> Iterator[None]:
    yield
    stack.simulator.faults.clear()


def refused(stack: Stack, answer: Answer) -> Row:
    """The run that gets this answer, after the account was connected."""
    only_refresh = answer.method == "token"
    stack.account.connect_with(CREDENTIALS if only_refresh else {"token": ACCESS_TOKEN})
    stack.simulator.faults.add(answer.fault())
    return stack.account.sync()


def account(stack: Stack) -> Row:
    row = stack.db.execute("select * from gmail_sync.account").fetchone()
    assert row is not None
    return row


def tries_of_a_day(stack: Stack) -> int:
    """How many runs the schedule starts within a day, one hour after another."""
    tries = 0
    for _ in range(24):
        age_runs(stack.db, "1 hour")
        for row in stack.db.execute("select gmail_sync.enqueue_due_syncs() as task_id").fetchall():
            stack.account.finish(row["task_id"])
            tries += 1
    return tries


@each(answers.REFUSALS)
def test_a_refusal_is_a_state_with_advice_and_nothing_is_tried_again(
    stack: Stack, answer: Answer
) -> None:
    run = refused(stack, answer)

    assert (run["outcome"], run["successor"]) == ("failed", None)
    row = account(stack)
    reconnect = issubclass(answer.kind, errors.ReauthRequired)
    assert row["status"] == ("reauth_required" if reconnect else "suspended")
    assert row["status_code"] == answer.kind.code
    assert row["status_reason"] == run["error_message"]
    assert row["status_reason"].startswith(answer.kind.advice)
    assert answer.message in row["status_reason"]
    health = only(stack.db, "select gmail_sync.sync_health()")
    assert health["accounts_to_reconnect"] == 1
    waits = any("wait for the operator" in reason for reason in health["reasons"])
    assert waits is issubclass(answer.kind, errors.SetupRefused)
    assert tries_of_a_day(stack) == 0


@each([answer for answer in answers.REFUSALS if not issubclass(answer.kind, errors.ReauthRequired)])
def test_a_suspended_account_is_back_after_the_next_sync(stack: Stack, answer: Answer) -> None:
    refused(stack, answer)
    stack.simulator.faults.clear()

    assert stack.account.sync()["outcome"] == "succeeded"

    row = account(stack)
    assert (row["status"], row["status_code"], row["status_reason"]) == ("connected", None, None)
    assert only(stack.db, "select gmail_sync.sync_health()")["accounts_to_reconnect"] == 0


@each([answers.REFUSED[0], answers.TOKEN_REFUSED, answers.GARBAGE])
def test_what_is_not_understood_is_tried_ever_less_often(stack: Stack, answer: Answer) -> None:
    stack.account.connect()
    assert stack.account.sync()["outcome"] == "succeeded"

    run = refused(stack, answer)

    assert run["outcome"] == "failed"
    assert account(stack)["status"] == "connected"
    assert 1 <= tries_of_a_day(stack) <= 6


def test_credentials_of_another_mailbox_ask_for_the_first_one(stack: Stack) -> None:
    refused(stack, answers.REAUTH[0])
    stack.simulator.faults.clear()
    stack.simulator.add_mailbox("other@example.com", "other")
    stack.account.connect(token="other")

    assert stack.account.sync()["outcome"] == "failed"

    assert account(stack)["status_code"] == "another_mailbox"


def test_every_code_has_a_class_and_advice_in_both_languages(stack: Stack) -> None:
    rows = stack.db.execute("select * from gmail_sync.refusal").fetchall()
    codes = {row["code"] for row in rows}
    kinds = {answer.kind for answer in answers.REFUSALS}
    assert codes == {kind.code for kind in kinds} | {"another_mailbox"}
    operator = {row["code"] for row in rows if row["operator_advice"]}
    assert operator == {kind.code for kind in kinds if issubclass(kind, errors.SetupRefused)}
    for language in ("en", "zh-Hans"):
        advice = translator(language).section("sync.refusal.")
        assert advice.keys() == {f"sync.refusal.{code}" for code in codes}
