"""The JSON shapes of the discovery document, made from the mailbox."""

from collections.abc import Sequence
from typing import Any

from service.simulator import encoding, mime
from service.simulator.errors import ApiError
from service.simulator.headers import split_head
from service.simulator.history import Change, Message
from service.simulator.labels import Label
from service.simulator.mailbox import Mailbox

FORMATS = ("minimal", "full", "raw", "metadata")
THREAD_FORMATS = ("minimal", "full", "metadata")
HISTORY_TYPES = ("messageAdded", "messageDeleted", "labelAdded", "labelRemoved")


def profile(mailbox: Mailbox) -> dict[str, Any]:
    messages, threads = mailbox.totals()
    return {
        "emailAddress": mailbox.email,
        "messagesTotal": messages,
        "threadsTotal": threads,
        "historyId": str(mailbox.history_id),
    }


def reference(message: Message) -> dict[str, Any]:
    return {"id": message.id, "threadId": message.thread_id}


def outline(message: Message) -> dict[str, Any]:
    """A reference with labels; `labelIds` is absent when there are none, as at Google."""
    labels = {"labelIds": message.label_ids} if message.label_ids else {}
    return reference(message) | labels


def message(found: Message, form: str, wanted: Sequence[str]) -> dict[str, Any]:
    """A Message in one of FORMATS; `wanted`: the headers for metadata, all when empty."""
    size, snippet = found.mail.summary()
    shaped = outline(found) | {
        "snippet": snippet,
        "sizeEstimate": size,
        "historyId": str(found.history_id),
        "internalDate": str(found.internal_date),
    }
    if form == "full":
        shaped["payload"] = mime.payload(
            found.mail.parse(), lambda part_id: encoding.attachment_id(found.id, part_id)
        )
    elif form == "metadata":
        shaped["payload"] = _metadata(found, wanted)
    elif form == "raw":
        shaped["raw"] = encoding.padded_base64url(found.mail.raw())
    return shaped


def thread(messages: Sequence[Message], form: str, wanted: Sequence[str]) -> dict[str, Any]:
    """A Thread in one of THREAD_FORMATS; arguments as those of `message`."""
    return {
        "id": messages[0].thread_id,
        "historyId": str(max(each.history_id for each in messages)),
        "messages": [message(each, form, wanted) for each in messages],
    }


def _metadata(found: Message, wanted: Sequence[str]) -> dict[str, Any]:
    headers, _ = split_head(found.mail.raw())
    names = {name.lower() for name in wanted}
    kept = [field for field in headers if not names or field[0].lower() in names]
    return {"mimeType": mime.content_type(headers)[0], "headers": mime.header_list(kept)}


def attachment(found: Message, attachment_id: str) -> dict[str, Any]:
    """A MessagePartBody; ApiError 400 for an id that is not one of this message."""
    try:
        part_id = encoding.attachment_part(found.id, attachment_id)
    except ValueError as error:
        raise ApiError(400, "Invalid attachment token") from error
    part = next(part for part in found.mail.parse().walk() if part.part_id == part_id)
    content = part.content()
    return {"size": len(content), "data": encoding.base64url(content)}


def history(change: Change, types: Sequence[str], label_id: str) -> dict[str, Any] | None:
    """A History record with only the wanted types; None if it has none of them."""
    labels = {*change.message.label_ids, *change.added, *change.removed}
    if label_id and label_id not in labels:
        return None
    shaped = {key: [entry] for key, kind, entry in _entries(change) if kind in types}
    if not shaped:
        return None
    return {"id": str(change.id), "messages": [reference(change.message)], **shaped}


def _entries(change: Change) -> list[tuple[str, str, dict[str, Any]]]:
    inner = {"message": outline(change.message)}
    if change.kind == "messageAdded":
        return [("messagesAdded", change.kind, inner)]
    if change.kind == "messageDeleted":
        return [("messagesDeleted", change.kind, inner)]
    entries = []
    if change.added:
        entries.append(("labelsAdded", "labelAdded", inner | {"labelIds": change.added}))
    if change.removed:
        entries.append(("labelsRemoved", "labelRemoved", inner | {"labelIds": change.removed}))
    return entries


def label_counts(mailbox: Mailbox, label: Label) -> dict[str, int]:
    """The counts, which labels.get returns and labels.list does not."""
    messages = mailbox.messages_with(label.id)
    unread = [message for message in messages if "UNREAD" in message.label_ids]
    return {
        "messagesTotal": len(messages),
        "messagesUnread": len(unread),
        "threadsTotal": len({message.thread_id for message in messages}),
        "threadsUnread": len({message.thread_id for message in unread}),
    }
