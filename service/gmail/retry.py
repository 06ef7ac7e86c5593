"""The one loop that repeats a request to Gmail: after a limit, an outage or an expired token."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from service.gmail.backoff import OUTAGE_BACKOFF, retry_at
from service.gmail.errors import DailyLimit, RateLimited, TokenExpired, Transient

T = TypeVar("T")


def call_with_retry(
    request: Callable[[], T],
    *,
    charge: Callable[[], None],
    wait: Callable[[RateLimited | Transient, datetime], None],
    record_daily_limit: Callable[[], object],
    now: Callable[[], datetime],
) -> T:
    """Send a request until Gmail answers it.

    `charge` is called before each attempt. `wait` is called with the error and the time of the next
    attempt; it may raise instead. After `record_daily_limit` it is `charge` that waits or raises.
    Raises Transient after the last backoff, and other GmailErrors at once.
    """
    backoff = iter(OUTAGE_BACKOFF)
    while True:
        charge()
        try:
            return request()
        except TokenExpired:
            continue
        except DailyLimit:
            record_daily_limit()
        except RateLimited as error:
            wait(error, retry_at(error, now()))
        except Transient as error:
            pause = next(backoff, None)
            if pause is None:
                raise
            wait(error, now() + pause)
