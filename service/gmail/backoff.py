"""How long to leave Gmail alone that refused to answer or did not."""

from datetime import datetime, timedelta

from service.gmail.errors import DailyLimit, RateLimited

QUOTA = "Google's quota for this minute is used up."
# When Google limits the rate without saying until when, or until a time that has passed by our
# clock: to ask at once would prolong it.
RATE_PAUSE = timedelta(seconds=10)
DAILY_LIMIT_PAUSE = timedelta(hours=1)
# Each time in a row that Gmail does not answer; after the last whoever asks gives up.
OUTAGE_BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 4, 8))


def end_of(limit: RateLimited | DailyLimit, now: datetime) -> datetime:
    """When Gmail may be asked again."""
    if isinstance(limit, DailyLimit):
        return now + DAILY_LIMIT_PAUSE
    soonest = now + RATE_PAUSE
    return max(limit.retry_at or soonest, soonest)
