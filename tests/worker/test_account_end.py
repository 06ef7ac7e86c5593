"""An account taken away while a worker is at it: no late write, no false word of Google's."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from service.accounts import disconnect as account_end
from service.accounts.disconnect import DisconnectResult
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.simulator import ArmedFault, Fault, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.functions.traces import places
from tests.waiting import wait_until
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, REFRESH_TOKEN, USER, Account, start_held
from tests.worker.tables import account_row, messages

CLIENT = {"client_id": "client", "client_secret": "secret"}
OTHER_EMAIL = "other@example.com"
# An empty queue would end a run before it can meet anything.
MESSAGES = 120

Ending = Callable[[Session, Google], DisconnectResult]


def disconnect(functions: Session, google: Google) -> DisconnectResult:
    return account_end.disconnect(functions, google, USER, False)


def disconnect_with_mail(functions: Session, google: Google) -> DisconnectResult:
    return account_end.disconnect(functions, google, USER, True)


def delete(functions: Session, google: Google) -> DisconnectResult:
    return account_end.delete(functions, google, USER)


class Log:
    """What a worker says."""

    def __init__(self) -> None:
        self._events: list[EventDict] = []
        self.logger: FilteringBoundLogger = structlog.wrap_logger(
            None,
            processors=[structlog.processors.add_log_level, self._keep],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )

    def _keep(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        self._events.append(event)
        raise structlog.DropEvent

    def says(self, event: str) -> bool:
        return any(said["event"] == event for said in self._events)

    def errors(self) -> list[EventDict]:
        return [said for said in self._events if said["level"] in ("error", "critical")]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def worker(log: Log, service_url: str, google: Google) -> Iterator[Worker]:
    """A worker whose log is read."""
    worker = Worker(service_url, google, 2, log.logger)
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def account(functions: Session, keys: str, mailbox: Mailbox) -> Account:
    """Connected with a grant, as the consent page leaves it."""
    mailbox.load(generate(MESSAGES))
    connect(functions, keys, EMAIL, ACCESS_TOKEN, REFRESH_TOKEN)
    return Account(functions, CredentialCipher([keys]))


def connect(functions: Session, keys: str, email: str, token: str, refresh_token: str) -> None:
    stored = {"token": token, "refresh_token": refresh_token, **CLIENT}
    functions.value(
        "connect_account", USER, email, CredentialCipher([keys]).encrypt(stored), "unlimited"
    )


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def fetching(simulator: Simulator, account: Account) -> tuple[str, ArmedFault]:
    """The task_id of a run that has mail on its way, and what holds it up."""
    return start_held(simulator, account, Fault("batch", "hang", after=2, count=2))


def dead_grant(simulator: Simulator, ending: Future[DisconnectResult], revoke: ArmedFault) -> None:
    """Let Google end the grant, and the answer stay out."""
    wait_until(lambda: revoke.struck == 1 or ending.done())
    assert not ending.done()
    simulator.tokens.revoke(EMAIL)


@pytest.mark.parametrize("end", [disconnect, disconnect_with_mail])
def test_a_worker_at_work_meets_no_dead_grant_and_stores_nothing_more(
    simulator: Simulator,
    account: Account,
    worker: Worker,
    google: Google,
    functions: Session,
    db: Connection,
    beside: ThreadPoolExecutor,
    log: Log,
    end: Ending,
) -> None:
    task_id, held = fetching(simulator, account)
    revoke = simulator.faults.add(Fault("revoke", "hang"))
    ending = beside.submit(end, functions, google)
    dead_grant(simulator, ending, revoke)
    stored = messages(db)
    assert stored
    held.release()
    wait_until(lambda: log.says("run dropped"))
    assert messages(db) == stored
    revoke.release()

    assert ending.result(60).done is True
    run = account.run(task_id)
    assert (run["outcome"], run["successor"]) == ("cancelled", None)
    acts = [row["act"] for row in functions.rows("list_audit_events", USER)]
    assert acts == ["disconnected", "connected"]
    assert log.errors() == []
    if end is disconnect:
        assert (account_row(db)["status"], account_row(db)["credentials"]) == ("disconnected", None)
        assert messages(db) == stored
    else:
        assert messages(db) == {}


def test_a_worker_at_work_brings_nothing_back_of_a_user_who_is_deleted(
    simulator: Simulator,
    account: Account,
    worker: Worker,
    google: Google,
    functions: Session,
    db: Connection,
    beside: ThreadPoolExecutor,
    log: Log,
) -> None:
    _, held = fetching(simulator, account)
    revoke = simulator.faults.add(Fault("revoke", "hang"))
    ending = beside.submit(delete, functions, google)
    dead_grant(simulator, ending, revoke)
    revoke.release()
    assert ending.result(60).done is True
    assert places(db, USER) == []
    held.release()
    wait_until(lambda: log.says("run dropped"))
    worker.stop()

    assert places(db, USER) == places(db, EMAIL) == []
    acts = [row["act"] for row in functions.rows("list_audit_events")]
    assert acts == ["deleted"]
    assert log.errors() == []


def test_a_deletion_from_sql_alone_is_met_as_calmly(
    simulator: Simulator,
    account: Account,
    worker: Worker,
    functions: Session,
    db: Connection,
    log: Log,
) -> None:
    """The worker's grant is good all the while."""
    _, held = fetching(simulator, account)
    assert functions.value("delete_account", USER) is True
    held.release()
    wait_until(lambda: log.says("run dropped"))
    worker.stop()
    assert places(db, USER) == places(db, EMAIL) == []
    assert log.errors() == []


@pytest.mark.parametrize("end", [disconnect, disconnect_with_mail, delete])
def test_a_grant_that_comes_while_another_is_ended_is_ended_too(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    google: Google,
    functions: Session,
    keys: str,
    db: Connection,
    beside: ThreadPoolExecutor,
    end: Ending,
) -> None:
    """Of another mailbox, where somebody has deleted the mail of the first."""
    revoke = simulator.faults.add(Fault("revoke", "hang", count=1))
    ending = beside.submit(end, functions, google)
    wait_until(lambda: revoke.struck == 1)
    email = EMAIL
    if end is not disconnect:
        email = OTHER_EMAIL
        simulator.add_mailbox(email)
        functions.value("disconnect_account", USER, True)
    tokens = simulator.tokens
    connect(functions, keys, email, tokens.allow(email), tokens.allow_refresh(email))
    revoke.release()

    assert ending.result(60) == DisconnectResult(done=True, revoked=True, warning=None)
    assert simulator.tokens.grants() == []
    assert simulator.requests.methods["revoke"] == 2
    left = db.execute("select from gmail_sync.account where credentials is not null").fetchall()
    assert left == []


def test_an_account_that_is_only_half_taken_away_can_be_taken_away_again(
    simulator: Simulator, account: Account, google: Google, functions: Session, db: Connection
) -> None:
    """The process died before it asked Google."""
    functions.value("begin_disconnect", USER)
    assert disconnect(functions, google) == DisconnectResult(done=True, revoked=True, warning=None)
    assert simulator.tokens.grants() == []
    assert account_row(db)["credentials"] is None
    assert disconnect(functions, google) == DisconnectResult(
        done=False, revoked=False, warning=None
    )
