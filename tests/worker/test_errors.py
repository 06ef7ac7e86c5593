"""What becomes of a run after each answer of tests/worker/answers.py that is not the account's."""

import json
from datetime import timedelta

import psycopg
from googleapiclient.errors import HttpError

from service.gmail import classify, errors
from service.gmail.transport import Response
from service.postgres.calls import Row
from service.simulator import ApiError, Limits, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.functions.conftest import only
from tests.waiting import wait_until
from tests.worker import answers
from tests.worker.answers import Answer, each
from tests.worker.conftest import Account
from tests.worker.tables import account_row, queue

MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"


# Which answers there are.


def test_no_class_of_errors_is_left_out() -> None:
    def below(kind: type[errors.GmailError]) -> set[type[errors.GmailError]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    # Not answers of Gmail's, but the client's own word about some.
    ours = {errors.GmailError, errors.TokenExpired, errors.TooLarge, errors.EndlessPages}
    bases = {errors.Refused, errors.SetupRefused}
    assert {answer.kind for answer in answers.ALL} == below(errors.GmailError) - ours - bases


def test_no_entry_of_the_tables_is_left_out() -> None:
    given = [answer for answer in answers.ALL if answer.action == "error"]
    by_reason = {(answer.status, answer.reason) for answer in given}
    new = {(a.status, a.kind) for a in given if (a.status, a.reason) not in classify.CLASSES}
    not_found = {(f"gmail.users.{a.method}", a.kind) for a in given if a.status == 404}
    texts = {(text, a.kind) for _, text in classify.CLASSES_BY_MESSAGE_TEXT for a in given
             if text in a.message}  # fmt: skip
    token = {((a.reason, a.subtype), a.kind) for a in given if a.method == "token"}
    described = {text for a in given for _, text in classify.TOKEN_ERRORS_BY_DESCRIPTION
                 if a.method == "token" and text in a.message.lower()}  # fmt: skip

    assert by_reason >= classify.CLASSES.keys()
    assert {status for status, _ in new} >= classify.CLASSES_BY_STATUS.keys()
    assert not_found >= set(classify.CLASSES_OF_404.items())
    assert texts == {(t, kind) for (_, t), kind in classify.CLASSES_BY_MESSAGE_TEXT.items()}
    assert token >= set(classify.TOKEN_ERRORS.items())
    assert described == {text for _, text in classify.TOKEN_ERRORS_BY_DESCRIPTION}


@each([answer for answer in answers.ALL if answer.method != "token" and answer.action == "error"])
def test_each_answer_is_of_the_class_it_is_listed_under(answer: Answer) -> None:
    envelope = ApiError(answer.status, answer.message, answer.reason).envelope()
    response = Response(answer.status)
    error = HttpError(response, json.dumps(envelope).encode())

    assert type(classify.classify(error, f"gmail.users.{answer.method}")) is answer.kind


# Passing failures.


@each(answers.PASSING)
def test_a_passing_failure_is_tried_again_by_the_same_run(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator, answer: Answer
) -> None:
    mailbox.load(generate(10))
    fault = simulator.faults.add(answer.fault(count=1))

    task_id = account.start()
    run = account.finish(task_id)

    assert (run["task_id"], run["outcome"], run["attempt"]) == (task_id, "succeeded", 1)
    assert (run["current_stats"]["new"], run["current_stats"]["failed"]) == (10, 0)
    assert (fault.struck, fault.seen) == (1, 2)


@each(answers.OF_ONE_MESSAGE)
def test_a_message_that_does_not_come_waits_and_is_fetched_by_a_later_run(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    answer: Answer,
) -> None:
    ids = [mailbox.insert(MAIL % b"one"), mailbox.insert(MAIL % b"two")]
    simulator.faults.add(answer.fault(count=1, message_id=ids[0]))

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert (run["current_stats"]["new"], run["current_stats"]["failed"]) == (1, 1)
    (waiting,) = queue(db)
    assert (waiting["message_id"], waiting["dead"], waiting["attempts"]) == (ids[0], False, 1)
    assert waiting["error_code"] == answer.kind.code
    assert waiting["error_message"].startswith(answer.kind.advice)
    db.execute("update gmail_sync.fetch_queue set not_before = now()")
    assert account.sync()["current_stats"]["new"] == 1
    assert queue(db) == []


# The end of one message, or of the history.


def test_a_message_that_is_not_found_is_gone(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode()) for number in range(5)]
    simulator.faults.add(answers.GONE.fault(message_id=ids[1]))

    run = account.sync()

    assert run["outcome"] == "succeeded"
    assert (run["current_stats"]["new"], run["current_stats"]["gone"]) == (4, 1)
    assert run["current_stats"]["failed"] == 0


