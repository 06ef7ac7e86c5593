"""A user's mailbox opened outside of a run: each request charged, sent once, and waited for."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from service.database import Caller, Row
from service.errors import AccountNotConnected
from service.gmail.errors import (
    AccountBlocked,
    DailyLimit,
    RateLimited,
    ReauthRequired,
    TokenExpired,
    Transient,
)
from service.gmail.google import Google
from service.gmail.text import storable
from service.mailbox.account import Account
from service.worker.gate import DAILY_LIMIT_PAUSE, OUTAGE_PAUSES, RATE_PAUSE, DatabaseClock

T = TypeVar("T")


class QuotaUsedUp(Exception):
    """Gmail may be asked again at `until`, which is later than the caller would wait."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Gmail's quota is used up until {until:%Y-%m-%d %H:%M:%S} UTC")
        self.until = until


class MailboxAccess:
    """Speaks to Gmail for a user, from one thread.

    `opened` is the row of open_account, `calls` how often each method was asked for. on_wait is
    told of each wait: until when, and why. Raises AccountNotConnected, WrongKey and
    UnusableCredentials.
    """

    def __init__(
        self,
        caller: Caller,
        google: Google,
        user_id: str,
        log: FilteringBoundLogger,
        on_wait: Callable[[datetime, str], None] = lambda until, why: None,
    ) -> None:
        self._caller = caller
        self._user_id = user_id
        self._on_wait = on_wait
        self.opened = _opened(caller, user_id)
        self._clock = DatabaseClock(self.opened["asked_at"])
        self._account = Account(caller, google, user_id, self.opened["credentials"], log)
        self.client = self._account.new_client()
        self.calls: Counter[str] = Counter()

    def close(self) -> None:
        self.client.close()
        self._account.save_unsaved()

    def ask(self, method: str, request: Callable[[], T], patience: timedelta) -> T:
        """Send one request, again after a wait where Google asks for it or does not answer.

        Raises QuotaUsedUp when that would take longer than `patience`, else GmailError. The account
        is told when Google refuses its credentials.
        """
        pauses = iter(OUTAGE_PAUSES)
        while True:
            self._charge(method, patience)
            try:
                return request()
            except TokenExpired:
                continue
            except (RateLimited, DailyLimit) as error:
                self._wait_until(self._allowed_at(error), str(error), patience)
            except Transient as error:
                pause = next(pauses, None)
                if pause is None:
                    raise
                self._wait_until(self._in_seconds(pause), str(error), patience)
            except (ReauthRequired, AccountBlocked) as error:
                self._refuse(error)
                raise

    def _charge(self, method: str, patience: timedelta) -> None:
        free_at = self._caller.value("charge_account", self._user_id, method, 1, patience)
        if free_at is not None:
            self._wait_until(free_at, "Google's quota for this minute is used up.", patience)
        self.calls[method] += 1

    def _allowed_at(self, limit: RateLimited | DailyLimit) -> datetime:
        if isinstance(limit, DailyLimit):
            return self._in_seconds(DAILY_LIMIT_PAUSE)
        # A time that has passed by our clock must not make us ask at once: that prolongs it.
        soonest = self._in_seconds(RATE_PAUSE)
        return max(limit.retry_at or soonest, soonest)

    def _in_seconds(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _wait_until(self, moment: datetime, why: str, patience: timedelta) -> None:
        left = moment - self._clock.now()
        if left > patience:
            raise QuotaUsedUp(moment)
        self._on_wait(moment, why)
        time.sleep(max(0.0, left.total_seconds()))

    def _refuse(self, error: ReauthRequired | AccountBlocked) -> None:
        status = "reauth_required" if isinstance(error, ReauthRequired) else "suspended"
        self._caller.value(
            "refuse_credentials", self._user_id, self._account.sealed, status, storable(str(error))
        )


def _opened(caller: Caller, user_id: str) -> Row:
    opened = caller.row("open_account", user_id)
    if opened is None:
        raise AccountNotConnected(
            f"user {user_id} has no Gmail account", "Connect one with gmail-sync account add."
        )
    if opened["status"] != "connected":
        raise AccountNotConnected(
            f"the Gmail account of user {user_id} is {opened['status']}", opened["status_reason"]
        )
    return opened
