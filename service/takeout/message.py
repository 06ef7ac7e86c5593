"""A message of an export, and the errors of exports that cannot be read."""

from datetime import datetime
from typing import Self

import msgspec


class TakeoutError(Exception):
    """Says what is wrong with an export and what to do. What was read before it is sound."""

    def __init__(self, problem: str, name: str = "") -> None:
        super().__init__(f"{name}: {problem}" if name else problem)
        self._problem, self._name = problem, name

    def named(self, name: str) -> Self:
        """The error of this file, if it names none."""
        return self if self._name else type(self)(self._problem, name)


class GroupExport(TakeoutError):
    """The mail of a Google group, which is not in the mailbox."""


class TakeoutMessage(msgspec.Struct, frozen=True):
    """A message that an export names.

    Ids are hexadecimal, as in Gmail's API. `message_id` is None where the From_ line has no
    number. `raw` is None where the file does not say exactly what Gmail delivered. `position` is
    how far the export is read, of Export.size.
    """

    message_id: str | None
    thread_id: str | None
    label_names: tuple[str, ...]
    received_at: datetime | None
    raw: bytes | None
    position: int
