"""Access to a user's mailbox outside of runs: for an attachment on demand, or to verify.

Requests are charged to the same quota ledger as those of runs. If Google rejects the credentials,
the account's status changes, as in a run. No content is fetched until the mailbox's address has
been checked against the account.
"""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Self, TypeVar

from structlog.typing import FilteringBoundLogger

from service.accounts.credentials import AccountCredentials
from service.accounts.rows import USABLE, CredentialsRow, get_credentials
from service.gmail.answers import Profile
from service.gmail.api import Format
from service.gmail.backoff import QuotaWait, to_reserve
from service.gmail.errors import GmailError, Refused, Transient
from service.gmail.retry import call_with_retry
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.credentials import UnusableCredentials
from service.mime.text import storable
from service.postgres.calls import DatabaseClock, FunctionCaller
from service.postgres.errors import AccountNotConnected

T = TypeVar("T")


class QuotaUsedUp(Exception):
    """A request would have to wait longer than its caller allows.

    `until` is in the database's time; `wait` is the time from now until then.
    """

    def __init__(self, until: datetime, wait: timedelta) -> None:
        super().__init__(f"Google's quota is used up until {until:%H:%M:%S} UTC; try again then.")
        self.until = until
        self.wait = wait


class CredentialsKeysMissing(Exception):
    """This process has no keys to decrypt credentials with."""


class MailboxAccess:
    """One user's mailbox, for one thread.

    `stopping` ends every wait. on_wait is called before each wait, with its end and its reason.
    `calls` counts the calls of each method. Raises AccountNotConnected without usable credentials.
    """

    def __init__(
        self,
        caller: FunctionCaller,
        google: Google,
        user_id: str,
        log: FilteringBoundLogger,
        stopping: threading.Event | None = None,
        on_wait: Callable[[datetime, str], None] = lambda until, reason: None,
    ) -> None:
        row = get_credentials(caller, user_id)
        if row is None or row.status not in USABLE or row.credentials is None:
            raise _not_connected(user_id, row)
        self.account = row
        # By method and format.
        self.calls: Counter[tuple[str, str]] = Counter()
        self._caller = caller
        self._user_id = user_id
        self._stopping = stopping or threading.Event()
        self._on_wait = on_wait
        self._clock = DatabaseClock(caller)
        self._is_own = self.account.verified
        try:
            self._credentials = AccountCredentials(caller, google, user_id, row.credentials, log)
        except (WrongKey, UnusableCredentials) as error:
            raise AccountNotConnected(str(error)) from error
        self.client = self._credentials.new_client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()
        self._credentials.save_unsaved()

    def call(
        self,
        method: str,
        request: Callable[[], T],
        max_wait: timedelta,
        format: Format | None = None,  # noqa: A002
    ) -> T:
        """Charge a call of `method` and send it; retry after limits and outages for max_wait.

        Raises GmailError, SyncError and QuotaUsedUp; AccountNotConnected for another mailbox.
        """
        if not self._is_own:
            self.own_profile(max_wait)
        return self._send((method, format or ""), request, max_wait)

    def own_profile(self, max_wait: timedelta) -> Profile:
        """Gmail's profile of the mailbox. Raises what `call` raises."""
        profile = self._send(("getProfile", ""), self.client.profile, max_wait)
        if not self._caller.value("is_own_mailbox", self._user_id, profile.email):
            raise AccountNotConnected(
                f"the mailbox is {profile.email}, "
                f"the account of user {self._user_id} is {self.account.email}",
                "Connect the mailbox that was connected first.",
            )
        self._is_own = True
        return profile

    def _send(self, charged: tuple[str, str], request: Callable[[], T], max_wait: timedelta) -> T:
        deadline = self._clock.now() + max_wait
        try:
            return call_with_retry(
                request,
                charge=partial(self._charge, charged, deadline),
                wait=partial(self._wait_after, deadline),
                record_daily_limit=partial(self._caller.value, "record_daily_limit", self._user_id),
                now=self._clock.now,
            )
        except Refused as error:
            self._credentials.mark_rejected(error.code, storable(str(error)))
            raise

    def _wait_after(self, deadline: datetime, error: GmailError, moment: datetime) -> None:
        if moment > deadline and isinstance(error, Transient):
            raise error
        self._wait_until(moment, deadline, str(error), moment)

    def _charge(self, charged: tuple[str, str], deadline: datetime) -> None:
        wait = self._reserve(charged, deadline)
        while wait is not None:
            self._wait_until(wait.free_at, deadline, wait.reason, wait.ask_at)
            wait = None if wait.is_reserved else self._reserve(charged, deadline)
        self.calls[charged] += 1

    def _reserve(self, charged: tuple[str, str], deadline: datetime) -> QuotaWait | None:
        # The ledger reserves calls up to the deadline that it computes from max_wait. Ours is never
        # later, so nothing is sent without a reservation.
        max_wait = max(deadline - self._clock.now(), timedelta(0))
        calls = to_reserve({charged: 1})
        return self._caller.row_as(
            QuotaWait, "reserve_account_quota", self._user_id, calls, max_wait
        )

    def _wait_until(
        self, moment: datetime, deadline: datetime, reason: str, ask_at: datetime
    ) -> None:
        """Wait until ask_at, for a limit that ends at `moment`. Raises QuotaUsedUp."""
        wait = moment - self._clock.now()
        if moment > deadline:
            raise QuotaUsedUp(moment, wait)
        self._on_wait(moment, reason)
        if self._stopping.wait(max(0.0, (ask_at - self._clock.now()).total_seconds())):
            raise QuotaUsedUp(moment, wait)


class MailboxOpener:
    """Opens mailboxes for the threads of one process; `google` is None without keys."""

    def __init__(
        self,
        caller: FunctionCaller,
        google: Google | None,
        log: FilteringBoundLogger,
        stopping: threading.Event | None = None,
    ) -> None:
        self._caller = caller
        self._google = google
        self._log = log
        self._stopping = stopping

    def open(self, user_id: str) -> MailboxAccess:
        """Raises CredentialsKeysMissing and AccountNotConnected."""
        if self._google is None:
            raise CredentialsKeysMissing
        return MailboxAccess(self._caller, self._google, user_id, self._log, self._stopping)


def _not_connected(user_id: str, row: CredentialsRow | None) -> AccountNotConnected:
    return AccountNotConnected(
        (row and row.status_reason) or f"user {user_id} has no connected Gmail account",
        "Connect the account, then try again.",
    )
