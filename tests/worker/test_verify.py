"""What the comparison with Gmail finds, and the requests it sends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from service import logs
from service.gmail.errors import ReauthRequired, Transient
from service.google.configuration import Google
from service.mailbox.access import MailboxAccess
from service.mailbox.refetch import wait_for_run
from service.mailbox.verify import EmptyListing, Findings, MailboxComparison, NotSynced, named_ids
from service.postgres.calls import Connection, FunctionCaller, Row, Session
from service.postgres.errors import AccountNotConnected
from service.simulator import Limits, Mailbox, Simulator, generate
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.functions.conftest import record
from tests.worker.conftest import EMAIL, REFRESH_TOKEN, USER, Account

MAIL = b"From: a@example.com\r\nSubject: %s\r\n\r\nText\r\n"
NO_DRIFT: dict[str, list[str]] = {"missing": [], "extra": [], "failed": [], "queued": []}
Verify = Callable[..., Findings]
Db = psycopg.Connection[Row]


@pytest.fixture
def verify(functions: Session, google: Google) -> Verify:
    def run(caller: FunctionCaller = functions) -> Findings:
        access = MailboxAccess(caller, google, USER, logs.configure("warning"))
        try:
            return MailboxComparison(caller, access, USER).run()
        finally:
            access.close()

    return run


class Interrupted(FunctionCaller):
    """Calls functions as `caller` does, and `act`s once, just before `function` is called."""

    def __init__(self, caller: FunctionCaller, function: str, act: Callable[[], object]) -> None:
        self._caller = caller
        self._function = function
        self._act = act
        self.acted = 0

    def connection(self) -> AbstractContextManager[Connection]:
        return self._caller.connection()

    def rows(self, function: str, *arguments: object, **named: object) -> list[Row]:
        if function == self._function and not self.acted:
            self.acted += 1
            self._act()
        return super().rows(function, *arguments, **named)


def lose(db: Db, message_id: str) -> None:
    """What must never happen: a stored message disappears."""
    db.execute("delete from gmail_sync.message where message_id = %s", [message_id])


def invent(db: Db, message_id: str) -> None:
    """A stored message that Gmail does not have."""
    db.execute(
        "insert into gmail_sync.message (user_id, message_id, thread_id, history_id,"
        " internal_date, label_ids, headers, snippet, size_estimate, change_number)"
        " values (%s, %s, 't', 1, now(), '{}', '[]', '', 1,"
        " nextval('gmail_sync.message_change'))",
        [USER, message_id],
    )
    db.execute("select gmail_sync._recount_mail(%s)", [USER])


def test_after_a_sync_there_is_no_drift(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify
) -> None:
    mailbox.load(generate(600))
    account.sync()

    findings = verify()

    assert (findings.email, findings.remote, findings.local) == (EMAIL, 600, 600)
    assert (findings.drift, findings.coming, findings.full_sync_due) == (NO_DRIFT, [], False)
    assert findings.to_refetch == []


def test_drift_is_found_and_refetched_from_gmail(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    verify: Verify,
    functions: Session,
    simulator: Simulator,
    db: Db,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(10)]
    deleted = mailbox.insert(MAIL % b"deleted", ["INBOX"])
    account.sync()
    mailbox.delete(deleted)
    account.sync()
    lose(db, ids[3])
    db.execute("update gmail_sync.message set deleted_at = now() where message_id = %s", [ids[4]])
    db.execute("update gmail_sync.message set deleted_at = null where message_id = %s", [deleted])
    invent(db, "18c0000000000000")

    findings = verify()

    extra = sorted([deleted, "18c0000000000000"])
    assert findings.drift == NO_DRIFT | {"missing": sorted(ids[3:5]), "extra": extra}
    simulator.requests.reset()
    assert functions.value("refetch_messages", USER, findings.to_refetch) == 4
    run = wait_for_run(functions, USER)
    assert run is not None
    assert {name: count for name, count in run["current_stats"].items() if count} == {
        "found": 4, "new": 1, "updated": 1, "deleted": 2,
    }  # fmt: skip
    assert simulator.requests.methods["messages.get"] == 4
    assert verify().drift == NO_DRIFT
    stored = db.execute("select message_id from gmail_sync.messages").fetchall()
    assert {row["message_id"] for row in stored} == set(ids)


def test_a_message_the_listing_left_out_is_not_deleted(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    verify: Verify,
    functions: Session,
    db: Db,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(3)]
    account.sync()

    assert functions.value("refetch_messages", USER, ids) == 3
    run = wait_for_run(functions, USER)

    assert run is not None
    assert run["current_stats"]["unchanged"] == 3
    assert verify().drift == NO_DRIFT


def test_mail_that_is_coming_is_not_drift(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(5)]
    account.sync()
    late = mailbox.insert(MAIL % b"late", ["INBOX"])
    mailbox.delete(ids[0])

    findings = verify()

    assert (findings.drift, findings.coming) == (NO_DRIFT, sorted([late, ids[0]]))
    assert (findings.remote, findings.local) == (5, 5)


def test_labels_taken_off_bring_no_message(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, db: Db
) -> None:
    lost = mailbox.insert(MAIL % b"lost", ["INBOX", "UNREAD"])
    account.sync()
    lose(db, lost)
    mailbox.modify(lost, remove=["UNREAD"])

    assert verify().drift == NO_DRIFT | {"missing": [lost]}
    account.sync()
    assert verify().drift == NO_DRIFT | {"missing": [lost]}


def test_records_are_read_as_a_sync_reads_them() -> None:
    records: list[dict[str, Any]] = [
        record(1, "messagesAdded", "a"),
        record(2, "messagesDeleted", "b"),
        record(3, "labelsAdded", "c", "INBOX"),
        record(4, "labelsRemoved", "d", "INBOX"),
        {"id": "5"},
        {"id": "6", "messagesAdded": [{}, {"message": {}}]},
    ]
    assert list(named_ids(records)) == ["a", "b", "c"]


def test_mail_that_arrives_meanwhile_is_not_drift(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator
) -> None:
    mailbox.load(generate(1200))
    account.sync()
    with changed_at(simulator, "messages.list", lambda: mailbox.insert(MAIL % b"late"), request=2):
        findings = verify()

    assert (findings.drift, len(findings.coming)) == (NO_DRIFT, 1)


@contextmanager
def changed_at(
    simulator: Simulator, method: str, change: Callable[[], object], request: int
) -> Iterator[None]:
    """Change the mailbox while the given request of a method, the first being 1, is under way."""
    hang = simulator.faults.add(Fault(method, "hang", after=request - 1, count=1))

    def act() -> None:
        assert hang.wait_arrived(60)
        change()
        hang.release()

    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join(60)
    assert hang.struck


@pytest.mark.parametrize("step", ["reserve_account_quota", "compare_mailbox"])
def test_a_sync_that_runs_meanwhile_causes_no_drift(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    verify: Verify,
    functions: Session,
    step: str,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(5)]
    account.sync()

    def arrive_leave_and_sync() -> None:
        mailbox.insert(MAIL % b"late", ["INBOX"])
        mailbox.delete(ids[0])
        assert account.sync()["outcome"] == "succeeded"

    interrupted = Interrupted(functions, step, arrive_leave_and_sync)
    assert verify(interrupted).drift == NO_DRIFT
    assert interrupted.acted


def test_a_full_sync_under_way_leaves_only_what_is_queued(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator, db: Db
) -> None:
    mailbox.load(generate(40))
    account.sync()
    lost = mailbox.message_ids()[-1]
    lose(db, lost)
    hang = simulator.faults.add(Fault("messages.get", "hang", message_id=lost, count=1))
    task_id = account.start(force_full=True)
    assert hang.wait_arrived(60)

    findings = verify()

    assert findings.drift == NO_DRIFT | {"queued": [lost]}
    assert findings.to_refetch == []
    hang.release()
    account.finish(task_id)
    assert verify().drift == NO_DRIFT


def test_dead_letters_are_shown_and_revived(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    verify: Verify,
    functions: Session,
    simulator: Simulator,
) -> None:
    ids = [mailbox.insert(MAIL % str(number).encode(), ["INBOX"]) for number in range(3)]
    broken = simulator.faults.add(
        Fault("messages.get", "error", status=400, reason="invalidArgument", message_id=ids[1])
    )
    assert account.sync()["current_stats"]["failed"] == 1

    findings = verify()

    assert findings.drift == NO_DRIFT | {"failed": [ids[1]]}
    simulator.faults.remove(broken.number)
    assert functions.value("refetch_messages", USER, findings.to_refetch) == 1
    run = wait_for_run(functions, USER)
    assert run is not None
    assert run["current_stats"]["new"] == 1
    assert verify().drift == NO_DRIFT


def test_with_an_expired_history_no_message_counts_as_coming(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify
) -> None:
    mailbox.load(generate(5))
    account.sync()
    late = mailbox.insert(MAIL % b"late", ["INBOX"])
    mailbox.expire_history()

    findings = verify()

    assert (findings.full_sync_due, findings.coming) == (True, [])
    assert findings.drift == NO_DRIFT | {"missing": [late]}


def test_empty_pages_and_repeated_ids_cause_no_drift(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator
) -> None:
    mailbox.load(generate(700))
    account.sync()
    simulator.faults.add(Fault("messages.list", "empty_page", count=1))
    simulator.faults.add(Fault("messages.list", "duplicate"))
    simulator.faults.add(Fault("history.list", "empty_page", count=1))

    findings = verify()

    assert (findings.remote, findings.drift) == (700, NO_DRIFT)


def test_an_account_that_was_never_synced_cannot_be_verified(
    mailbox: Mailbox, account: Account, verify: Verify, simulator: Simulator
) -> None:
    with pytest.raises(NotSynced, match="no full sync"):
        verify()
    assert not simulator.requests.methods


def test_a_user_without_an_account_is_rejected(
    account: Account, verify: Verify, simulator: Simulator, db: Db
) -> None:
    db.execute(
        "update gmail_sync.account"
        " set status = 'reauth_required', status_reason = 'Google said no.'"
    )
    with pytest.raises(AccountNotConnected, match=r"Google said no\."):
        verify()
    db.execute("delete from gmail_sync.account")
    with pytest.raises(AccountNotConnected, match="no connected Gmail account"):
        verify()
    assert not simulator.requests.methods


def test_another_mailbox_is_rejected(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator
) -> None:
    mailbox.load(generate(3))
    account.sync()
    simulator.add_mailbox("other@example.com", "other-token", messages=generate(3))
    account.connect(token="other-token")
    simulator.requests.reset()

    with pytest.raises(AccountNotConnected, match=r"other@example\.com"):
        verify()
    assert dict(simulator.requests.methods) == {"getProfile": 1}


def test_an_empty_listing_of_a_full_mailbox_is_not_believed(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator
) -> None:
    account.sync()
    assert verify().drift == NO_DRIFT
    message_id = mailbox.insert(MAIL % b"one", ["INBOX"])
    with (
        changed_at(simulator, "messages.list", lambda: mailbox.delete(message_id), request=1),
        pytest.raises(EmptyListing),
    ):
        verify()


def test_a_revoked_grant_marks_the_account(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator, db: Db
) -> None:
    mailbox.load(generate(3))
    account.sync()
    simulator.faults.add(
        Fault("messages.list", "error", status=401, reason="authError", message="Invalid")
    )
    simulator.requests.reset()

    with pytest.raises(ReauthRequired):
        verify()
    state = db.execute("select status, status_reason from gmail_sync.account").fetchone()
    assert state is not None
    assert state["status"] == "reauth_required"
    assert "connect the Gmail account again" in str(state["status_reason"])
    assert dict(simulator.requests.methods) == {"getProfile": 1, "messages.list": 1}


def test_a_token_that_ran_out_is_renewed_saved_and_charged_again(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    google: Google,
    verify: Verify,
    db: Db,
) -> None:
    mailbox.load(generate(3))
    account.sync()
    stored = {
        "token": "old",
        "refresh_token": REFRESH_TOKEN,
        "client_id": "c",
        "client_secret": "s",
    }
    sealed = google.cipher.encrypt(stored)
    functions.value("connect_account", USER, EMAIL, sealed, "google-standard", None)

    findings = verify()

    assert findings.drift == NO_DRIFT
    # getProfile twice, messages.list, history.list.
    assert (findings.requests, findings.units) == (4, 2 * 1 + 5 + 2)
    row = functions.row("get_account_credentials", USER)
    assert row is not None
    assert google.cipher.decrypt(row["credentials"])["token"] != "old"


def test_requests_are_retried_and_charged_again(
    mailbox: Mailbox, account: Account, worker: Worker, verify: Verify, simulator: Simulator
) -> None:
    mailbox.load(generate(3))
    account.sync()
    simulator.faults.add(Fault("messages.list", "error", status=503, count=1))

    findings = verify()

    assert (findings.drift, findings.requests) == (NO_DRIFT, 4)


def test_gmail_that_does_not_answer_ends_it(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    verify: Verify,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mailbox.load(generate(3))
    account.sync()
    monkeypatch.setattr("service.gmail.retry.OUTAGE_BACKOFF", 2 * (timedelta(seconds=0.1),))
    simulator.faults.add(Fault("messages.list", "error", status=503))
    simulator.requests.reset()

    with pytest.raises(Transient):
        verify()
    assert simulator.requests.methods["messages.list"] == 3


def fill(db: Db, mailbox: Mailbox, profile: str) -> None:
    """USER has synced all of the mailbox, as far as the tables show."""
    db.execute(
        "insert into gmail_sync.message (user_id, message_id, thread_id, history_id,"
        " internal_date, label_ids, headers, snippet, size_estimate, change_number)"
        " select %s, id, 't', 1, now(), '{}', '[]', '', 1, n"
        " from jsonb_array_elements_text(%s) with ordinality as i (id, n)",
        [USER, Jsonb(mailbox.message_ids())],
    )
    db.execute("select gmail_sync._recount_mail(%s)", [USER])
    db.execute(
        "update gmail_sync.account set history_id = %s, quota_profile = %s",
        [mailbox.history_id, profile],
    )


@pytest.mark.parametrize("messages", [3_000, pytest.param(100_000, marks=pytest.mark.gate)])
def test_it_costs_a_thousand_units_for_a_hundred_thousand_messages(
    mailbox: Mailbox, account: Account, verify: Verify, simulator: Simulator, db: Db, messages: int
) -> None:
    simulator.set_limits(Limits("google-standard"))
    mailbox.load(generate(messages))
    fill(db, mailbox, "google-standard")

    findings = verify()

    pages = messages // 500
    assert (findings.remote, findings.local, findings.drift) == (messages, messages, NO_DRIFT)
    assert dict(simulator.requests.methods) == {
        "getProfile": 1,
        "messages.list": pages,
        "history.list": 1,
    }
    charged = db.execute("select sum(units) as units from gmail_sync.quota_charge").fetchone()
    # 5 a page, and 3 for the profile and the history: 1,003 for a hundred thousand.
    assert charged == {"units": 5 * pages + 3}
    assert findings.units == 5 * pages + 3 == simulator.quota.peak_units


def test_quota_that_is_used_up_is_waited_for_before_a_request_is_sent(
    mailbox: Mailbox,
    account: Account,
    functions: Session,
    google: Google,
    simulator: Simulator,
    db: Db,
) -> None:
    mailbox.load(generate(3_000))
    fill(db, mailbox, "google-standard")
    db.execute("update gmail_sync.quota_profile set window_length = '4 s', user_units = 20")
    # Shorter than the ledger's, so that a request may be late.
    simulator.set_limits(Limits("google-standard", window=3, user_units=20))
    waits: list[str] = []
    access = MailboxAccess(
        functions,
        google,
        USER,
        logs.configure("warning"),
        on_wait=lambda until, why: waits.append(why),
    )

    findings = MailboxComparison(functions, access, USER).run()
    access.close()

    assert findings.drift == NO_DRIFT
    assert waits
    assert {status.split()[1] for status in simulator.requests.statuses} == {"200"}


def test_it_does_not_wait_for_the_run_without_a_worker(
    mailbox: Mailbox, account: Account, functions: Session
) -> None:
    functions.value("refetch_messages", USER, ["a"])
    seen: list[str] = []

    run = wait_for_run(functions, USER, lambda run: seen.append(run["phase"]), pick_up_seconds=0.1)

    assert run is None
    assert set(seen) == {"queued"}
