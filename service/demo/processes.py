"""The demo's processes. They have no terminal, and end with the demo."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

START_SECONDS = 60
STOP_SECONDS = 20


class DidNotStart(RuntimeError):
    """The process ended, or did not answer in time; with the end of its output."""


class Process:
    """A gmail-sync command in the background, stopped at the end of the `with` block.

    It is ready once `ready_url` accepts `token`: another process at that address does not know it.
    Its output goes to a file, which DidNotStart shows.
    """

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        output: Path,
        ready_url: str,
        token: str,
    ) -> None:
        self._arguments = arguments
        self._environment = environment
        self._output = output
        self._ready_url = ready_url
        self._headers = {"Authorization": f"Bearer {token}"}

    def __enter__(self) -> Self:
        # The demo handles Ctrl-C. If it is killed, its processes get SIGTERM.
        guard = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        # -P: a folder named service in the current folder is not ours.
        command = [*guard, sys.executable, "-P", "-m", "service.cli", *self._arguments]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            stop(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        stop(self._process)

    def _wait_until_ready(self) -> None:
        gives_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < gives_up_at:
            if self._process.poll() is not None:
                break
            try:
                if requests.get(self._ready_url, headers=self._headers, timeout=5).ok:
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.05)
        raise DidNotStart(
            f"gmail-sync {self._arguments[0]} did not start:\n{self._output.read_text()[-4000:]}"
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it; by SIGKILL if it takes too long."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
