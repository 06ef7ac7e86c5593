"""Images that came with a mail, put into its HTML as data: URLs.

The frame that shows mail has no origin, so that it is sent nobody's cookie: it could not ask our
attachment route for them.
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

# What a page can hold, and what one look at a mail may cost of the quota: 40 units each.
MAX_IMAGES = 20
MAX_BYTES = 10_000_000
# Whatever the mail calls them. SVG is none: it can hold scripts and refer to other places.
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
    """data: URLs by Content-ID, as many as there are and fit; `message` is a row of get_message.

    Without `from_gmail` only those that are kept here, as part of the raw message.
    """
    wanted = {
        each["part_id"]: each["content_id"]
        for each in message["attachments"]
        if each["content_id"] in content_ids
    }
    found, room = {}, MAX_BYTES
    for part_id, content in _contents(caller, mailboxes, user_id, message, wanted, from_gmail):
        room -= len(content)
        if room < 0:
            break
        if url := data_url(content):
            found[wanted[part_id]] = url
    return found


def data_url(content: bytes) -> str | None:
    """None for what is no image that every browser shows and that holds nothing but pixels."""
    for kind, beginning in _KINDS.items():
        if beginning.match(content):
            return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return None


def _contents(
    caller: FunctionCaller,
    mailboxes: MailboxOpener,
    user_id: str,
    message: Mapping[str, Any],
    wanted: Mapping[str, str],
    from_gmail: bool,
) -> Iterator[tuple[str, bytes]]:
    """The bytes of parts, until they cannot be had."""
    message_id = message["message_id"]
    kept = caller.row("get_raw", user_id, message_id) if wanted else None
    if kept and kept["raw"] is not None:
        for part in parts.PartReader().from_raw(kept["raw"]).leaves():
            if part.part_id in wanted:
                yield part.part_id, part.content
        return
    try:
        for part_id in list(wanted)[:MAX_IMAGES] if from_gmail else ():
            yield part_id, attachment_bytes(caller, mailboxes, user_id, message_id, part_id)
    except (GmailError, SyncError, CredentialsKeysMissing, NoSuchMessage, QuotaUsedUp):
        # The mail is readable without; whoever wants them asks again.
        return
