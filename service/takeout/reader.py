"""Reads the messages of an mbox that Takeout has written."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from service.mime.text import TextReader
from service.takeout.headers import LABELS, THREAD
from service.takeout.labels import split_names
from service.takeout.mbox import Entry, read_entries
from service.takeout.message import GroupExport, TakeoutError, TakeoutMessage

_ADDED = re.compile(
    rb"(?:%b: (?P<thread>\d{1,20})\r?\n)?"
    rb"(?:%b:(?P<labels>[^\n]*\n(?:[ \t][^\n]*\n)*))?" % (THREAD.encode(), LABELS.encode())
)
_NAMES_OF_ADDED = tuple(f"\n{name}".lower().encode() for name in (THREAD, LABELS))
# A plain value is on one line. A second one is perhaps the first line of the message.
_LINE_OF_NO_WORD = re.compile(rb"\n[ \t]+(?!=\?)")
_QUOTED_LINE = re.compile(rb"^>*From ", re.MULTILINE)
# The numbers of Gmail begin with the time in milliseconds, those of groups are smaller.
_LEAST_NUMBER_OF_GMAIL = 1 << 56


def read_messages(read: Callable[[int], bytes], ends_surely: bool) -> Iterator[TakeoutMessage]:
    """The messages of an mbox. Raises TakeoutError at once if Takeout's Gmail did not write it.

    Arguments and other errors as those of read_entries.
    """
    entry: Entry | None = None
    for following in read_entries(read, ends_surely):
        message = _message(following)
        if entry is None:
            _check_first(following, message)
        entry = following
        yield message
    if entry and not ends_surely and not entry.content.endswith((b"\n\n", b"\n\r\n")):
        raise TakeoutError("It ends in the middle of a message.")


def _check_first(entry: Entry, message: TakeoutMessage) -> None:
    number = entry.from_line.number
    if number and number < _LEAST_NUMBER_OF_GMAIL and b"\nX-Google-Groups:" in entry.content:
        raise GroupExport("It has the mail of a Google group, which is not in the mailbox.")
    if number is None and message.thread_id is None:
        raise TakeoutError(
            "It is not from Google Takeout, which names the thread of each message. "
            "Export the mailbox at https://takeout.google.com."
        )


def _message(entry: Entry) -> TakeoutMessage:
    added = _ADDED.match(entry.content)
    assert added
    thread, labels = added["thread"], added["labels"]
    is_exact = (
        entry.is_whole and thread is not None and not (labels and _LINE_OF_NO_WORD.search(labels))
    )
    return TakeoutMessage(
        message_id=_hexadecimal(entry.from_line.number),
        thread_id=_hexadecimal(int(thread or 0)),
        label_names=_label_names(labels) if labels else (),
        received_at=entry.from_line.arrived,
        raw=_exact(entry.content, added.end()) if is_exact else None,
        position=entry.end,
    )


def _hexadecimal(number: int | None) -> str | None:
    return f"{number:x}" if number else None


@lru_cache(maxsize=4096)
def _label_names(value: bytes) -> tuple[str, ...]:
    reader = TextReader()
    text = reader.decode_header(value.replace(b"\r\n", b"\n").replace(b"\n", b""), None, LABELS)
    return split_names(reader.decode_words(text.strip(), LABELS))


def _exact(content: bytes, begin: int) -> bytes | None:
    """The message without the empty line after it, with CRLF; None where this is ambiguous.

    - Mixed line ends are not those of the message, or not only.
    - A quoted line is `>From `, and in mboxo that was perhaps in the message.
    - Headers of Takeout's names are perhaps the message's own.
    - Without an empty line after it, the message perhaps lacks its last line end.
    """
    lines, crlf = content.count(b"\n", begin), content.count(b"\r\n", begin)
    if crlf not in (0, lines):
        return None
    end = b"\r\n" if crlf else b"\n"
    # A message without headers begins with the empty line: the line end before it counts.
    end_of_headers = content.find(end + end, begin - len(end))
    head = b"\n" + content[begin : end_of_headers if end_of_headers >= 0 else None].lower()
    if (
        any(name in head for name in _NAMES_OF_ADDED)
        or (content.find(b"From ", begin) >= 0 and _QUOTED_LINE.search(content, begin))
        or not content.endswith(end + end, begin - len(end))
    ):
        return None
    raw = content[begin : -len(end)]
    return raw if crlf else raw.replace(b"\n", b"\r\n")
