"""Who watches a user's run while all around it breaks, over a connection of its own."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import psycopg

from service.postgres.calls import Connection, Row, connect
from tests.waiting import wait_until
from tests.worker.test_progress import judge

PAUSE_SECONDS = 0.003
PATIENCE_SECONDS = 90

STATE = "select *, clock_timestamp() as read_at from gmail_sync.sync_status(%s)"
MOST_RUNS = """
    select coalesce(max(count), 0) as most from (
      select count(*) from gmail_sync.user_sync_status where is_syncing group by user_id
    ) running
"""


class SyncEnded(Exception):
    """The sync was over before what was waited for came true."""


class Witness:
    """Every state of a user's latest run that it could see while Postgres answered, with the time
    of time.monotonic() when it was `seen_at`.
    """

    def __init__(self, url: str, user_id: str) -> None:
        self.samples: list[Row] = []
        self._most_runs = 0
        self._url = url
        self.user_id = user_id
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"witness {user_id}")

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_until(lambda: self.samples)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(20)

    @property
    def now(self) -> Row:
        return self.samples[-1]

    def done(self) -> float:
        """The share of the run's messages that are done."""
        now = self.now
        found: int = now["current_stats"]["found"]
        return _done(now) / max(1, found)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Until it is true. Raises SyncEnded."""
        wait_until(lambda: condition() or self.ended(), PATIENCE_SECONDS)
        if not condition():
            raise SyncEnded

    def wait(self, seconds: float) -> None:
        """So long. Raises SyncEnded."""
        ends_at = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= ends_at)

    def ended(self) -> bool:
        if not self.samples:
            return False
        return self.now["outcome"] is not None and self.now["successor"] is None

    def judge(self) -> None:
        """Fail at the first sample that lies, or that shows two runs of one user."""
        assert self._most_runs == 1
        judge([{key: row[key] for key in row if key != "seen_at"} for row in self.samples])

    def went_on_at(self, since: float, task_id: str | None = None) -> float | None:
        """When more was done than at `since`, or all; by another run than task_id where given."""
        later = [sample for sample in self.samples if sample["seen_at"] >= since]
        if task_id is not None:
            later = [sample for sample in later if sample["task_id"] != task_id]
        for sample in later:
            if _done(sample) > _done(later[0]) or sample["outcome"] == "succeeded":
                seen_at: float = sample["seen_at"]
                return seen_at
        return None

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with connect(self._url, "witness") as connection:
                    self._watch(connection)
            except psycopg.Error:
                self._stopped.wait(PAUSE_SECONDS)

    def _watch(self, connection: Connection) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            (running,) = connection.execute(MOST_RUNS).fetchall()
            self._most_runs = max(self._most_runs, running["most"])
            for row in connection.execute(STATE, [self.user_id]).fetchall():
                self.samples.append({**row, "seen_at": time.monotonic()})


def _done(sample: Row) -> int:
    stats = sample["current_stats"]
    done: int = stats["found"] - stats["pending"]
    return done
