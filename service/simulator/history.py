"""The history of a mailbox: its changes in order, and the oldest history id still valid."""

import random
import zlib
from bisect import bisect_right

import msgspec

from service.simulator.errors import ApiError
from service.simulator.mail import Mail

_FIRST_ID = 1_000_000
_MAX_GAP = 40  # ids grow with random gaps, as Gmail's do


class Message(msgspec.Struct, frozen=True):
    """An immutable message; a change of labels creates a new one. internal_date: epoch ms."""

    id: str
    thread_id: str
    internal_date: int
    history_id: int
    label_ids: tuple[str, ...]
    mail: Mail


class Change(msgspec.Struct, frozen=True):
    """One history record. `message` is as the change left it; `added`, `removed` are label ids."""

    id: int
    kind: str  # messageAdded | messageDeleted | labels
    message: Message
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class History:
    """Not thread-safe by itself: the mailbox that owns it holds the lock."""

    def __init__(self, email: str) -> None:
        self._gaps = random.Random(email)
        self._changes: list[Change] = []
        self.current = _FIRST_ID + zlib.crc32(email.encode()) % _FIRST_ID
        self._oldest = self.current

    def next_id(self) -> int:
        self.current += self._gaps.randint(1, _MAX_GAP)
        return self.current

    def skip_to(self, history_id: int) -> None:
        """Continue from this id; ids never decrease."""
        self.current = max(self.current, history_id)

    def record(self, change: Change) -> None:
        self._changes.append(change)

    def begin_here(self) -> None:
        """Drop all changes: ids before the current one are expired."""
        self._changes.clear()
        self._oldest = self.current

    def page(self, start: int, after: int, limit: int, last: int) -> tuple[list[Change], bool]:
        """Records after an id and up to `last`, and whether there are more.

        ApiError 404 when `start`, the id the client began from, is expired or in the future.
        """
        if not self._oldest <= start <= self.current:
            raise ApiError(404)
        first = bisect_right(self._changes, after, key=lambda change: change.id)
        end = bisect_right(self._changes, last, key=lambda change: change.id)
        return self._changes[first : min(first + limit, end)], first + limit < end
