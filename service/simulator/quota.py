"""Google's quota units, a day and over a window of any length, and its concurrency limit.

Numbers: https://developers.google.com/workspace/gmail/api/reference/quota
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from service.simulator.errors import ApiError

_COSTS = {
    "getProfile": 1,
    "labels.list": 1,
    "labels.get": 1,
    "labels.create": 5,
    "labels.update": 5,
    "labels.patch": 5,
    "labels.delete": 5,
    "history.list": 2,
    "messages.list": 5,
    "messages.get": 20,
    "messages.attachments.get": 20,
    "messages.modify": 5,
    "messages.trash": 20,
    "messages.untrash": 5,
    "messages.delete": 10,
    "messages.batchModify": 50,
    "messages.batchDelete": 50,
    "messages.insert": 25,
    "messages.import": 25,
    "threads.get": 40,
    "watch": 100,
    "stop": 50,
}
_LEGACY = {
    "messages.get": 5,
    "messages.attachments.get": 5,
    "messages.trash": 5,
    "threads.get": 10,
}
COSTS: Mapping[str, Mapping[str, int]] = {
    "google-standard": _COSTS,
    "google-legacy": _COSTS | _LEGACY,
}
USER_UNITS = {"google-standard": 6_000, "google-legacy": 15_000}
DAY_UNITS = {"google-standard": 80_000_000}
PACIFIC = ZoneInfo("America/Los_Angeles")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the simulator allows. Without a profile, units are not limited.

    window: seconds. max_in_flight: requests of one user at a time, the parts of a batch counted.
    status: 403 or 429, for units spent. costs: prices that replace those of the profile, by
    method, or by method and format, such as "messages.get full".
    """

    profile: str = ""
    window: float = 60
    user_units: int | None = None  # the profile's own when None
    project_units: int = 1_200_000
    day_units: int | None = None  # of the project; the profile's own when None
    max_in_flight: int | None = None
    status: int = 403
    costs: dict[str, int] = {}

    def __post_init__(self) -> None:
        if self.profile and self.profile not in COSTS:
            raise ValueError(f"unknown quota profile {self.profile!r}: one of {', '.join(COSTS)}")


class Charge(NamedTuple):
    """Units charged at a time of the quota's clock, in seconds."""

    at: float
    email: str
    units: int


class _Window:
    """Units spent in the last `length` seconds, at most `cap`."""

    def __init__(self, cap: int, length: float) -> None:
        self._cap = cap
        self._length = length
        self._spent: deque[tuple[float, int]] = deque()
        self.total = 0

    def has(self, units: int, now: float) -> bool:
        while self._spent and self._spent[0][0] <= now - self._length:
            self.total -= self._spent.popleft()[1]
        return self.total + units <= self._cap

    def spend(self, units: int, now: float) -> None:
        self._spent.append((now, units))
        self.total += units


class Quota:
    """Thread-safe. Refused requests are not charged. `clock` is in seconds; `today` is the day
    of Google's daily quota."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(PACIFIC).date(),
    ) -> None:
        self.limits = limits
        self.peak_units = 0  # the most any user spent within a window
        self.charges: list[Charge] = []  # all since the limits came into force
        self._clock = clock
        self._today = today
        self._costs = {**COSTS[limits.profile], **limits.costs} if limits.profile else {}
        self._spent_on: Counter[date] = Counter()
        self._project = _Window(limits.project_units, limits.window)
        self._users: dict[str, _Window] = {}
        self._in_flight: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, email: str, method: str, answer_format: str = "") -> None:
        """Charge a request and count it as in flight. ApiError 403 or 429 if over a limit."""
        with self._lock:
            most = self.limits.max_in_flight
            if most is not None and self._in_flight[email] >= most:
                raise ApiError(429, "Too many concurrent requests for user.", "rateLimitExceeded")
            if self._costs:
                flat = self._costs.get(method, 1)
                self._charge(email, self._costs.get(f"{method} {answer_format}", flat))
            self._in_flight[email] += 1

    def leave(self, email: str) -> None:
        with self._lock:
            self._in_flight[email] -= 1

    def _charge(self, email: str, units: int) -> None:
        user = self._users.get(email)
        if user is None:
            cap = self.limits.user_units or USER_UNITS[self.limits.profile]
            user = self._users[email] = _Window(cap, self.limits.window)
        now = self._clock()
        for window, limit in ((user, "per minute per user"), (self._project, "per minute")):
            if not window.has(units, now):
                raise ApiError(
                    self.limits.status,
                    f"Quota exceeded for quota metric 'Queries' and limit 'Queries {limit}' of "
                    "service 'gmail.googleapis.com' for consumer 'project_number:1'.",
                    "rateLimitExceeded",
                )
        day = self._today()
        day_units = self.limits.day_units or DAY_UNITS.get(self.limits.profile)
        if day_units is not None and self._spent_on[day] + units > day_units:
            raise ApiError(403, reason="dailyLimitExceeded")
        self._spent_on[day] += units
        user.spend(units, now)
        self._project.spend(units, now)
        self.charges.append(Charge(now, email, units))
        self.peak_units = max(self.peak_units, user.total)
