"""Inline images of a message, put into its HTML as data: URLs.

The frame that shows HTML has no origin, so it gets no cookie and cannot request attachments.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from service.gmail.errors import GmailError
from service.mailbox.access import CredentialsKeysMissing, MailboxOpener, QuotaUsedUp
from service.mailbox.content import NoSuchMessage, attachment_bytes
from service.mime import parts
from service.postgres.calls import FunctionCaller
from service.postgres.errors import SyncError

# What a page can hold, and what showing a message may cost: 40 units of quota each.
MAX_IMAGES = 20
MAX_BYTES = 10_000_000
# By content, whatever their declared type. SVG is excluded: it can hold scripts and references.
_KINDS = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


def inline_images(
    caller: FunctionCaller,
    mailboxes: MailboxOpener,
    user_id: str,
    message: Mapping[str, Any],
    content_ids: set[str],
    from_gmail: bool,
) -> dict[str, str]:
    """data: URLs by Content-ID, as many as fit; `message` is a row of get_message.

    Without `from_gmail` only those that are stored here, in the raw message.
    """
    wanted = {
        each["part_id"]: each
        for each in message["attachments"]
        if each["content_id"] in content_ids
    }
    found, room = {}, MAX_BYTES
    for part_id, content in _contents(caller, mailboxes, user_id, message, wanted, from_gmail):
        room -= len(content)
        if room < 0:
            break
        if url := data_url(content):
            found[wanted[part_id]["content_id"]] = url
    return found


def data_url(content: bytes) -> str | None:
    """None unless it is a bitmap image that every browser shows."""
    for kind, beginning in _KINDS.items():
        if beginning.match(content):
            return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return None


def _contents(
    caller: FunctionCaller,
    mailboxes: MailboxOpener,
    user_id: str,
    message: Mapping[str, Any],
    wanted: Mapping[str, Mapping[str, Any]],
    from_gmail: bool,
) -> Iterator[tuple[str, bytes]]:
    """The bytes of parts, until one cannot be fetched."""
    message_id = message["message_id"]
    kept = caller.row("get_raw", user_id, message_id) if wanted else None
    if kept and kept["raw"] is not None:
        for part in parts.PartReader().from_raw(kept["raw"]).leaves():
            if part.part_id in wanted:
                yield part.part_id, part.content
        return
    try:
        for part_id in list(wanted)[:MAX_IMAGES] if from_gmail else ():
            size = wanted[part_id]["size"]
            yield part_id, attachment_bytes(caller, mailboxes, user_id, message_id, part_id, size)
    except (GmailError, SyncError, CredentialsKeysMissing, NoSuchMessage, QuotaUsedUp):
        # The message is readable without its images; a reload tries again.
        return
