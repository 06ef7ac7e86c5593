# ruff: noqa: N999
"""An export of Google Takeout, imported and joined with the listing of a full sync.

The time is that of the command `gmail-sync import`, which ends when the worker's run has. Nothing
else waits for it, so the words of the messages are indexed in the same time. Resident memory is
read of the command, of its processes and of the worker, several times a second. `verify` finds no
drift, or the benchmark fails.

The mail has no line that begins with `From `. Takeout's quoting of such a line is ambiguous, so an
import fetches those messages. Of generated mail they are every twelfth.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Database, Installation, cpu_seconds, gmail, installed, process
from tests.benchmarks.memory import MB, resident
from tests.functions.conftest import only

PROFILE, USER = "google-standard", "user-42"
RATE_BAR = 500.0  # messages a second
UNITS_BAR = 5_000.0
MEMORY_BAR = 1.2
POLL_SECONDS = 0.1
BACKENDS = """
  select pid from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


class Usage:
    """CPU in seconds of a group of processes, and the most bytes that one of them held."""

    def __init__(self) -> None:
        self.memory = 0
        self._cpu: dict[int, tuple[float, float]] = {}

    @property
    def cpu(self) -> float:
        return sum(last - first for first, last in self._cpu.values())

    def read(self, pids: Iterable[int]) -> None:
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                now = cpu_seconds([pid])
                first, _ = self._cpu.get(pid, (now, now))
                self._cpu[pid] = first, now
                self.memory = max(self.memory, resident(pid))


class Measured(NamedTuple):
    """What the command printed, and what the processes used until its end."""

    seconds: float
    answer: dict[str, Any]
    units: int
    command: Usage
    worker: Usage
    postgres: Usage


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, 10_000, 100_000)


def figures(installation: Installation, few: int, many: int) -> Iterator[Figure]:
    small, large = (imported(installation, count) for count in (few, many))
    details: dict[str, float | str | list[float]] = {
        "messages": many,
        "seconds": round(large.seconds, 1),
        "few_seconds": round(small.seconds, 1),
        "import_cpu_seconds": round(large.command.cpu, 1),
        "worker_cpu_seconds": round(large.worker.cpu, 1),
        "postgres_cpu_seconds": round(large.postgres.cpu, 1),
        "imported": large.answer["run"]["current_stats"]["imported"],
        "inexact": large.answer["inexact"],
    }
    yield Figure(
        name="import",
        what=f"{many:,} messages imported and joined",
        beside="–",
        value=many / large.seconds,
        bar=RATE_BAR,
        unit="messages a second",
        details=details,
    )
    yield Figure(
        name="import_units",
        what=f"quota units for {many:,} imported messages",
        beside=f"{20 * many:,} to fetch them",
        value=large.units,
        bar=UNITS_BAR,
        direction="at most",
        unit="units",
        details=details,
    )
    for who, before, after in (
        ("import", small.command.memory, large.command.memory),
        ("worker", small.worker.memory, large.worker.memory),
    ):
        yield Figure(
            name=f"import_memory_{who}",
            what=f"largest process of the {who}, with {many:,} messages",
            beside=f"with {few:,}",
            value=after / before,
            bar=MEMORY_BAR,
            direction="at most",
            details={"few_mb": round(before / MB, 1), "many_mb": round(after / MB, 1)},
        )


def imported(installation: Installation, messages: int) -> Measured:
    with (
        tempfile.TemporaryDirectory() as folder,
        gmail("unquoted", messages) as mailbox,
        installation.database() as database,
    ):
        mailbox.write_takeout(folder)
        environment = database.environment(mailbox.url)
        database.connect_user(USER, PROFILE)
        with database.worker(mailbox.url) as worker:
            command = ["-m", "service.cli", "import", USER, folder, "--json"]
            with process(command, environment, stdout=subprocess.PIPE) as running:
                measured = _measured(database, running, worker)
        assert measured.answer["run"]["outcome"] == "succeeded", measured.answer
        with process(["-m", "service.cli", "verify", USER], environment) as verifying:
            assert verifying.wait() == 0
    return measured


def _measured(database: Database, running: subprocess.Popen[bytes], worker: int) -> Measured:
    command, service, postgres = Usage(), Usage(), Usage()
    began = time.monotonic()
    while running.poll() is None:
        command.read([running.pid, *_children(running.pid)])
        service.read([worker])
        postgres.read(row["pid"] for row in database.db.execute(BACKENDS).fetchall())
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    assert running.stdout
    units = only(database.db, "select sum(units)::int from gmail_sync.quota_day")
    answer = json.loads(running.stdout.read())
    return Measured(seconds, answer, units, command, service, postgres)


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
