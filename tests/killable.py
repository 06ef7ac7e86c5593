"""`gmail-sync` whose threads can be killed from within: `python -m tests.killable worker`.

A thread of its own reads stdin. A line `ERROR NAME` raises that error in the threads whose names
begin so, and is answered with their number. A line `names` is answered with the names of all
threads. A line `close` closes stdout and stderr.
"""

import builtins
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

from service.cli import main
from service.worker import worker

PROGRAM = (sys.executable, "-m", "tests.killable")


def raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise an error in a thread, at its next step in Python."""
    # A thread that starts another lends it its ident for a moment, and an error for the one strikes
    # the other. Who starts it then waits for it for ever. Nothing outside tests raises so.
    while threading._limbo:
        time.sleep(0.01)
    struck = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(error)
    )
    assert struck == 1 or not thread.is_alive()


def threads_named(prefix: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(prefix)]


class KillableProcess:
    """This program as a process. Without `stdout`, it answers."""

    def __init__(
        self,
        command: str,
        environment: Mapping[str, str],
        stderr: int | IO[bytes],
        stdout: int | IO[bytes] = subprocess.PIPE,
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self._process = subprocess.Popen(
            [*program, command],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )

    def ask(self, line: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().rstrip("\n")

    def kill_threads(self, name: str, error: str) -> None:
        assert int(self.ask(f"{error} {name}")) > 0

    def status(self) -> int | None:
        """The exit status; None while the process runs."""
        return self._process.poll()

    def stop(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(BrokenPipeError):  # A line may not have been read.
                    stream.close()
        self._process.wait(60)


def _obey() -> None:
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        command, _, name = line.rstrip("\n").partition(" ")
        print(_answer(command, name), file=answers, flush=True)


def _answer(command: str, name: str) -> object:
    if command == "names":
        return ",".join(each.name for each in threading.enumerate())
    if command == "close":
        os.close(1)
        os.close(2)
        return "closed"
    found = threads_named(name)
    for each in found:
        raise_in(each, getattr(builtins, command))
    return len(found)


if __name__ == "__main__":
    # Tests wait for the heartbeats of the worker.
    worker.HOUSEKEEPING_SECONDS = 0.2
    threading.Thread(target=_obey, name="killer", daemon=True).start()
    main(prog_name="gmail-sync")