def test_a_history_that_is_not_found_makes_the_run_a_full_one(
    mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    account.sync()
    simulator.faults.add(answers.EXPIRED.fault(count=1))

    run = account.sync()

    assert (run["outcome"], run["sync_type"]) == ("succeeded", "full")


def test_a_history_id_that_gmail_does_not_understand_fails_the_run_and_says_what_to_do(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    account.sync()
    simulator.faults.add(answers.GARBAGE.fault())
    cursor = account_row(db)["history_id"]

    run = account.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert run["error_code"] == "cursor_refused"
    assert f"the stored history id {cursor}" in run["error_message"]
    assert "full sync" in run["error_message"]
    assert account_row(db)["status"] == "connected"


# The project's day is over.


def test_the_daily_limit_is_waited_out_in_sight_with_a_request_an_hour(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
) -> None:
    """The owner of the project has set a cap far below ours, so the ledger has much left."""
    mailbox.load(generate(3))
    simulator.set_limits(Limits("google-standard", day_units=6))
    reset = only(db, "select gmail_sync._quota_reset_at(clock_timestamp())")

    first = account.start()
    run = waiting_after(account, first)

    ended = account.run(first)
    assert ended["outcome"] == "superseded"
    assert ended["error_message"].startswith(errors.DailyLimit.advice)
    assert (run["phase"], run["attempt"], run["waits_for"]) == ("queued", 1, "day_quota")
    assert run["waiting_until"] == reset
    assert run["not_before"] <= ended["finished_at"] + timedelta(hours=1)
    assert run["not_before"] == reset or run["not_before"] > ended["finished_at"] + timedelta(
        minutes=59
    )
    sent = refused(simulator)
    assert sent == 1
    # Clicks do not send anything.
    for _ in range(3):
        assert account.start() == run["task_id"]

    # An hour later it is tried, once.
    db.execute("update gmail_sync.quota_day set refused_at = refused_at - interval '1 h'")
    make_due(db)
    again = waiting_after(account, run["task_id"])
    assert refused(simulator) == sent + 1
    assert again["waiting_until"] == reset

    # Nobody else asks meanwhile, and nothing is asked by a run that starts too early.
    make_due(db)
    early = waiting_after(account, again["task_id"])
    assert refused(simulator) == sent + 1

    # The owner raises the cap.
    simulator.set_limits(Limits())
    db.execute("update gmail_sync.quota_day set refused_at = refused_at - interval '1 h'")
    make_due(db)
    assert account.finish(early["task_id"])["outcome"] == "succeeded"


def waiting_after(account: Account, task_id: str) -> Row:
    """The successor of a run, once there is one."""
    successor = wait_until(lambda: account.run(task_id)["successor"])
    return account.run(successor)


def make_due(db: psycopg.Connection[Row]) -> None:
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")


def refused(simulator: Simulator) -> int:
    statuses = simulator.requests.statuses
    return sum(count for each, count in statuses.items() if each.endswith(" 403"))


# Refusals that say nothing of the account.


@each(answers.REFUSED)
def test_a_refusal_fails_the_run_in_words_and_leaves_the_account(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    db: psycopg.Connection[Row],
    answer: Answer,
) -> None:
    mailbox.load(generate(10))
    fault = simulator.faults.add(answer.fault())

    run = account.sync()

    assert (run["outcome"], run["successor"]) == ("failed", None)
    assert run["error_message"].startswith(answer.kind.advice)
    assert answer.message in run["error_message"]
    assert account_row(db)["status"] == "connected"
    assert fault.struck <= 2
    simulator.faults.clear()
    assert account.sync()["current_stats"]["new"] == 10
