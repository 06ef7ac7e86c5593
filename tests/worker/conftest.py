"""A simulated Gmail, an account in it, and workers in this process or in their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from service import logs
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Row, Session
from service.simulator import ArmedFault, Fault, Mailbox, Simulator
from service.worker.worker import Worker
from tests.waiting import wait_until

USER = "user-42"
EMAIL = "someone@example.com"
ACCESS_TOKEN = "access"
REFRESH_TOKEN = "refresh"
# For thousands of messages on two cores that others keep busy.
PATIENCE_SECONDS = 300
WORKER_PROGRAM = ("-m", "service.cli", "worker")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def mailbox(simulator: Simulator) -> Mailbox:
    """An empty mailbox; tests load what they need."""
    return simulator.add_mailbox(EMAIL, ACCESS_TOKEN, REFRESH_TOKEN)


@pytest.fixture
def keys() -> str:
    return Fernet.generate_key().decode()


class Account:
    """USER's account as an application sees it."""

    def __init__(self, functions: Session, cipher: CredentialCipher) -> None:
        self._functions = functions
        self._cipher = cipher

    def connect(
        self, content_mode: str = "full", token: str = ACCESS_TOKEN, email: str = EMAIL
    ) -> None:
        self.connect_with({"token": token}, email, content_mode)

    def connect_with(
        self, credentials: dict[str, str], email: str = EMAIL, content_mode: str = "full"
    ) -> None:
        sealed = self._cipher.encrypt(credentials)
        self._functions.value("connect_account", USER, email, sealed, "unlimited", content_mode)

    def sync_another(self, user_id: str) -> Row:
        """The sync of another user of the same mailbox, which is connected first."""
        sealed = self._cipher.encrypt({"token": "access"})
        self._functions.value("connect_account", user_id, EMAIL, sealed, "unlimited", "full")
        return self.finish(self._functions.value("start_sync_idempotent", user_id))

    def start(self, force_full: bool = False) -> str:
        task_id: str = self._functions.value("start_sync_idempotent", USER, force_full)
        return task_id

    def run(self, task_id: str) -> Row:
        run = self._functions.row("sync_run", task_id)
        assert run is not None
        return run

    def last_run(self) -> Row:
        (run,) = self._functions.rows("sync_status", USER)
        return run

    def last_of_chain(self, task_id: str) -> Row:
        run = self.run(task_id)
        while run["successor"]:
            run = self.run(run["successor"])
        return run

    def finish(self, task_id: str, seconds: float = PATIENCE_SECONDS) -> Row:
        """The run that ended the chain of task_id, once it has."""

        def ended() -> Row | None:
            run = self.last_of_chain(task_id)
            return None if run["is_syncing"] else run

        return wait_until(ended, seconds)

    def sync(self, force_full: bool = False, seconds: float = PATIENCE_SECONDS) -> Row:
        return self.finish(self.start(force_full), seconds)

    def reap(self, task_id: str) -> None:
        """Wait until a zombie is reaped; a worker may do it too, in place of pg_cron."""

        def reaped() -> bool:
            self._functions.rows("reap_zombie_syncs")
            return self.run(task_id)["outcome"] == "reaped"

        wait_until(reaped)


def start_held(simulator: Simulator, account: Account, fault: Fault) -> tuple[str, ArmedFault]:
    """The task_id of a new run that is held up by `fault`, and the fault to release."""
    held = simulator.faults.add(fault)
    task_id = account.start()
    wait_until(lambda: held.struck == fault.count)
    return task_id, held


@pytest.fixture
def account(functions: Session, keys: str) -> Account:
    account = Account(functions, CredentialCipher([keys]))
    account.connect()
    return account


@pytest.fixture
def google(simulator: Simulator, keys: str) -> Google:
    return Google(
        GmailApi(simulator.url), f"{simulator.url}/token", None, None, CredentialCipher([keys])
    )


@pytest.fixture
def worker(service_url: str, google: Google) -> Iterator[Worker]:
    """A worker in this process."""
    worker = Worker(service_url, google, 2, logs.configure("warning"))
    worker.start()
    yield worker
    worker.stop()


class WorkerProcess:
    """`gmail-sync worker`, or another Python program with a worker, in a process of its own."""

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        program: Sequence[str] = WORKER_PROGRAM,
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *program],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.send_signal(signal.SIGCONT)
        self._process.wait(60)


@pytest.fixture
def start_worker(
    service_url: str, simulator: Simulator, keys: str, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    workers: list[WorkerProcess] = []

    def start(concurrency: int = 4, program: Sequence[str] = WORKER_PROGRAM) -> WorkerProcess:
        environment = {
            "DATABASE_URL": service_url,
            "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
            "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
            "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
            "GMAIL_SYNC_LOG_LEVEL": "debug",
            "GMAIL_SYNC_WORKER_CONCURRENCY": str(concurrency),
        }
        log = tmp_path / f"worker-{len(workers)}.log"
        worker = WorkerProcess(environment, log, program)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()
