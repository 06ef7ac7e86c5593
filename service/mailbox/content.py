"""Content of a message on demand: from the raw copy in Postgres, else fetched from Gmail."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

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
        message = mailbox.call(
            "messages.get", lambda: mailbox.client.message(message_id, "raw"), MAX_QUOTA_WAIT
        )
    return _exact(message.get("raw"))


def attachment_bytes(
    caller: FunctionCaller, mailboxes: MailboxOpener, user_id: str, message_id: str, part_id: str
) -> bytes:
    """The content of a part: from the raw copy, else fetched.

    The part is found by its part_id, because attachmentIds expire. Raises what raw_message raises.
    """
    raw = _raw_copy(caller, user_id, message_id)
    for part in parts.PartReader().from_raw(raw).leaves() if raw is not None else ():
        if part.part_id == part_id:
            return part.content
    with mailboxes.open(user_id) as mailbox:
        return _fetched(mailbox, message_id, part_id)


def _raw_copy(caller: FunctionCaller, user_id: str, message_id: str) -> bytes | None:
    row = caller.row("get_raw", user_id, message_id)
    if row is None:
        raise NoSuchMessage
    raw: bytes | None = row["raw"]
    return raw


def _fetched(mailbox: MailboxAccess, message_id: str, part_id: str) -> bytes:
    message = mailbox.call(
        "messages.get", lambda: mailbox.client.message(message_id, "full"), MAX_QUOTA_WAIT
    )
    body = dict(_bodies(message.get("payload"), "")).get(part_id)
    if body is None:
        raise Gone(f"it has no part {part_id}")
    attachment_id = body.get("attachmentId")
    if not attachment_id:
        return _exact(body.get("data", ""))
    return mailbox.call(
        "attachments.get",
        lambda: mailbox.client.attachment(message_id, str(attachment_id)),
        MAX_QUOTA_WAIT,
    )


def _bodies(payload: Any, part_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The part ids and bodies of a payload, numbered as the parser numbers parts."""
    payload = payload if isinstance(payload, dict) else {}
    part_id = str(payload.get("partId") or part_id)
    body = payload.get("body")
    yield part_id, body if isinstance(body, dict) else {}
    for index, child in enumerate(payload.get("parts") or []):
        yield from _bodies(child, parts.child_id(part_id, index))


def _exact(encoded: Any) -> bytes:
    """Decodes complete base64url; MalformedResponse for anything else."""
    if isinstance(encoded, str):
        with suppress(ValueError):
            return exact_base64(encoded)
    raise MalformedResponse("the content is not in base64url")
