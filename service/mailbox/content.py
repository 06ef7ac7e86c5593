"""Content of a message on demand: from the raw copy in Postgres, else fetched from Gmail."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from service.gmail.api import Format
from service.gmail.errors import Gone, MalformedResponse
from service.mailbox.access import MailboxAccess, MailboxOpener
from service.mime import parts
from service.mime.text import exact_base64
from service.postgres.calls import FunctionCaller

# A user is waiting for the response, so waits for quota are short.
MAX_QUOTA_WAIT = timedelta(seconds=5)


class NoSuchMessage(Exception):
    """The user has no message with this id."""


def raw_message(
    caller: FunctionCaller, mailboxes: MailboxOpener, user_id: str, message_id: str
) -> bytes:
    """The RFC 822 bytes of a message, exactly as in Gmail: the raw copy, else fetched.

    Raises NoSuchMessage, CredentialsKeysMissing and what MailboxAccess raises; Gone when Gmail no
    longer has the message.
    """
    raw = _raw_copy(caller, user_id, message_id)
    if raw is not None:
        return raw
    with mailboxes.open(user_id) as mailbox:
        return _exact(_message(mailbox, message_id, "raw").get("raw"))


def attachment_bytes(
    caller: FunctionCaller,
    mailboxes: MailboxOpener,
    user_id: str,
    message_id: str,
    part_id: str,
    size: int,
) -> bytes:
    """The content of a part: from the raw copy, else fetched.

    The part is found by its part_id, because attachmentIds expire. `size` is the one that is stored
    with it. Raises what raw_message raises; MalformedResponse rather than return less than `size`.
    """
    raw = _raw_copy(caller, user_id, message_id)
    if raw is not None and (content := _content_in(raw, part_id)) is not None:
        return content
    with mailboxes.open(user_id) as mailbox:
        return _fetched(mailbox, message_id, part_id, size)


def _raw_copy(caller: FunctionCaller, user_id: str, message_id: str) -> bytes | None:
    row = caller.row("get_raw", user_id, message_id)
    if row is None:
        raise NoSuchMessage
    raw: bytes | None = row["raw"]
    return raw


def _message(
    mailbox: MailboxAccess,
    message_id: str,
    format: Format,  # noqa: A002
) -> dict[str, Any]:
    return mailbox.call(
        "messages.get", lambda: mailbox.client.message(message_id, format), MAX_QUOTA_WAIT, format
    )


def _content_in(raw: bytes, part_id: str) -> bytes | None:
    leaves = parts.PartReader().from_raw(raw).leaves()
    return next((part.content for part in leaves if part.part_id == part_id), None)


def _fetched(mailbox: MailboxAccess, message_id: str, part_id: str, size: int) -> bytes:
    """In its own request, else out of the raw message: not every part has a complete answer."""
    message = _message(mailbox, message_id, "full")
    found = _parts(message.get("payload"), "")
    part = next((part for each_id, part in found if each_id == part_id), None)
    if part is None:
        raise Gone(f"it has no part {part_id}")
    body = part["body"] if isinstance(part.get("body"), dict) else {}
    if isinstance(body.get("size"), int):
        size = max(size, body["size"])
    content = _own_content(mailbox, message_id, body)
    # Gmail gives a forwarded message as parts, at times without its bytes.
    if len(content) == size and (content or not part.get("parts")):
        return content
    whole = _content_in(_exact(_message(mailbox, message_id, "raw").get("raw")), part_id)
    if whole is None or len(whole) < size:
        raise MalformedResponse(f"{len(whole or content)} bytes came of {size}")
    return whole


def _own_content(mailbox: MailboxAccess, message_id: str, body: dict[str, Any]) -> bytes:
    attachment_id = body.get("attachmentId")
    if not attachment_id:
        return _exact(body.get("data") or "")
    return mailbox.call(
        "attachments.get",
        lambda: mailbox.client.attachment(message_id, str(attachment_id)),
        MAX_QUOTA_WAIT,
    )


def _parts(payload: Any, part_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a payload by their ids, numbered as the parser numbers them."""
    payload = payload if isinstance(payload, dict) else {}
    part_id = str(payload.get("partId") or part_id)
    yield part_id, payload
    children = payload.get("parts")
    for index, child in enumerate(children if isinstance(children, list) else ()):
        yield from _parts(child, parts.child_id(part_id, index))


def _exact(encoded: Any) -> bytes:
    """Decodes complete base64url; MalformedResponse for anything else."""
    if isinstance(encoded, str):
        with suppress(ValueError):
            return exact_base64(encoded)
    raise MalformedResponse("the content is not in base64url")
