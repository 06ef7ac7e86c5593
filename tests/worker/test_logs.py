"""A log that cannot be written harms nothing: its lines are dropped and counted."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from service import logs
from service.postgres.calls import Session
from service.postgres.outage_log import OutageLog
from service.simulator import Mailbox, Simulator, generate
from tests.killable import PROGRAM, KillableProcess
from tests.waiting import wait_until
from tests.worker.conftest import Account

StartKillable = Callable[..., KillableProcess]


@pytest.fixture
def start_killable(service_url: str, simulator: Simulator, keys: str) -> Iterator[StartKillable]:
    with ExitStack() as stack:

        def start(**options: object) -> KillableProcess:
            environment = {
                "DATABASE_URL": service_url,
                "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
                "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
                "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
                "GMAIL_SYNC_LOG_LEVEL": "debug",
                "GMAIL_SYNC_WORKER_CONCURRENCY": "1",
            }
            process = KillableProcess("worker", environment, **options)  # type: ignore[arg-type]
            stack.callback(process.stop)
            return process

        yield start


def dropped_lines(functions: Session) -> int:
    return sum(row["dropped_log_lines"] for row in functions.rows("list_workers"))


@pytest.fixture
def syncs_and_counts(
    account: Account, mailbox: Mailbox, functions: Session
) -> Callable[[KillableProcess], None]:
    """A sync succeeds, and the worker says that it dropped lines."""

    def check(process: KillableProcess) -> None:
        mailbox.load(generate(5))
        assert account.sync(seconds=60)["outcome"] == "succeeded"
        wait_until(lambda: dropped_lines(functions) > 0)
        assert process.status() is None

    return check


Check = Callable[[KillableProcess], None]


def test_no_stderr(start_killable: StartKillable, syncs_and_counts: Check) -> None:
    closing = ("sh", "-c", 'exec "$@" >&- 2>&-', "sh", *PROGRAM)
    syncs_and_counts(
        start_killable(stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, program=closing)
    )


def test_a_full_disk(start_killable: StartKillable, syncs_and_counts: Check) -> None:
    with Path("/dev/full").open("wb") as full:
        syncs_and_counts(start_killable(stderr=full, stdout=full))


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_that_nobody_reads(
    start_killable: StartKillable, syncs_and_counts: Check, blocking: bool
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, blocking)
    try:
        syncs_and_counts(start_killable(stderr=writer, stdout=writer))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_pipe_whose_reader_has_gone(
    start_killable: StartKillable, syncs_and_counts: Check, functions: Session
) -> None:
    reader, writer = os.pipe()
    process = start_killable(stderr=writer, stdout=writer)
    wait_until(lambda: functions.rows("list_workers"))
    os.close(reader)
    os.close(writer)
    syncs_and_counts(process)


def test_a_reader_that_comes_back_reads_whole_lines() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w") as pipe:
        stream = logs.LogStream(pipe)
        line = "x" * 9000  # longer than what a pipe takes as a whole
        before = logs.dropped.total
        while logs.dropped.total == before:
            stream.write(f"{line}\n")
        kept = b""
        with suppress(BlockingIOError):
            while True:
                kept += os.read(reader, 65536)
        stream.write("after\n")
        kept += os.read(reader, 65536)
    os.close(reader)
    *whole, torn, after = kept.decode().splitlines()
    assert set(whole) == {line}
    assert 0 < len(torn) < len(line)
    assert after == "after"


def test_streams_that_are_closed_from_within(
    start_killable: StartKillable,
    account: Account,
    mailbox: Mailbox,
    functions: Session,
    tmp_path: Path,
) -> None:
    """The log goes on, and no connection that gets a number of theirs gets its lines."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = start_killable(stderr=output)
    wait_until(lambda: functions.rows("list_workers"))
    assert process.ask("close") == "closed"
    mailbox.load(generate(5))
    assert account.sync(seconds=60)["outcome"] == "succeeded"
    wait_until(lambda: '"run succeeded"' in log.read_text())
    assert dropped_lines(functions) == 0


def test_a_character_that_the_terminal_lacks_is_escaped(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="ascii") as file:
        logs.LogStream(file).write("é\ud800\n")
    assert (tmp_path / "log").read_text() == "\\xe9\\ud800\n"


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError


def test_a_value_that_cannot_be_printed_costs_only_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logs.configure("info")
    before = logs.dropped.total
    log.info("lost", value=Unprintable())
    log.info("kept")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "kept"
    assert logs.dropped.total == before + 1


def test_tracebacks_and_warnings_go_to_the_same_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logs.take_over_stderr()
    before = logs.dropped.total
    print("a traceback", file=sys.stderr)
    assert isinstance(sys.stderr, io.TextIOBase)
    assert logs.dropped.total > before


def test_what_libraries_log_is_json_too() -> None:
    program = """
import logging
import time
from service import logs

logs.take_over_stderr()
logs.configure("info")
logging.getLogger("psycopg.pool").warning("error connecting in %r", "api")
try:
    raise ValueError("odd")
except ValueError:
    logging.getLogger("asyncio").exception("callback failed")
logging.getLogger("other").info("chatter")
time.sleep(1 - time.time() % 1)
for _ in range(1000):
    logging.getLogger("flood").warning("no more files")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    first, second, *flood = (json.loads(line) for line in ended.stderr.splitlines())
    assert (first["level"], first["logger"]) == ("warning", "psycopg.pool")
    assert first["event"] == "error connecting in 'api'"
    assert (second["level"], second["event"]) == ("error", "callback failed")
    assert "ValueError: odd" in second["exception"]
    assert 1 <= len(flood) < 10


def test_an_outage_of_some_threads_is_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    outage = OutageLog("claiming", logs.configure("info"))

    def fail() -> None:
        outage.failed(ValueError("too many connections"))

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for _ in range(3):
            one.submit(fail).result()
            other.submit(outage.succeeded).result()
        one.submit(outage.succeeded).result()
    found = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert found == ["claiming failed", "claiming works again"]
