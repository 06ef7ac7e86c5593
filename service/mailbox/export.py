"""A user's mail as files: .eml as it came, and mbox in the form mboxrd.

mboxrd quotes every line that begins with any number of `>` and `From `, so it alone of the mboxes
gives each message back byte for byte:
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
    """How many messages an export holds, and how many are left out for want of a raw copy."""

    messages: int
    without_raw: int


def size_of(caller: FunctionCaller, user_id: str) -> Size:
    stored = caller.row("count_messages", user_id) or {"messages": 0, "with_raw": 0}
    return Size(stored["with_raw"], stored["messages"] - stored["with_raw"])


def pages(caller: FunctionCaller, user_id: str) -> Iterator[list[Row]]:
    """The messages that have a raw copy, oldest first, a few megabytes at a time: rows of
    message_id, internal_date and raw."""
    page = caller.rows("export_messages", user_id)
    while page:
        last = page[-1]["message_id"]
        yield [row for row in page if row["raw"] is not None]
        page = caller.rows("export_messages", user_id, last)


def mbox_pages(caller: FunctionCaller, user_id: str) -> Iterator[bytes]:
    """All of them as an mboxrd, in pieces that are not empty."""
    for page in pages(caller, user_id):
        if page:
            yield b"".join(map(mbox_entry, page))


def mbox_entry(row: Row) -> bytes:
    """A message as it stands in an mboxrd. One whose last line has no end is given one."""
    sender = _NOT_IN_A_FROM_LINE.sub("-", row["message_id"])
    arrived = row["internal_date"].astimezone(UTC).ctime()
    quoted = _FROM_LINE.sub(rb">\1", row["raw"])
    end = b"" if quoted.endswith(b"\n") else b"\r\n"
    return f"From {sender}@gmail {arrived}\r\n".encode() + quoted + end + b"\r\n"


def eml_name(message_id: str) -> str:
    """A file name that stays in its folder, whatever the id holds."""
    return f"{quote(message_id, safe='')}.eml"
