"""A worker: slots that claim and execute runs, a listener that wakes them, and housekeeping."""

import importlib.metadata
import threading
import time
import uuid

import psycopg
from structlog.typing import FilteringBoundLogger

from service.google.configuration import Google
from service.postgres.calls import Session
from service.postgres.listener import Listener, RunChange
from service.worker.claim import Claim
from service.worker.run import RunExecutor

# How often a slot polls for a run without a notification.
POLL_SECONDS = 2.0
# How often the fallback reaper runs and the worker sends its own heartbeat.
HOUSEKEEPING_SECONDS = 10.0
# Messages indexed per call: a store of one of them waits for at most this many.
INDEX_BATCH = 20
# How long a drain may take. Fetches are interrupted; stored messages are kept.
DRAIN_SECONDS = 10.0


class Worker:
    """Claims and executes up to `concurrency` runs at once, from start() to stop().

    `listen_url` connects directly to the database if `url` goes through a pooler.
    """

    def __init__(
        self,
        url: str,
        google: Google,
        concurrency: int,
        log: FilteringBoundLogger,
        listen_url: str = "",
    ) -> None:
        # New at each start: host names can be equal, these ids never are.
        self.id = uuid.uuid4()
        self._url = url
        self._google = google
        self._concurrency = concurrency
        self._log = log.bind(worker=str(self.id))
        self._draining = threading.Event()
        self._wakeup = threading.Condition()
        self._wakeups = 0
        self._runs: dict[str, RunExecutor] = {}
        self._listener = Listener(listen_url or url, self._on_change, self._log)
        self._threads = [
            *(
                threading.Thread(target=self._serve_slot, name=f"slot {number}", daemon=True)
                for number in range(concurrency)
            ),
            threading.Thread(target=self._housekeeping_loop, name="housekeeping", daemon=True),
        ]

    def start(self) -> None:
        self._listener.start()
        for thread in self._threads:
            thread.start()
        self._log.info("worker started", concurrency=self._concurrency)

    def drain(self) -> None:
        """Stop claiming and start to hand over the active runs. Does not wait."""
        self._draining.set()
        self._wake_slots(self._concurrency)
        for run in list(self._runs.values()):
            run.interrupt()

    def stop(self) -> None:
        """Drain, and wait for it for at most DRAIN_SECONDS."""
        ends_at = time.monotonic() + DRAIN_SECONDS
        self.drain()
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        self._listener.stop()
        left = [run.task_id for run in list(self._runs.values())]
        self._log.info("worker stopped", left_to_the_reaper=left)

    def _on_change(self, change: RunChange) -> None:
        # A run needs one slot; waking the others would only slow it down.
        self._wake_slots(1)
        if run := self._runs.get(change.task_id):
            run.heartbeat_now()

    def _wake_slots(self, slots: int) -> None:
        """Wake that many waiting slots. A slot that is about to wait claims once more instead."""
        with self._wakeup:
            self._wakeups += 1
            self._wakeup.notify(slots)

    def _wait_for_wakeup(self, seen: int) -> None:
        with self._wakeup:
            self._wakeup.wait_for(lambda: self._wakeups != seen, POLL_SECONDS)

    def _serve_slot(self) -> None:
        session = Session(self._url, "gmail-sync worker")
        while not self._draining.is_set():
            seen = self._wakeups
            try:
                claim = session.row_as(Claim, "claim_sync", self.id)
            except psycopg.Error as error:
                self._log.warning("claiming failed", error=str(error))
                self._draining.wait(POLL_SECONDS)
                continue
            if claim is None:
                self._wait_for_wakeup(seen)
                continue
            log = self._log.bind(task_id=claim.task_id, user_id=claim.user_id)
            log.info("run claimed", sync_type=claim.sync_type, attempt=claim.attempt)
            run = RunExecutor(claim, self._url, session, self._google, self._draining, log)
            self._runs[run.task_id] = run
            run.execute()
            del self._runs[run.task_id]
        session.close()

    def _housekeeping_loop(self) -> None:
        session = Session(self._url, "gmail-sync housekeeping")
        version = importlib.metadata.version("gmail-sync")
        while True:
            try:
                session.value("worker_heartbeat", self.id, version, self._concurrency)
                if reaped := session.value("run_fallback_reaper"):
                    self._log.warning("reaped in place of pg_cron", runs=reaped)
                more = session.value("index_messages", INDEX_BATCH) == INDEX_BATCH
                if self._draining.wait(0 if more else HOUSEKEEPING_SECONDS):
                    session.value("unregister_worker", self.id)
                    break
            except psycopg.Error as error:
                self._log.warning("housekeeping failed", error=str(error))
                if self._draining.wait(HOUSEKEEPING_SECONDS):
                    break
        session.close()
