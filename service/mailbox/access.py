"""A user's mailbox opened outside of a run: for an attachment somebody asks for, or an audit.

Every request is charged to the quota ledger that runs are charged to, and what Google says of the
credentials becomes the account's state, as in a run. Nothing is asked for of a mailbox before
Gmail has said that it is the account's own.
"""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Self, TypeVar

from structlog.typing import FilteringBoundLogger

from service.accounts.credentials import AccountCredentials
from service.gmail.answers import Profile
from service.gmail.backoff import QUOTA
from service.gmail.errors import (
    AccountBlocked,
    GmailError,
    ReauthRequired,
    Transient,
)
from service.gmail.retry import call_with_retry
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.credentials import UnusableCredentials
from service.mime.text import storable
from service.postgres.calls import DatabaseClock, FunctionCaller, Row
from service.postgres.errors import AccountNotConnected

T = TypeVar("T")


class QuotaUsedUp(Exception):
    """A request would have to wait until then, which is longer than its caller would.

    `until` is the database's time, `wait` how long that is from now.
    """

    def __init__(self, until: datetime, wait: timedelta) -> None:
        super().__init__(f"Google's quota is used up until {until:%H:%M:%S} UTC; try again then.")
        self.until = until
        self.wait = wait


class CredentialsKeysMissing(Exception):
    """This process was given no key that opens credentials."""


class MailboxAccess:
    """One user's mailbox, for one thread. `stopping` ends every wait; on_wait is told of each:
    until when, and why.

    `opened` is the row of get_account_credentials, `calls` how often each method was asked for.
    Raises AccountNotConnected unless there are credentials that can be tried.
    """

    def __init__(
        self,
        caller: FunctionCaller,
        google: Google,
        user_id: str,
        log: FilteringBoundLogger,
        stopping: threading.Event | None = None,
        on_wait: Callable[[datetime, str], None] = lambda until, why: None,
    ) -> None:
        self.opened = _open(caller, user_id)
        self.calls: Counter[str] = Counter()
        self._caller = caller
        self._user_id = user_id
        self._stopping = stopping or threading.Event()
        self._on_wait = on_wait
        self._clock = DatabaseClock(self.opened["opened_at"])
        self._is_own: bool = self.opened["verified"]
        try:
            self._account = AccountCredentials(
                caller, google, user_id, self.opened["credentials"], log
            )
        except (WrongKey, UnusableCredentials) as error:
            raise AccountNotConnected(str(error)) from error
        self.client = self._account.new_client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()
        self._account.save_unsaved()

    def call(self, method: str, request: Callable[[], T], max_wait: timedelta) -> T:
        """Charge a call of `method` and send it, again where Google asks to wait or does not
        answer, for at most `max_wait`. Raises GmailError, SyncError and QuotaUsedUp;
        AccountNotConnected when it is another mailbox than the account's."""
        if not self._is_own:
            self.own_profile(max_wait)
        return self._send(method, request, max_wait)

    def own_profile(self, max_wait: timedelta) -> Profile:
        """What Gmail says of the mailbox. Raises what `call` raises."""
        profile = self._send("getProfile", self.client.profile, max_wait)
        email = self.opened["email"]
        if profile.email.lower() != email.lower():
            raise AccountNotConnected(
                f"the mailbox is {profile.email}, the account of user {self._user_id} is {email}",
                "Connect the mailbox that was connected first.",
            )
        self._is_own = True
        return profile

    def _send(self, method: str, request: Callable[[], T], max_wait: timedelta) -> T:
        deadline = self._clock.now() + max_wait
        try:
            return call_with_retry(
                request,
                charge=partial(self._charge, method, deadline),
                wait=partial(self._wait_after, deadline),
                now=self._clock.now,
            )
        except (ReauthRequired, AccountBlocked) as error:
            self._refuse(error)
            raise

    def _wait_after(self, deadline: datetime, error: GmailError, moment: datetime) -> None:
        if moment > deadline and isinstance(error, Transient):
            raise error
        self._wait_until(moment, deadline, str(error))

    def _charge(self, method: str, deadline: datetime) -> None:
        # The ledger books what comes before the deadline. Ours is never later than the one it
        # works out, so that nothing is sent which it has not booked.
        patience = max(deadline - self._clock.now(), timedelta(0))
        free_at = self._caller.value("reserve_account_quota", self._user_id, method, 1, patience)
        if free_at is not None:
            self._wait_until(free_at, deadline, QUOTA)
        self.calls[method] += 1

    def _wait_until(self, moment: datetime, deadline: datetime, why: str) -> None:
        wait = moment - self._clock.now()
        if moment > deadline:
            raise QuotaUsedUp(moment, wait)
        self._on_wait(moment, why)
        if self._stopping.wait(max(0.0, wait.total_seconds())):
            raise QuotaUsedUp(moment, wait)

    def _refuse(self, error: ReauthRequired | AccountBlocked) -> None:
        status = "suspended" if isinstance(error, AccountBlocked) else "reauth_required"
        self._account.refuse(status, storable(str(error)))


class MailboxOpener:
    """Opens mailboxes for the threads of one process. `google` is None where it has no keys."""

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
        """Raises NoKeys and AccountNotConnected."""
        if self._google is None:
            raise CredentialsKeysMissing
        return MailboxAccess(self._caller, self._google, user_id, self._log, self._stopping)


def _open(caller: FunctionCaller, user_id: str) -> Row:
    opened = caller.row("get_account_credentials", user_id)
    # Whether a suspended account is let in again only Google can tell.
    if opened is None or opened["status"] not in ("connected", "suspended"):
        reason = opened and opened["status_reason"]
        raise AccountNotConnected(
            reason or f"user {user_id} has no connected Gmail account",
            "Connect the account, then try again.",
        )
    return opened
