"""How long to wait before Gmail is called again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from psycopg.types.json import Jsonb

from service.gmail.errors import DailyLimit, RateLimited

# By what is used up, as the ledger names it.
QUOTA = {
    "minute": "Google's quota for this minute is used up.",
    "day": "Google's quota for today is used up; it is renewed at midnight Pacific time.",
    "refused": DailyLimit.advice,
}


# How many, by method and format. The format is empty where a method has none.
Calls = Mapping[tuple[str, str], int]


def to_reserve(calls: Calls) -> Jsonb:
    """Calls as the ledger takes them."""
    return Jsonb(
        [{"method": method, "format": form, "calls": n} for (method, form), n in calls.items()]
    )


class QuotaWait(msgspec.Struct, frozen=True):
    """The row of a reservation that has to wait.

    `refused`: Google itself says that the day is used up. Then nothing is reserved, and the caller
    reserves again at ask_at. Otherwise ask_at is free_at.
    """

    free_at: datetime
    used_up: Literal["minute", "day", "refused"]
    ask_at: datetime

    @property
    def reason(self) -> str:
        return QUOTA[self.used_up]

    @property
    def is_reserved(self) -> bool:
        return self.used_up != "refused"


# Used when Google names no time, or a time that has passed: an immediate retry prolongs the limit.
RATE_LIMIT_PAUSE = timedelta(seconds=10)
# The wait after each outage in a row; after the last one the caller gives up.
OUTAGE_BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 4, 8))


def retry_at(limit: RateLimited, now: datetime) -> datetime:
    """When Gmail may be called again."""
    soonest = now + max(limit.retry_after or RATE_LIMIT_PAUSE, RATE_LIMIT_PAUSE)
    return max(limit.retry_at or soonest, soonest)
