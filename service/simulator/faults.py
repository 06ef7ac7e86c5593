"""Faults that a test can switch on: the requests they strike, and their effects.

What each action does:

    error               answer `status`, `reason`, `message`; the request is not carried out. The
                        token endpoint answers as OAuth does: `reason` is its `error`, `subtype`
                        its `error_subtype`
    html                answer `status` with an HTML page, as Google's front ends do
    hang, latency       wait `seconds`, or until released, then go on
    drip                send the body byte by byte, `seconds` apart
    truncate            promise the whole body, send half, close (a batch part: as cut)
    cut                 send half the body, with the length of that half
    drop                close without an answer (a batch part: leave it out)
    reorder             a batch answers its parts in reverse
    stale_parts         a batch answers the parts of the first batch that was struck
    empty_page          a list answers no items, and a new token that leads to the real page
    duplicate           a list repeats an id within the page, and the last id of the page before
    invalid_page_token  a list answers a nextPageToken that will be refused
    stuck_token         a list answers its first page, always with the same token
    alternating_tokens  a list answers its first page, with one of two tokens in turn
    repeated_page       a list answers its first page, always with a new token
    renumbered_page     repeated_page, and history records have new ids each time
    wrong_estimate      a list answers a resultSizeEstimate that has nothing to do with it
    mangle              a request that succeeds is answered with `body` as its JSON

Pushes, the method "push", can be struck by drop, duplicate and reorder.
"""

import itertools
import threading
from http import HTTPStatus
from typing import Literal

import msgspec

Action = Literal[
    "error",
    "html",
    "hang",
    "latency",
    "drip",
    "truncate",
    "cut",
    "drop",
    "reorder",
    "stale_parts",
    "empty_page",
    "duplicate",
    "invalid_page_token",
    "stuck_token",
    "alternating_tokens",
    "repeated_page",
    "renumbered_page",
    "wrong_estimate",
    "mangle",
]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule. `method`: "messages.get", "history.list", "batch", "token" ..., or "*" for every
    request that is neither a batch part nor a push.

    Of the matching requests the first `after` pass, then each `every`-th is struck, `count` times
    at most. `retry_after`: a time for the message text, or seconds from now.
    """

    method: str
    action: Action
    message_id: str | None = None
    email: str | None = None
    after: int = 0
    every: int = 1
    count: int | None = None
    status: int = 503
    reason: str = ""
    subtype: str = ""
    message: str = ""
    retry_after: str | float | None = None
    seconds: float | None = None
    body: str = ""

    def __post_init__(self) -> None:
        HTTPStatus(self.status)  # ValueError
        if self.every < 1:
            raise ValueError("every: must be at least 1")


class ArmedFault:
    """An active fault, and the requests it has matched so far."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.seen = 0
        self.struck = 0
        self.last_id: dict[str, str] | None = None  # the end of the page before, for duplicates
        self.first_batch: tuple[bytes, str] | None = None  # body and content type, for stale_parts
        self._arrived = threading.Event()
        self._released = threading.Event()

    def wait_arrived(self, timeout: float) -> bool:
        """Whether a request has been struck; waits for one up to timeout seconds."""
        return self._arrived.wait(timeout)

    def release(self) -> None:
        """Release all requests that this fault holds, now and later."""
        self._released.set()

    def pause(self, seconds: float | None = None) -> None:
        """Wait for the fault's seconds, or else `seconds`, or else until released."""
        self._released.wait(seconds if self.fault.seconds is None else self.fault.seconds)

    def matches(self, method: str, email: str, message_id: str, part: bool) -> bool:
        fault = self.fault
        return (
            (fault.method == method or (fault.method == "*" and not part))
            and fault.message_id in (None, message_id)
            and fault.email in (None, email)
        )

    def strikes(self) -> bool:
        """Count one matching request and say whether it is struck."""
        self.seen += 1
        turn = self.seen - self.fault.after
        spent = self.fault.count is not None and self.struck >= self.fault.count
        if turn < 1 or turn % self.fault.every or spent:
            return False
        self.struck += 1
        self._arrived.set()
        return True


class Faults:
    """The active faults. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: tuple[ArmedFault, ...] = ()
        self._numbers = itertools.count(1)

    def add(self, fault: Fault) -> ArmedFault:
        with self._lock:
            armed = ArmedFault(next(self._numbers), fault)
            self._armed += (armed,)
            return armed

    def remove(self, number: int) -> None:
        """Remove a fault and release what it holds. An unknown number is not an error."""
        with self._lock:
            gone = [armed for armed in self._armed if armed.number == number]
            self._armed = tuple(armed for armed in self._armed if armed.number != number)
        for armed in gone:
            armed.release()

    def clear(self) -> None:
        for armed in self._armed:
            self.remove(armed.number)

    def all(self) -> tuple[ArmedFault, ...]:
        return self._armed

    def strike(self, method: str, email: str, message_id: str, part: bool) -> list[ArmedFault]:
        """The faults that strike this request."""
        if not self._armed:
            return []
        with self._lock:
            matching = [a for a in self._armed if a.matches(method, email, message_id, part)]
            return [armed for armed in matching if armed.strikes()]
