"""A message as it arrives: its exact bytes on demand, and the fields for threads and sorting."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz

from service.simulator import mime
from service.simulator.charsets import plain
from service.simulator.headers import Headers, first, split_head

_MESSAGE_ID = re.compile(rb"<[^<>\s]+>")
_PLAUSIBLE_YEARS = (
    int(datetime(1980, 1, 1, tzinfo=UTC).timestamp()),
    int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()),
)


class Mail:
    """One message. `labels` are system label ids or names of user labels.

    `internal_date` is in epoch milliseconds. `source` gives the bytes with any line ends, and the
    same bytes at each call.
    """

    __slots__ = (
        "_size",
        "_snippet",
        "_source",
        "internal_date",
        "labels",
        "message_id",
        "references",
    )

    def __init__(
        self,
        source: Callable[[], bytes],
        labels: tuple[str, ...],
        internal_date: int,
        message_id: str,
        references: tuple[str, ...],
    ) -> None:
        self._source = source
        self._size: int | None = None
        self._snippet: str | None = None
        self.labels = labels
        self.internal_date = internal_date
        self.message_id = message_id
        self.references = references

    @classmethod
    def of(cls, raw: bytes, labels: tuple[str, ...], fallback_date: int) -> "Mail":
        """Date from Received or Date, else the fallback (epoch milliseconds)."""
        headers, _ = split_head(raw)
        own = _MESSAGE_ID.search(first(headers, "message-id"))
        earlier = first(headers, "references") + b" " + first(headers, "in-reply-to")
        return cls(
            lambda: raw,
            labels,
            _date(headers) or fallback_date,
            plain(own[0]) if own else "",
            tuple(plain(found) for found in _MESSAGE_ID.findall(earlier)),
        )

    def raw(self) -> bytes:
        """The bytes Gmail would serve: bare LF turned to CRLF, nothing else touched."""
        return self._source().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def parse(self) -> mime.Part:
        return mime.parse(self.raw())

    def summary(self) -> tuple[int, str]:
        """Size in bytes and snippet; computed once."""
        if self._size is None or self._snippet is None:
            raw = self.raw()
            self._size, self._snippet = len(raw), mime.snippet(mime.parse(raw))
        return self._size, self._snippet


def _date(headers: Headers) -> int | None:
    """When the message arrived or was sent; None if neither is in a plausible year."""
    received = first(headers, "received").rpartition(b";")[2]
    for value in (received, first(headers, "date")):
        seconds = _seconds(plain(value))
        if seconds is not None and _PLAUSIBLE_YEARS[0] <= seconds < _PLAUSIBLE_YEARS[1]:
            return seconds * 1000
    return None


def date_header(raw: bytes) -> int | None:
    """The Date header in epoch milliseconds, if it is in a plausible year."""
    headers, _ = split_head(raw)
    return _date([(name, value) for name, value in headers if name.lower() == "date"])


def _seconds(value: str) -> int | None:
    try:
        parsed = parsedate_tz(value)
        return int(mktime_tz(parsed)) if parsed else None
    except (ValueError, TypeError, IndexError, OverflowError):
        # The standard library's parser raises on some dates of real mail.
        return None
