"""A worker at one database: slots that claim and execute runs, a listener that wakes them, and
housekeeping."""

import threading
import time
import uuid
from collections.abc import Collection
from contextlib import closing

import psycopg
from structlog.typing import FilteringBoundLogger

from service import logs, telemetry
from service.google.configuration import Google
from service.postgres.calls import Session, is_outage
from service.postgres.listener import Listener, RunChange
from service.postgres.outage_log import OutageLog
from service.threads import LongLivedThread, end_process
from service.version import version
from service.webhooks.addresses import Network
from service.webhooks.sender import WebhookSender
from service.worker.claim import Claim
from service.worker.run import RunExecutor

# How often a slot polls for a run without a notification.
POLL_SECONDS = 2.0
# How often the fallback reaper runs and the worker sends its own heartbeat.
HOUSEKEEPING_SECONDS = 10.0
# How long all slots may fail before the process ends. Its supervisor starts another.
LIFELESS_SECONDS = 60.0
# Prefixes of the SQLSTATEs for what the schema lacks and what the service may not use.
SCHEMA_SQLSTATES = ("42", "3F")
# Messages indexed per call: a store of one of them waits for at most this many.
INDEX_BATCH = 20
# How long a drain may take. Fetches are interrupted; stored messages are kept.
DRAIN_SECONDS = 10.0


class Worker:
    """Claims and executes up to `concurrency` runs at once, from start() to stop().

    `listen_url` connects directly to the database if `url` goes through a pooler. It also sends
    events to webhooks, to `webhook_networks` even if those are not public. `process_slots` are
    those of all workers of the process: it ends when none of them works.
    """

    def __init__(
        self,
        url: str,
        google: Google,
        concurrency: int,
        log: FilteringBoundLogger,
        listen_url: str = "",
        webhook_networks: Collection[Network] = (),
        process_slots: list[LongLivedThread] | None = None,
    ) -> None:
        # New at each start: host names can be equal, these ids never are.
        self.id = uuid.uuid4()
        self._url = url
        self._google = google
        self._concurrency = concurrency
        self._log = log.bind(worker=str(self.id))
        self._claiming = OutageLog("claiming", self._log)
        self._housekeeping = OutageLog("housekeeping", self._log)
        self._draining = threading.Event()
        self._wakeup = threading.Condition()
        self._wakeups = 0
        self._runs: dict[str, RunExecutor] = {}
        self._webhooks = WebhookSender(url, webhook_networks, self._log)
        self._listener = Listener(
            listen_url or url, self._on_change, self._log, self._webhooks.wake
        )
        self._slots = [
            LongLivedThread(f"slot {number}", self._serve_slot, self._draining, self._log)
            for number in range(concurrency)
        ]
        self._process_slots = [] if process_slots is None else process_slots
        self._process_slots += self._slots
        self._housekeeper = LongLivedThread(
            "housekeeping", self._housekeeping_loop, self._draining, self._log
        )

    def start(self) -> None:
        self._listener.start()
        self._webhooks.start()
        for thread in (*self._slots, self._housekeeper):
            thread.start()
        self._log.info("worker started", concurrency=self._concurrency)

    def drain(self) -> None:
        """Stop claiming and start to hand over the active runs. Does not wait."""
        self._draining.set()
        self._webhooks.drain()
        self._wake_slots(self._concurrency)
        for run in list(self._runs.values()):
            run.interrupt()

    def stop(self) -> None:
        """Drain, and wait for it for at most DRAIN_SECONDS."""
        ends_at = time.monotonic() + DRAIN_SECONDS
        self.drain()
        for thread in (*self._slots, self._housekeeper):
            thread.join(max(0.0, ends_at - time.monotonic()))
        self._webhooks.stop()
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
        with closing(Session(self._url, "gmail-sync worker")) as session:
            while not self._draining.is_set():
                seen = self._wakeups
                asked_at = telemetry.now()
                try:
                    claim = session.row_as(Claim, "claim_sync", self.id)
                except psycopg.Error as error:
                    if not _passes(error):
                        raise
                    self._claiming.failed(error)
                    self._draining.wait(POLL_SECONDS)
                    continue
                self._claiming.succeeded()
                if claim is None:
                    self._wait_for_wakeup(seen)
                else:
                    with telemetry.run(claim.traceparent, asked_at, _facts(claim)):
                        self._execute(claim, session)

    def _execute(self, claim: Claim, session: Session) -> None:
        log = self._log.bind(task_id=claim.task_id, user_id=claim.user_id)
        log.info("run claimed", sync_type=claim.sync_type, attempt=claim.attempt)
        run = RunExecutor(claim, self._url, session, self._google, self._draining, log)
        self._runs[run.task_id] = run
        try:
            run.execute()
        finally:
            del self._runs[run.task_id]

    def _housekeeping_loop(self) -> None:
        with closing(Session(self._url, "gmail-sync housekeeping")) as session:
            while True:
                try:
                    self._send_heartbeat(session)
                    if reaped := session.value("run_fallback_reaper"):
                        self._log.warning("lost runs reaped", runs=reaped)
                    more = session.value("index_messages", INDEX_BATCH) == INDEX_BATCH
                    self._housekeeping.succeeded()
                    if self._draining.wait(0 if more else HOUSEKEEPING_SECONDS):
                        session.value("unregister_worker", self.id)
                        break
                except psycopg.Error as error:
                    self._housekeeping.failed(error)
                    if self._draining.wait(HOUSEKEEPING_SECONDS):
                        break

    def _send_heartbeat(self, session: Session) -> None:
        session.value(
            "worker_heartbeat",
            self.id,
            version(),
            self._concurrency,
            self._living_slots(),
            logs.dropped.total,
        )

    def _living_slots(self) -> int:
        """The number of slots that work. Ends the process if none of it has for too long."""
        failing = _failing_for(self._process_slots)
        if len(failing) == len(self._process_slots) and min(failing) > LIFELESS_SECONDS:
            reason = f"none of the {len(failing)} slots of this process works"
            end_process(self._log, f"{reason}: each failed for {min(failing):.0f} s")
        return self._concurrency - len(_failing_for(self._slots))


def _failing_for(slots: list[LongLivedThread]) -> list[float]:
    """For how many seconds each slot that fails has done so."""
    return [seconds for slot in slots if (seconds := slot.failing_for())]


def _facts(claim: Claim) -> telemetry.Attributes:
    """What a trace says of a run. Its task_id contains the user id, which may be an address."""
    return {"gmail_sync.sync_type": claim.sync_type, "gmail_sync.attempt": claim.attempt}


def _passes(error: psycopg.Error) -> bool:
    """Whether the database is away, busy or being migrated. Any other error is a slot's failure."""
    return (
        is_outage(error)
        or isinstance(error, psycopg.OperationalError)
        or (error.sqlstate or "").startswith(SCHEMA_SQLSTATES)
    )
