"""What whole syncs are measured on: a Postgres, a Gmail and workers, each a process of its own."""

import os
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import requests
from cryptography.fernet import Fernet

from service.google.cipher import CredentialCipher
from service.postgres.calls import Connection, Row, Session, connect
from service.simulator import Fault
from tests.benchmarks.gmail import EMAIL, TOKEN, tiny
from tests.benchmarks.postgres import new_database, running_server
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD
from tests.waiting import wait_until

SYNC_SECONDS = 600
STOP_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")


class Database:
    """An empty gmail_sync, and its users."""

    def __init__(self, url: str, functions: Session, db: Connection) -> None:
        self.url = url  # as the service logs in
        self.functions = functions
        self.db = db  # a superuser's
        self.keys = Fernet.generate_key().decode()

    def connect_user(self, user_id: str, quota_profile: str = "unlimited") -> None:
        sealed = CredentialCipher([self.keys]).encrypt({"token": TOKEN})
        self.functions.value("connect_account", user_id, EMAIL, sealed, quota_profile, "full")

    def start(self, user_id: str) -> str:
        task_id: str = self.functions.value("start_sync_idempotent", user_id)
        return task_id

    def finished(self, task_id: str, pause: float = 0.2, seconds: float = SYNC_SECONDS) -> Row:
        """The run once it has succeeded, looked for every `pause` seconds."""
        gives_up_at = time.monotonic() + seconds
        while time.monotonic() < gives_up_at:
            run = self.functions.row("sync_run", task_id)
            if run and not run["is_syncing"]:
                assert run["outcome"] == "succeeded", run
                return run
            time.sleep(pause)
        raise TimeoutError(task_id)

    def backends(self) -> list[int]:
        """The server processes of the workers' slots."""
        rows = self.db.execute(
            "select pid from pg_stat_activity"
            " where application_name = 'gmail-sync worker' and datname = current_database()"
        ).fetchall()
        return [row["pid"] for row in rows]

    def environment(self, endpoint: str) -> dict[str, str]:
        """What a worker needs to sync from a Gmail at `endpoint`."""
        return {
            "DATABASE_URL": self.url,
            "GMAIL_SYNC_CREDENTIALS_KEYS": self.keys,
            "GMAIL_SYNC_GMAIL_ENDPOINT": endpoint,
            "GMAIL_SYNC_OAUTH_ENDPOINT": endpoint,
        }

    @contextmanager
    def worker(self, endpoint: str, concurrency: int = 1) -> Iterator[int]:
        """The process id of a `gmail-sync worker` that has begun to look for runs."""
        environment = {
            **self.environment(endpoint),
            "GMAIL_SYNC_WORKER_CONCURRENCY": str(concurrency),
            "GMAIL_SYNC_LOG_LEVEL": "warning",
        }
        others = len(self.backends())
        with process(["-m", "service.cli", "worker"], environment) as worker:
            wait_until(lambda: len(self.backends()) == others + concurrency)
            yield worker.pid


@dataclass(frozen=True)
class Installation:
    """A Postgres, and in it an empty gmail_sync to copy that nobody is connected to."""

    cluster: Cluster
    template: str

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A new one, dropped in the end."""
        with new_database(self.cluster, self.template) as name:
            url = self.cluster.url(name, SERVICE_LOGIN, SERVICE_PASSWORD)
            with (
                closing(Session(url, "benchmark")) as functions,
                connect(self.cluster.url(name), "benchmark") as db,
            ):
                yield Database(url, functions, db)


@contextmanager
def installed() -> Iterator[Installation]:
    """As it comes, with fsync on."""
    with running_server() as server:
        yield Installation(*server)


@dataclass(frozen=True)
class Gmail:
    """A simulator in another process."""

    url: str

    def delay(self, seconds: float) -> None:
        """From now on have each request, a batch counted as one, answered so much later."""
        requests.delete(f"{self.url}/simulator/faults", timeout=STOP_SECONDS).raise_for_status()
        if seconds:
            self._post("simulator/faults", Fault("*", "latency", seconds=seconds))

    def insert(self, count: int) -> None:
        """Let so many messages arrive."""
        for mail in tiny(count):
            raw = urlsafe_b64encode(mail.raw()).decode()
            self._post("gmail/v1/users/me/messages", {"raw": raw, "labelIds": ["INBOX"]})

    def delete(self, message_ids: Sequence[str]) -> None:
        """Delete these messages for ever."""
        for start in range(0, len(message_ids), 1000):
            ids = message_ids[start : start + 1000]
            self._post("gmail/v1/users/me/messages/batchDelete", {"ids": ids})

    def write_takeout(self, folder: str) -> None:
        """Write an export of the mailbox into a folder."""
        self._post(f"simulator/mailboxes/{EMAIL}/takeout", {"folder": folder, "form": "zip"})

    def _post(self, path: str, body: object) -> None:
        requests.post(
            f"{self.url}/{path}",
            msgspec.json.encode(body),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            timeout=SYNC_SECONDS,
        ).raise_for_status()


@contextmanager
def gmail(kind: str, count: int) -> Iterator[Gmail]:
    """So many messages of a kind that gmail.py has."""
    command = ["-m", "tests.benchmarks.gmail", kind, str(count)]
    with process(command, stdout=subprocess.PIPE) as running:
        assert running.stdout
        yield Gmail(running.stdout.readline().decode().strip())


@contextmanager
def process(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program, ended with the block."""
    command = [sys.executable, *arguments]
    everything = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, env=everything, stdin=stdin, stdout=stdout) as running:
        try:
            yield running
        finally:
            running.terminate()
            running.wait(STOP_SECONDS)


def cpu_seconds(pids: Iterable[int]) -> float:
    """What these processes have used, system time included."""
    used = 0
    for pid in pids:
        # After the name, which may hold spaces, utime and stime are fields 11 and 12.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS
