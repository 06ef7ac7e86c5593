"""Executes one claimed run and ends it: as succeeded, failed or handed over."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from structlog.typing import FilteringBoundLogger

from service import telemetry
from service.accounts.credentials import AccountCredentials
from service.accounts.rows import USABLE
from service.gmail.client import GmailClient
from service.gmail.errors import (
    DailyLimit,
    GmailError,
    RateLimited,
    Refused,
    TokenExpired,
    TooLarge,
    Transient,
)
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.credentials import UnusableCredentials
from service.mime.text import storable
from service.postgres.calls import DatabaseClock, FunctionCaller
from service.postgres.errors import AccountNotConnected, LeaseLost, UserElsewhere
from service.worker.claim import Claim
from service.worker.fenced_calls import FencedCalls
from service.worker.fetch import PARALLEL, MessageFetcher
from service.worker.lease import Lease
from service.worker.run_end import Failed, HandedOver
from service.worker.sync import AccountSync
from service.worker.throttle import Throttle
from service.worker.watch import Watch

NOT_CONNECTED = "No Gmail account is connected for this user: connect Gmail, then sync again."


class RunExecutor:
    """Executes one claimed run."""

    def __init__(
        self,
        claim: Claim,
        url: str,
        session: FunctionCaller,
        google: Google,
        draining: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        self._claim = claim
        self._session = session
        self._google = google
        self._log = log
        self._clients = ThreadLocalClients()
        # Set once the credentials are decrypted.
        self._account: AccountCredentials | None = None
        self._lease = Lease(
            url,
            claim.task_id,
            claim.heartbeat_interval.total_seconds(),
            claim.heartbeat_timeout.total_seconds(),
            log,
            self.interrupt,
        )
        self._calls = FencedCalls(session, self._lease)
        clock = DatabaseClock(self._calls)
        self._throttle = Throttle(
            self._calls,
            self._lease,
            draining,
            clock,
            claim.longest_wait,
            partial(session.value, "record_daily_limit", claim.user_id),
        )

    @property
    def task_id(self) -> str:
        return self._lease.task_id

    def interrupt(self) -> None:
        """End the requests to Gmail in progress; from any thread."""
        self._clients.interrupt()

    def heartbeat_now(self) -> None:
        """Ask the database at once whether the run still holds its lease; from any thread."""
        self._lease.heartbeat_now()

    def execute(self) -> None:
        """Sync, and end the run. Never raises."""
        try:
            with self._lease:
                try:
                    self._sync()
                    self._lease.stop_beating()
                    self._calls.value("release_sync")
                    self._log.info("run succeeded")
                except (Failed, HandedOver) as end:
                    self._end(end)
                except Exception as error:
                    self._end(self._end_for(error))
        except LeaseLost as error:
            self._log.warning("run dropped", reason=str(error))
        except Exception:
            # The lease expires, and a successor continues.
            self._log.exception("run abandoned")

    def _sync(self) -> None:
        claim = self._claim
        self._prepare()
        if claim.account_status not in USABLE or claim.credentials is None:
            raise Failed("not_connected", claim.status_reason or NOT_CONNECTED)
        account = self._account = AccountCredentials(
            self._session, self._google, claim.user_id, claim.credentials, self._log
        )
        pool = ThreadPoolExecutor(
            PARALLEL,
            thread_name_prefix=f"fetch {self.task_id}",
            initializer=telemetry.thread_initializer(),
        )
        try:
            thread_client = partial(self._clients.for_this_thread, account.new_client)
            fetcher = MessageFetcher(self._calls, self._throttle, pool, thread_client, self._log)
            watch = Watch(
                self._calls, self._throttle, thread_client(), self._google.topic, self._log
            )
            AccountSync(self._calls, self._throttle, pool, thread_client, fetcher, watch).run(
                claim.sync_type,
                verified=bool(claim.verified) and claim.account_status == "connected",
            )
        finally:
            # Requests are left only if the run did not finish.
            self._clients.interrupt()
            pool.shutdown(cancel_futures=True)
            self._clients.close()
            account.save_unsaved()

    def _prepare(self) -> None:
        """Finish what the claim has begun: in a large mailbox it leaves most of it."""
        counted_to = self._claim.counted_to
        while counted_to is not None:
            self._throttle.check()
            counted_to = self._calls.value("prepare_sync", counted_to)

    def _end_for(self, error: Exception) -> Failed | HandedOver:
        """How this error ends the run. Raises LeaseLost unchanged."""
        if isinstance(error, LeaseLost):
            raise error
        if isinstance(error, Refused):
            return Failed("gmail_refused", str(error), error.code)
        if isinstance(error, AccountNotConnected):
            return Failed("another_mailbox", f"{error}. {error.hint}", "another_mailbox")
        if isinstance(error, Transient | RateLimited | DailyLimit | TokenExpired | TooLarge):
            # All of these can pass. The retry loops did not handle this one.
            return HandedOver("gmail_unavailable", str(error))
        if isinstance(error, UserElsewhere):
            return HandedOver("user_moving", str(error), charge_attempt=False)
        if isinstance(error, GmailError):
            return Failed("gmail_refused", str(error))
        if isinstance(error, WrongKey | UnusableCredentials):
            return Failed("credentials_unusable", str(error))
        self._log.exception("run failed unexpectedly")
        message = f"The sync stopped: {type(error).__name__}: {error}"
        return HandedOver("unexpected", message[:500])

    def _end(self, end: Failed | HandedOver) -> None:
        self._lease.stop_beating()
        reason = storable(str(end))
        if isinstance(end, Failed):
            if self._account and end.refusal:
                # First, because Google's verdict on the account is valid without a lease too.
                self._account.mark_rejected(end.refusal, reason)
                # The messages in flight did not cause this, so no attempt is charged.
                self._calls.value("return_messages")
            self._calls.value("release_sync", reason, end.code)
            self._log.warning("run failed", reason=reason)
            return
        if not end.charge_attempt:
            # Otherwise the messages in flight keep their attempt: one may have caused the end.
            self._calls.value("return_messages")
        successor = self._calls.value(
            "handover_sync", reason, end.not_before, end.charge_attempt, end.code
        )
        self._log.info("run handed over", reason=reason, successor=successor)


class ThreadLocalClients:
    """One Gmail client for each thread, because a client is not thread-safe."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._all: list[GmailClient] = []
        self._interrupted = False

    def for_this_thread(self, new: Callable[[], GmailClient]) -> GmailClient:
        """The calling thread's client, created by `new` on first use."""
        client: GmailClient | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = new()
            self._all.append(client)
            if self._interrupted:
                client.interrupt()
        return client

    def interrupt(self) -> None:
        self._interrupted = True
        for client in self._all:
            client.interrupt()

    def close(self) -> None:
        for client in self._all:
            client.close()
