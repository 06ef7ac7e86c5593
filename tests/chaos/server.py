"""The API without a worker, in a process of its own, and what it takes to ask it a thousand times
at once."""

import asyncio
import resource
import socket
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Self
from unittest import SkipTest

import requests

from tests.api.conftest import SECRET, token
from tests.waiting import wait_until
from tests.worker.conftest import WorkerProcess

START_SECONDS = 60
STOP_SECONDS = 20
PROGRAM = ("-m", "service.cli", "serve", "--no-worker")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Resources:
    """What a process holds: resident memory in bytes."""

    threads: int
    descriptors: int
    resident: int

    @classmethod
    def of(cls, pid: int) -> Self:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["Threads"]), descriptors, int(status["VmRSS"].split()[0]) << 10)


class ApiServer:
    """Runs within a `with` block, at one port."""

    def __init__(self, database_url: str, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._log = log
        self._environment = {
            "DATABASE_URL": database_url,
            "PORT": str(self.port),
            "GMAIL_SYNC_JWT_SECRET": SECRET,
            "GMAIL_SYNC_LOG_LEVEL": "warning",
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def start(self) -> None:
        self._process = WorkerProcess(self._environment, self._log, PROGRAM)
        wait_until(self._is_ready, START_SECONDS)

    def stop(self) -> None:
        """As a supervisor would."""
        self._process.signal(SIGTERM)
        assert self._process.wait(STOP_SECONDS) == 0, self._log.read_text()

    def resources(self) -> Resources:
        return Resources.of(self._process.pid)

    async def connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).ok
        except requests.RequestException:
            return False


def ask(
    writer: asyncio.StreamWriter | asyncio.WriteTransport, method: str, path: str, user_id: str
) -> None:
    """Send a request for a user; the connection ends with its answer."""
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Length: 0\r\nAuthorization: Bearer {token(user_id)}\r\n\r\n".encode()
    )


def allow_descriptors(number: int) -> None:
    """Let this process and those it starts open so many files. Raises SkipTest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < number:
        raise SkipTest(f"no more than {hard} files may be open here")
    if resource.RLIM_INFINITY != soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
