"""Messages of an export as Postgres stages them, until a sync joins them with Gmail's listing."""

import hashlib
import html
from collections.abc import Sequence
from typing import Self

import msgspec

from service.mime.message import StoredMessage
from service.mime.parse import parse_exported
from service.takeout.labels import label_ids
from service.takeout.message import TakeoutMessage

# About as long as Gmail's.
SNIPPET_LENGTH = 200


class ImportableMessage(msgspec.Struct, frozen=True):
    """A message that an export has whole. `key` is its id, or a hash where the export has none."""

    key: str
    message_id: str | None
    thread_id: str
    label_names: tuple[str, ...]
    received_at: float | None  # seconds since 1970
    raw: bytes

    @classmethod
    def of(cls, message: TakeoutMessage) -> Self | None:
        """None if it has to be fetched from Gmail."""
        if message.raw is None or message.thread_id is None:
            return None
        received_at = message.received_at.timestamp() if message.received_at else None
        return cls(
            message.message_id or _hash(message.thread_id, message.raw),
            message.message_id,
            message.thread_id,
            message.label_names,
            received_at,
            message.raw,
        )


class ImportedMessage(msgspec.Struct, frozen=True):
    """A row of imported_message, as stage_imported_messages takes it."""

    import_key: str
    message_id: str | None
    thread_id: str
    rfc822_message_id: str | None
    label_ids: tuple[str, ...]
    label_names: tuple[str, ...]
    size: int
    # Its message_id, history_id and label_ids are those that the sync finds.
    parsed: StoredMessage


def parse_message(message: ImportableMessage) -> ImportedMessage | None:
    """None if it cannot be read, or nothing says when it arrived: then it is fetched from Gmail."""
    try:
        parsed = _parse(message)
    except Exception:
        return None
    if parsed is None:
        return None
    return ImportedMessage(
        message.key,
        message.message_id,
        message.thread_id,
        parsed.rfc822_message_id,
        label_ids(message.label_names, {}),
        message.label_names,
        parsed.size_estimate,
        msgspec.structs.replace(parsed, snippet=snippet_of(parsed.body_text), raw=None),
    )


def _parse(message: ImportableMessage) -> StoredMessage | None:
    if message.received_at is None:
        return None
    return parse_exported(
        {
            "id": message.key,
            "threadId": message.thread_id,
            "historyId": 0,
            "internalDate": int(message.received_at) * 1000,
            "sizeEstimate": len(message.raw),
        },
        message.raw,
    )


def snippet_of(text: str | None) -> str:
    """The beginning of a text, HTML-escaped as Gmail's snippets are."""
    # No more of a long text than has that many words.
    words = (text or "")[: 10 * SNIPPET_LENGTH].split()
    return html.escape(" ".join(words)[:SNIPPET_LENGTH].rstrip())


def to_json(messages: Sequence[ImportedMessage]) -> bytes:
    return msgspec.json.encode(messages)


def _hash(thread_id: str, raw: bytes) -> str:
    digest = hashlib.sha256(f"{thread_id} ".encode())
    digest.update(raw)
    return f"sha256:{digest.hexdigest()}"
