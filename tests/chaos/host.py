"""A machine of the site: one process of gmail-sync, and the wires that lead to it."""

from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import requests

from tests.chaos.proxy import Proxy
from tests.ports import free_port
from tests.worker.conftest import WorkerProcess

# SIGUSR1 blocks the event loop of `serve`, in whose thread handlers run, until SIGUSR2.
SERVE = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
signal.signal(signal.SIGUSR1, lambda *_: signal.sigwait({signal.SIGUSR2}))
from service.cli import main
main(["serve"])
"""
PROGRAMS = {"serve": ("-c", SERVE), "worker": ("-m", "service.cli", "worker")}


class Host:
    """`gmail-sync worker`, or `serve` with its worker, which reaches all through proxies."""

    def __init__(
        self,
        kind: Literal["serve", "worker"],
        environment: Mapping[str, str],
        database_url: str,
        postgres: Proxy,
        gmail: Proxy,
        logs: Path,
    ) -> None:
        self.kind = kind
        self.postgres = postgres
        self.gmail = gmail
        self._logs = logs
        self._starts = 0
        self._port = free_port()
        gmail_url = f"http://127.0.0.1:{gmail.port}"
        self._environment = {
            **environment,
            "DATABASE_URL": _through(database_url, postgres.port),
            "GMAIL_SYNC_GMAIL_ENDPOINT": gmail_url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": gmail_url,
            "PORT": str(self._port),
        }
        self.start()

    def start(self, **environment: str) -> None:
        """Start the process, with a log of its own."""
        self._starts += 1
        self._process = WorkerProcess(
            {**self._environment, **environment},
            self._logs / f"{self.kind}-{self._starts}.log",
            PROGRAMS[self.kind],
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: Signals) -> None:
        self._process.signal(number)

    def wait(self, seconds: float) -> int:
        """The exit status."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        self._process.kill()

    def log(self) -> str:
        """What the process that runs now has said."""
        return self._process.log.read_text()

    def is_up(self) -> bool:
        """Whether its worker has begun to look for runs."""
        return "worker started" in self.log()

    def answers(self, seconds: float) -> bool:
        """Whether `serve` answers a request within so many seconds."""
        try:
            url = f"http://127.0.0.1:{self._port}/livez"
            return requests.get(url, timeout=seconds).ok
        except requests.RequestException:
            return False


def _through(url: str, port: int) -> str:
    """The same database by way of a proxy."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
