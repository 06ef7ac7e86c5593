"""Each thread of a real process is killed from within, and the next sync succeeds.

Otherwise the process ends with status 1, and says which thread died.
"""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

import pytest
import requests

from service.api.auth.make_token import make_token
from service.postgres.calls import Connection, Session
from service.simulator import Fault, Mailbox, Simulator, generate
from tests.killable import KillableProcess
from tests.waiting import wait_until
from tests.worker.conftest import USER, Account, start_held

pytestmark = pytest.mark.gate

SECRET = "s" * 32
OF_THE_WORKER = {
    "slot N", "listener", "housekeeping", "heartbeat", "fetch", "webhooks", "webhook N",
}  # fmt: skip
OF_A_POOL = {
    f"gmail-sync {pool}-{kind}" for pool in ("api", "probes") for kind in ("worker-N", "scheduler")
}
OF_THE_API = {"progress", "listener", "handler_N", "readiness_N", *OF_A_POOL}
OF_THE_TEST = {"MainThread", "killer"}


class Start(Protocol):
    def __call__(
        self, command: str, stderr: IO[bytes] | None = None
    ) -> AbstractContextManager["Running"]: ...


class Running:
    """A `gmail-sync` whose threads a test kills."""

    def __init__(self, process: KillableProcess, url: str, log: Path) -> None:
        self.process = process
        self._url = url
        self._log = log

    def kinds_of_threads(self) -> set[str]:
        """The names of all threads, without numbers and tasks."""
        names = self.process.ask("names").split(",")
        plain = (re.sub(r"(heartbeat|fetch) .*", r"\1", name) for name in names)
        return {re.sub(r"\d+", "N", name) for name in plain}

    def is_ready(self) -> bool:
        """Whether it answers. This uses all threads of the API once."""
        return all(
            self._answers(path)
            for path in ("/readyz", "/api/gmail/sync/status", "/api/gmail/sync/events")
        )

    def _answers(self, path: str) -> bool:
        token = make_token(SECRET, USER, (), timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}"}
        try:
            with requests.get(self._url + path, headers=headers, timeout=2, stream=True) as answer:
                return answer.ok and bool(next(answer.iter_content(1)))
        except requests.RequestException:
            return False

    def ends(self) -> bool:
        """Whether it ends with status 1, now or once its threads have something to do."""
        self.is_ready()
        return self.process.status() == 1

    def metrics(self) -> str:
        return requests.get(f"{self._url}/metrics", timeout=30).text

    def last_words(self) -> dict[str, str]:
        words: dict[str, str] = json.loads(self._log.read_text().splitlines()[-1])
        return words


@pytest.fixture
def start(
    service_url: str, simulator: Simulator, keys: str, functions: Session, tmp_path: Path
) -> Start:
    @contextmanager
    def started(command: str, stderr: IO[bytes] | None = None) -> Iterator[Running]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        environment = {
            "DATABASE_URL": service_url,
            "PORT": str(port),
            "GMAIL_SYNC_JWT_SECRET": SECRET,
            "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
            "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
            "GMAIL_SYNC_WORKER_CONCURRENCY": "2",
        }
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = KillableProcess(command, environment, stderr or output)
        try:
            running = Running(process, f"http://127.0.0.1:{port}", log)
            wait_until(lambda: functions.rows("list_workers"))
            yield running
        finally:
            process.stop()

    return started


@pytest.mark.parametrize(
    ("command", "names"),
    [("worker", OF_THE_WORKER | OF_THE_TEST), ("serve", OF_THE_WORKER | OF_THE_API | OF_THE_TEST)],
)
def test_these_are_the_threads(
    start: Start,
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    command: str,
    names: set[str],
) -> None:
    mailbox.load(generate(50))
    with start(command) as running:
        _, held = start_held(simulator, account, Fault("batch", "hang", count=1))
        assert running.is_ready() is (command == "serve")
        assert running.kinds_of_threads() == names
        held.release()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("worker", name) for name in ("slot 0", "listener", "housekeeping", "webhook")),
        *(("serve", name) for name in ("slot 0", "listener", "housekeeping", "progress")),
    ],
)
def test_a_long_lived_thread_survives_an_error(
    start: Start, mailbox: Mailbox, account: Account, command: str, name: str
) -> None:
    mailbox.load(generate(5))
    with start(command) as running:
        running.process.kill_threads(name, "ValueError")
        running.is_ready()
        assert account.sync(seconds=60)["outcome"] == "succeeded"
        wait_until(lambda: running.is_ready() is (command == "serve"))
        assert running.process.status() is None


@pytest.mark.parametrize("error", ["SystemExit", "MemoryError"])
@pytest.mark.parametrize("name", ["slot 0", "listener", "housekeeping", "progress"])
def test_what_a_thread_does_not_survive_ends_the_process(
    start: Start, account: Account, name: str, error: str
) -> None:
    with start("serve") as running:
        running.process.kill_threads(name, error)
        account.start()
        wait_until(running.ends)
        words = running.last_words()
        assert words["event"] == "process ends"
        assert words["reason"].startswith(f"thread {name} died: {error}")


@pytest.mark.parametrize("name", ["handler", "readiness", "gmail-sync api-worker"])
def test_a_thread_of_a_library_ends_the_process_too(
    start: Start, db: Connection, name: str
) -> None:
    """Its owner would wait for it forever."""
    with start("serve") as running:
        wait_until(running.is_ready)
        running.process.kill_threads(name, "ValueError")
        # The threads of the pool have work only when a connection is lost.
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'gmail-sync api' and datname = current_database()"
        )
        wait_until(running.ends)


def test_errors_of_the_main_thread_end_the_process(start: Start) -> None:
    with start("serve") as running:
        wait_until(running.is_ready)

        def struck_it_ends() -> bool:
            # asyncio logs an error within a task and goes on, so one may not be enough.
            with suppress(OSError, ValueError):  # It may have ended.
                running.process.kill_threads("MainThread", "ValueError")
            return running.ends()

        wait_until(struck_it_ends)


@pytest.mark.parametrize("name", ["heartbeat", "fetch", "slot"])
def test_a_thread_of_a_run_ends_the_process_or_the_run_succeeds(
    start: Start, simulator: Simulator, mailbox: Mailbox, account: Account, name: str
) -> None:
    mailbox.load(generate(50))
    with start("worker") as running:
        task_id, held = start_held(simulator, account, Fault("batch", "hang", count=1))
        running.process.kill_threads(name, "ValueError")
        held.release()
        wait_until(
            lambda: (
                running.process.status() == 1
                or account.last_of_chain(task_id)["outcome"] == "succeeded"
            ),
            60,
        )


def test_a_server_whose_log_cannot_be_written_answers_and_counts(start: Start) -> None:
    with Path("/dev/full").open("wb") as full, start("serve", full) as running:
        assert re.search(r"^gmail_sync_log_lines_dropped_total [1-9]", running.metrics(), re.M)
