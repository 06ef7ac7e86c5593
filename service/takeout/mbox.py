"""The mbox of Takeout: the From_ line before each message, quoting, and the empty line after it.

mboxrd quotes every line that begins with any number of `>` and `From `. It is the only mbox format
that restores each message byte for byte:
https://www.loc.gov/preservation/digital/formats/fdd/fdd000385.shtml
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from service.takeout.headers import THREAD, number
from service.takeout.message import TakeoutError

CHUNK = 1 << 20
LARGEST_MESSAGE = 50_000_000  # what Gmail receives at most, with its encoding
LONGEST_FROM_LINE = 1_000
_KEPT_OF_A_LARGER = 1 << 16  # enough for the headers
_THREAD_HEADER = f"{THREAD}: ".encode()

_LINE_TO_QUOTE = re.compile(rb"^(>*From )", re.MULTILINE)
_MONTHS = {
    month: index
    for index, month in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
# `Mon Mar 02 12:00:00 +0000 2026`, or `Mon Mar  2 12:00:00 2026`, which is UTC.
_FROM_LINE = re.compile(
    rb"From (?:(?P<number>\d{1,20})@)?\S* *(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) "
    rb"(?P<month>" + b"|".join(_MONTHS) + rb") (?P<day>[ \d]?\d) "
    rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    rb"(?: (?P<sign>[+-])(?P<zone>\d{4}))? (?P<year>\d{4})\s*"
)


def mbox_entry(message_id: str, arrived: datetime, content: bytes) -> bytes:
    """A message in mboxrd format. A missing end of the last line is added."""
    arrived = arrived.astimezone(UTC)
    quoted = _LINE_TO_QUOTE.sub(rb">\1", content)
    end = b"" if quoted.endswith(b"\n") else b"\r\n"
    from_line = f"From {number(message_id)}@xxx {arrived:%a %b %d %H:%M:%S} +0000 {arrived.year:04}"
    return from_line.encode("ascii") + b"\r\n" + quoted + end + b"\r\n"


class FromLine(NamedTuple):
    """What a From_ line says. The number is the message's id in decimal."""

    number: int | None
    arrived: datetime | None


class Entry(NamedTuple):
    """A message as the file has it, with Takeout's headers, quotes and the empty line after it.

    `is_whole` is False if the content may lack bytes. `end` counts the bytes up to its end.
    """

    from_line: FromLine
    content: bytes
    is_whole: bool
    end: int


def parse_from_line(line: bytes) -> FromLine | None:
    """None for any other line."""
    found = _FROM_LINE.fullmatch(line)
    return FromLine(int(found["number"] or 0) or None, _date(found)) if found else None


def _date(found: re.Match[bytes]) -> datetime | None:
    zone = found["zone"] or b"0000"
    offset = timedelta(hours=int(zone[:2]), minutes=int(zone[2:]))
    try:
        return datetime(
            int(found["year"]),
            _MONTHS[found["month"]],
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            int(found["second"]),
            tzinfo=timezone(-offset if found["sign"] == b"-" else offset),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_entries(read: Callable[[int], bytes], ends_surely: bool) -> Iterator[Entry]:
    """The messages of an mbox, in memory for two of LARGEST_MESSAGE.

    `ends_surely` says that `read` fails when the end of the file is missing. Nothing else shows
    that the last message is whole. An error of `read` comes after the messages before it.
    """
    mbox = _Mbox(read)
    from_line = mbox.first_from_line()
    while from_line is not None:
        following = mbox.find_from_line()
        is_last = following is None
        yield mbox.take(from_line, is_certain=not is_last or (ends_surely and mbox.error is None))
        from_line = following
    if mbox.error:
        raise mbox.error


class _Mbox:
    """A window of the file, from the message that is read next."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._window = bytearray()
        self._begin = 0  # of the content of the current message
        self._end = 0  # of it, and begin of the next From_ line
        self._next_begin = 0
        self._passed = 0  # bytes of the file that have left the window
        self._has_gap = False
        self._has_threads = False
        self._is_at_end = False
        self.error: Exception | None = None

    def first_from_line(self) -> FromLine | None:
        """None if the file is empty."""
        while not self._is_at_end and len(self._window) < LONGEST_FROM_LINE:
            self._fill()
        if not self._window:
            return None
        line = self._line(0)
        self._begin = len(line)
        self._has_threads = self._names_thread_at(self._begin)
        from_line = parse_from_line(line)
        if from_line is None:
            raise self.error or TakeoutError(
                "It is not an mbox of Google Takeout. Export the mailbox at https://takeout.google.com."
            )
        return from_line

    def find_from_line(self) -> FromLine | None:
        """The From_ line after the current message; None at the end of the file."""
        position = self._begin - 1  # of the line end of the current From_ line
        while True:
            found = self._window.find(b"\nFrom ", position)
            if not self._is_at_end and (found < 0 or self._lacks_line(found)):
                position = (len(self._window) - 5 if found < 0 else found) - self._compact()
                self._fill()
                continue
            if found < 0:
                self._end = len(self._window)
                return None
            position = found + 1
            line = self._line(position)
            if from_line := self._separator(line, position + len(line)):
                self._end, self._next_begin = position, position + len(line)
                return from_line

    def take(self, from_line: FromLine, is_certain: bool) -> Entry:
        """The current message. The next one becomes current."""
        with memoryview(self._window) as window:
            content = bytes(window[self._begin : self._end])
        is_whole = is_certain and not self._has_gap and len(content) <= LARGEST_MESSAGE
        entry = Entry(from_line, content, is_whole, self._passed + self._end)
        self._begin, self._has_gap = self._next_begin, False
        return entry

    def _separator(self, line: bytes, end: int) -> FromLine | None:
        """None for a line of a message, even if it was copied from an mbox and is not quoted."""
        if self._has_threads and not self._names_thread_at(end):
            return None
        return parse_from_line(line)

    def _names_thread_at(self, position: int) -> bool:
        return self._window.startswith(_THREAD_HEADER, position)

    def _lacks_line(self, found: int) -> bool:
        return len(self._window) - found < LONGEST_FROM_LINE

    def _line(self, begin: int) -> bytes:
        end = self._window.find(b"\n", begin, begin + LONGEST_FROM_LINE) + 1
        return bytes(self._window[begin : end or begin + LONGEST_FROM_LINE])

    def _compact(self) -> int:
        """Drop what is read, and the middle of a message that is too large. Returns how far what
        follows has moved."""
        before = len(self._window)
        kept = max(self._begin - 1, 0)
        del self._window[:kept]
        self._begin -= kept
        if len(self._window) - self._begin > LARGEST_MESSAGE:
            del self._window[self._begin + _KEPT_OF_A_LARGER : -LONGEST_FROM_LINE]
            self._has_gap = True
        moved = before - len(self._window)
        self._passed += moved
        return moved

    def _fill(self) -> None:
        try:
            chunk = self._read(CHUNK)
        except Exception as error:
            self.error, chunk = error, b""
        self._window += chunk
        self._is_at_end = not chunk
