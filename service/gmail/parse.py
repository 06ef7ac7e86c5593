"""A Message from what Gmail hands out: format full, or format raw with the RFC 822 bytes.

Both give the same Message for the same mail, and neither raises: mail that no parser understands
arrives with what could be read, and its defects say what could not.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from service.gmail import mime
from service.gmail.message import Attachment, Header, Message
from service.gmail.text import base64_bytes, decode, decode_words, storable

_LARGEST_SIZE = 2**31 - 1
_MOST_DEFECTS = 50
_EARLIEST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


def parse_full(message: dict[str, Any]) -> Message:
    """From format full. Texts that come by attachmentId are not in it: unfilled_text_parts."""
    defects: list[str] = []
    for part in unfilled_text_parts(message):
        defects.append(f"the text of part {part.get('partId') or 'root'} was not fetched")
    root = mime.from_payload(message.get("payload"), defects)
    return _message(message, root, defects, raw=None)


def parse_raw(message: dict[str, Any]) -> Message:
    """From format raw; the bytes are kept in `raw`."""
    defects: list[str] = []
    encoded = message.get("raw")
    if not isinstance(encoded, str):
        defects.append("the mail came without its content")
        encoded = ""
    raw = base64_bytes(encoded, defects, "the raw message")
    return _message(message, mime.from_raw(raw, defects), defects, raw)


def parse_bare(message: dict[str, Any], why: str) -> Message:
    """From format raw, without reading the mail: its bytes, and what Gmail itself says of it."""
    defects = [f"not read, for it was {storable(why)[:200]}; the raw mail is kept"]
    raw = base64_bytes(str(message.get("raw") or ""), defects, "the raw message")
    nothing = mime.from_payload(None, [])
    bare = _message({**message, "snippet": ""}, nothing, defects, raw)
    return msgspec.structs.replace(bare, body_text=None)


def unfilled_text_parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the mail's own text that carry an attachmentId in place of their content."""
    return [part for part in _json_leaves(message.get("payload")) if _is_unfilled(part)]


def _json_leaves(part: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if not isinstance(part, dict) or depth > 40:
        return
    parts = part.get("parts")
    if str(part.get("mimeType")).startswith("multipart/") and isinstance(parts, list) and parts:
        for child in parts:
            yield from _json_leaves(child, depth + 1)
    else:
        yield part


def _is_unfilled(part: dict[str, Any]) -> bool:
    body = part.get("body")
    apart = isinstance(body, dict) and bool(body.get("attachmentId")) and not body.get("data")
    return apart and mime.from_payload(part, []).body_type is not None


def _message(
    message: dict[str, Any], root: mime.Part, defects: list[str], raw: bytes | None
) -> Message:
    headers = [Header(name, _header_text(name, value, defects)) for name, value in root.headers]
    named: dict[str, list[str]] = {}
    for header in headers:
        named.setdefault(header.name.lower(), []).append(header.value)
    leaves = list(root.leaves())

    def first(name: str) -> str | None:
        return named[name][0] if name in named else None

    def every(name: str) -> str | None:
        return ", ".join(named[name]) if name in named else None

    return Message(
        message_id=_id(message.get("id")),
        thread_id=_id(message.get("threadId")),
        history_id=_history_id(message.get("historyId"), defects),
        internal_date=_internal_date(message.get("internalDate"), defects),
        label_ids=_label_ids(message.get("labelIds")),
        snippet=storable(str(message.get("snippet") or ""), defects, "the snippet"),
        size_estimate=_size(message.get("sizeEstimate")),
        headers=headers,
        subject=first("subject"),
        sender=first("from"),
        recipients=every("to"),
        cc=every("cc"),
        bcc=every("bcc"),
        reply_to=first("reply-to"),
        sent_at=_sent_at(first("date"), defects),
        rfc822_message_id=first("message-id"),
        in_reply_to=first("in-reply-to"),
        references=first("references"),
        body_text=_body(leaves, "text/plain", defects),
        body_html=_body(leaves, "text/html", defects),
        attachments=[_attachment(part) for part in leaves if not part.body_type],
        defects=_told_once(defects),
        raw=raw,
    )


def _told_once(defects: list[str]) -> list[str]:
    told = list(dict.fromkeys(defects))
    more = len(told) - _MOST_DEFECTS
    return [*told[:_MOST_DEFECTS], f"and {more} more"] if more > 0 else told


def _header_text(name: str, value: str, defects: list[str]) -> str:
    # Unfolding takes the line ends away and leaves the white space, RFC 5322 section 2.2.3.
    decoded = decode_words(re.sub(r"[\r\n]", "", value), defects, f"header {name}")
    # An encoded word can hide a line end.
    return re.sub(r"[\r\n]+", " ", decoded).strip()


def _body(leaves: list[mime.Part], body_type: str, defects: list[str]) -> str | None:
    texts = [
        decode(part.content, part.charset, defects, f"part {part.part_id or 'root'}")
        for part in leaves
        if part.body_type == body_type and (part.content or part.mime_type == body_type)
    ]
    return "\n".join(texts) if texts else None


def _attachment(part: mime.Part) -> Attachment:
    content_id = (part.header("content-id") or "").strip().strip("<>")
    return Attachment(
        part_id=part.part_id,
        filename=part.filename,
        mime_type=part.mime_type,
        size=_size(part.size),
        content_id=content_id or None,
        inline=part.disposition == "inline" or bool(content_id and not part.disposition),
    )


def _sent_at(date: str | None, defects: list[str]) -> str | None:
    if not date:
        return None
    try:
        sent = parsedate_to_datetime(date)
        # A zone of -0000 means UTC, of whoever does not tell where he is: RFC 5322 section 3.3.
        aware = sent if sent.tzinfo else sent.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat()
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError):
        defects.append("the Date header is no date")
        return None


def _internal_date(value: Any, defects: list[str]) -> int:
    milliseconds = _integer(value)
    if milliseconds is None or not _EARLIEST <= milliseconds <= _LATEST:
        defects.append("no usable internalDate; 1970 stands in")
        return 0
    return milliseconds


def _history_id(value: Any, defects: list[str]) -> str:
    """Digits: a uint64, and some servers send more."""
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,30}", text):
        defects.append("no usable historyId; 0 stands in")
        return "0"
    return text


def _label_ids(value: Any) -> list[str]:
    """A message without labels has no such field."""
    labels = value if isinstance(value, list) else []
    return [storable(label) for label in labels if isinstance(label, str)]


def _size(value: Any) -> int:
    return min(max(_integer(value) or 0, 0), _LARGEST_SIZE)


def _integer(value: Any) -> int | None:
    """An int, or the digits of one, as JSON carries 64-bit numbers."""
    text = str(value)
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _id(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""
