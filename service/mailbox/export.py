"""A user's mail as files: .eml with the original bytes, and mbox in the mboxrd format.

mboxrd quotes every line that begins with any number of `>` and `From `. It is the only mbox format
that restores each message byte for byte:
https://www.loc.gov/preservation/digital/formats/fdd/fdd000385.shtml
"""

import re
from collections.abc import Iterator
from datetime import UTC
from typing import NamedTuple
from urllib.parse import quote

from service.postgres.calls import FunctionCaller, Row

_FROM_LINE = re.compile(rb"^(>*From )", re.MULTILINE)
_NOT_IN_A_FROM_LINE = re.compile(r"[^\w.-]", re.ASCII)


class Size(NamedTuple):
    """The number of messages in an export, and of those left out for lack of a raw copy."""

    messages: int
    without_raw: int


def size_of(caller: FunctionCaller, user_id: str) -> Size:
    stored = caller.row("count_messages", user_id) or {"messages": 0, "with_raw": 0}
    return Size(stored["with_raw"], stored["messages"] - stored["with_raw"])


def pages(caller: FunctionCaller, user_id: str) -> Iterator[list[Row]]:
    """The messages with a raw copy, oldest first, a few megabytes at a time.

    Rows of message_id, internal_date and raw.
    """
    page = caller.rows("export_messages", user_id)
    while page:
        last = page[-1]["message_id"]
        yield [row for row in page if row["raw"] is not None]
        page = caller.rows("export_messages", user_id, last)


def mbox_pages(caller: FunctionCaller, user_id: str) -> Iterator[bytes]:
    """All messages in mboxrd format, in pieces that are not empty."""
    for page in pages(caller, user_id):
        if page:
            yield b"".join(map(mbox_entry, page))


def mbox_entry(row: Row) -> bytes:
    """A message in mboxrd format. A missing end of the last line is added."""
    sender = _NOT_IN_A_FROM_LINE.sub("-", row["message_id"])
    arrived = row["internal_date"].astimezone(UTC).ctime()
    quoted = _FROM_LINE.sub(rb">\1", row["raw"])
    end = b"" if quoted.endswith(b"\n") else b"\r\n"
    return f"From {sender}@gmail {arrived}\r\n".encode() + quoted + end + b"\r\n"


def eml_name(message_id: str) -> str:
    """A file name without path separators, whatever the id contains."""
    return f"{quote(message_id, safe='')}.eml"
