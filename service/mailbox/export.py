"""A user's mail as files: .eml, and mbox as Google Takeout writes it."""

from collections.abc import Iterator
from datetime import datetime
from itertools import starmap
from typing import NamedTuple
from urllib.parse import quote

from service.postgres.calls import FunctionCaller, Row
from service.takeout.headers import with_headers
from service.takeout.mbox import mbox_entry


class Size(NamedTuple):
    """The number of messages in an export, and of those left out for lack of a raw copy."""

    messages: int
    without_raw: int


def size_of(caller: FunctionCaller, user_id: str) -> Size:
    stored = caller.row("count_messages", user_id) or {"messages": 0, "with_raw": 0}
    return Size(stored["with_raw"], stored["messages"] - stored["with_raw"])


class Exported(NamedTuple):
    """A message as a file has it: with its labels, or its own bytes."""

    message_id: str
    internal_date: datetime
    content: bytes


def pages(caller: FunctionCaller, user_id: str, exact: bool) -> Iterator[list[Exported]]:
    """The messages with a raw copy, oldest first, a few megabytes at a time.

    `exact` leaves the labels out, so that each content is the bytes that Gmail delivered.
    """
    page = caller.rows("export_messages", user_id)
    while page:
        last = page[-1]["message_id"]
        yield _exported(caller, user_id, page, exact)
        page = caller.rows("export_messages", user_id, last)


def one_message(
    caller: FunctionCaller, user_id: str, message_id: str, exact: bool
) -> list[Exported] | None:
    """A single message; an empty list if it has no raw copy. None if there is no such message."""
    message = caller.row("get_message", user_id, message_id)
    raw = caller.row("get_raw", user_id, message_id)
    if message is None or raw is None:
        return None
    return _exported(caller, user_id, [message | raw], exact)


def _exported(caller: FunctionCaller, user_id: str, rows: list[Row], exact: bool) -> list[Exported]:
    """Labels are read after the messages, so that a new one has its name."""
    stored = [row for row in rows if row["raw"] is not None]
    if exact:
        return [Exported(row["message_id"], row["internal_date"], row["raw"]) for row in stored]
    names = {row["label_id"]: row["name"] for row in caller.rows("list_labels", user_id)}
    return [
        Exported(
            row["message_id"],
            row["internal_date"],
            with_headers(row["raw"], row["thread_id"], row["label_ids"], names),
        )
        for row in stored
    ]


def mbox_pages(caller: FunctionCaller, user_id: str, exact: bool) -> Iterator[bytes]:
    """All messages in mboxrd format, in pieces that are not empty."""
    for page in pages(caller, user_id, exact):
        if page:
            yield b"".join(starmap(mbox_entry, page))


def eml_name(message_id: str) -> str:
    """A file name without path separators, whatever the id contains."""
    return f"{quote(message_id, safe='')}.eml"
