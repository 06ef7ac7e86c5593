"""The CPU time and the memory that an operation takes of the service and of Postgres.

CPU time, because it does not depend on the machine's other work. Memory is what a process has for
itself: shared buffers are not in it. Processes are read several times a second, because the server
process of a command ends with it.
"""

import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType

from tests.benchmarks.machine import Database, cpu_seconds

POLL_SECONDS = 0.02
# Words are indexed whenever a worker has time, not by the operation.
BACKENDS = """
  select pid from pg_stat_activity
  where datname = current_database()
    and application_name like 'gmail-sync %'
    and application_name <> 'gmail-sync housekeeping'
"""


@dataclass
class Usage:
    """CPU in seconds. A peak is in bytes, of the process that has the most."""

    seconds: float = 0
    service_cpu: float = 0
    postgres_cpu: float = 0
    service_peak: int = 0
    postgres_peak: int = 0

    @property
    def cpu(self) -> float:
        return self.service_cpu + self.postgres_cpu

    @classmethod
    def names(cls) -> list[str]:
        return [each.name for each in fields(cls)]


class Meter:
    """Measures in a `with` block what the process `service` and its server processes use."""

    def __init__(self, database: Database, service: int) -> None:
        self._database = database
        self._service = service
        self._usage = Usage()
        # The seconds of CPU of each process at first and at last.
        self._cpu: dict[int, tuple[float, float]] = {}
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Usage:
        for pid in (self._service, *self._backends()):
            self._cpu[pid] = (cpu_seconds([pid]),) * 2
        self._thread.start()
        return self._usage

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._read()
        used = {pid: last - first for pid, (first, last) in self._cpu.items()}
        self._usage.seconds = time.monotonic() - self._began
        self._usage.service_cpu = used.pop(self._service)
        self._usage.postgres_cpu = sum(used.values())

    def _poll(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self._read()

    def _read(self) -> None:
        usage = self._usage
        usage.service_peak = max(usage.service_peak, self._read_process(self._service))
        for pid in self._backends():
            usage.postgres_peak = max(usage.postgres_peak, self._read_process(pid))

    def _read_process(self, pid: int) -> int:
        """Note its CPU; returns the bytes it has for itself."""
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            first, _ = self._cpu.get(pid, (0.0, 0.0))
            self._cpu[pid] = first, cpu_seconds([pid])
            found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            return 1024 * int(found[1]) if found else 0
        return 0

    def _backends(self) -> list[int]:
        return [row["pid"] for row in self._database.db.execute(BACKENDS).fetchall()]
