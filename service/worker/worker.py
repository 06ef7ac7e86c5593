"""A worker: slots that claim and carry out runs, a listener that wakes them, housekeeping."""

import importlib.metadata
import threading
import time
import uuid

import psycopg
from structlog.typing import FilteringBoundLogger

from service.google.configuration import Google
from service.postgres.calls import Session
from service.postgres.listener import Listener
from service.worker.claim import Claim
from service.worker.run import RunExecutor

# The poll that stands behind the notifications, in seconds.
POLL_SECONDS = 2.0
# Passes of the fallback reaper, which are beats of the worker as well.
HOUSEKEEPING_SECONDS = 10.0
# Messages whose words are indexed at a time: no store waits longer for one of them than these take.
INDEX_BATCH = 20
# How long a drain may take: fetches are interrupted, what is stored is stored.
DRAIN_SECONDS = 10.0


class Worker:
    """Claims and carries out up to `concurrency` runs at once, from start() to stop().

    `listen_url` leads straight to the database where `url` leads through a pooler.
    """

    def __init__(
        self,
        url: str,
        google: Google,
        concurrency: int,
        log: FilteringBoundLogger,
        listen_url: str = "",
    ) -> None:
        # A new one at each start: two workers never share one, whatever hosts are named.
        self.id = uuid.uuid4()
        self._url = url
        self._google = google
        self._concurrency = concurrency
        self._log = log.bind(worker=str(self.id))
        self._draining = threading.Event()
        self._wakeup = threading.Condition()
        self._rings = 0
        self._runs: dict[str, RunExecutor] = {}
        self._listener = Listener(listen_url or url, self._heard, self._log)
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
        """Claim nothing more and begin to hand the running runs over. Does not wait."""
        self._draining.set()
        self._wake_slots(self._concurrency)
        for run in list(self._runs.values()):
            run.interrupt()

    def stop(self) -> None:
        """Drain, and wait until that is done: DRAIN_SECONDS at most."""
        ends_at = time.monotonic() + DRAIN_SECONDS
        self.drain()
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        self._listener.stop()
        left = [run.task_id for run in list(self._runs.values())]
        self._log.info("worker stopped", left_to_the_reaper=left)

    def _heard(self, task_id: str) -> None:
        # One run is for one slot; the others would only hold it up.
        self._wake_slots(1)
        if run := self._runs.get(task_id):
            run.heartbeat_now()

    def _wake_slots(self, slots: int) -> None:
        """Have so many of the slots that wait look for a run, and whoever is about to wait."""
        with self._wakeup:
            self._rings += 1
            self._wakeup.notify(slots)

    def _wait_for_ring(self, heard: int) -> None:
        with self._wakeup:
            self._wakeup.wait_for(lambda: self._rings != heard, POLL_SECONDS)

    def _serve_slot(self) -> None:
        session = Session(self._url, "gmail-sync worker")
        while not self._draining.is_set():
            rings = self._rings
            try:
                claim = session.row_as(Claim, "claim_sync", self.id)
            except psycopg.Error as error:
                self._log.warning("claiming failed", error=str(error))
                self._draining.wait(POLL_SECONDS)
                continue
            if claim is None:
                self._wait_for_ring(rings)
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
