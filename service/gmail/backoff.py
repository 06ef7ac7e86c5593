"""How long to wait before Gmail is called again."""

from datetime import datetime, timedelta

from service.gmail.errors import DailyLimit, RateLimited

QUOTA = "Google's quota for this minute is used up."
# Used when Google names no time, or a time that has passed: an immediate retry prolongs the limit.
RATE_LIMIT_PAUSE = timedelta(seconds=10)
DAILY_LIMIT_PAUSE = timedelta(hours=1)
# The wait after each outage in a row; after the last one the caller gives up.
OUTAGE_BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 4, 8))


def retry_at(limit: RateLimited | DailyLimit, now: datetime) -> datetime:
    """When Gmail may be called again."""
    if isinstance(limit, DailyLimit):
        return now + DAILY_LIMIT_PAUSE
    soonest = now + max(limit.retry_after or RATE_LIMIT_PAUSE, RATE_LIMIT_PAUSE)
    return max(limit.retry_at or soonest, soonest)
