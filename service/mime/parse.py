"""Reads a StoredMessage out of Gmail's answer, in format full or in format raw.

Both formats give the same StoredMessage for the same mail. Nothing here raises on any mail: what
could not be read is missing, and the defects say so.
"""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from service.mime import parts
from service.mime.addresses import ADDRESS_FIELDS, decode_safely
from service.mime.bodies import body_of
from service.mime.dates import parse_date
from service.mime.html_text import seen_text
from service.mime.message import Attachment, Header, RefreshedMessage, StoredMessage
from service.mime.text import storable

# No real id is longer, and a longer one would not fit into an index.
_LONGEST_ID = 255

# The fields that are stored in columns of their own, too.
_COLUMNS = frozenset(
    {"subject", "from", "to", "cc", "bcc", "reply-to", "date", "message-id", "in-reply-to"}
    | {"references"}
)
_CID = re.compile(r"""\bcid:([^"'<>()\s]+)""", re.IGNORECASE)
NO_CONTENT = "the mail came without its content"
_META_CHARSET = re.compile(rb"<meta\b[^<>]*?\bcharset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
# RFC 3676 section 4.3, as Apple Mail writes it: words and addresses are cut by a blank and a line
# end. A quoted line stays as it is, and so does the line above a signature.
_CUT = re.compile(r"\bdelsp\s*=\s*\"?yes", re.IGNORECASE)
_CUT_LINE = re.compile(r"^(?!>|-- \r?$)(.*) \r?\n(?!>|-- \r?$)", re.MULTILINE)
_LARGEST_SIZE = 2**31 - 1
_MOST_DEFECTS = 50
_LONGEST_DEFECT = 200  # characters: headers name themselves, and charsets
_EARLIEST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


def parse_full(message: dict[str, Any]) -> StoredMessage:
    """From format full. It lacks the texts that come by attachmentId: see is_whole."""
    reader = MailReader()
    payload = message.get("payload")
    if not isinstance(payload, dict):
        reader.defects.append(NO_CONTENT)
    return reader.message(message, reader.from_payload(payload), raw=None)


def parse_raw(message: dict[str, Any]) -> StoredMessage:
    """From format raw. The bytes are kept in `raw`."""
    reader = MailReader()
    encoded = message.get("raw")
    if not isinstance(encoded, str):
        reader.defects.append(NO_CONTENT)
        encoded = ""
    raw = reader.base64url(encoded, "the raw message")
    return reader.message(message, reader.from_raw(raw), raw)


def parse_exported(message: dict[str, Any], raw: bytes) -> StoredMessage:
    """From the bytes of an export. `message` has what else it says, named as in Gmail's answers."""
    reader = MailReader()
    return reader.message(message, reader.from_raw(raw), raw)


def parse_bare(message: dict[str, Any], why: str) -> StoredMessage:
    """From format raw, without reading the mail: its bytes, and what Gmail itself says of it."""
    reader = MailReader()
    reader.defects.append(f"not read, for it was {storable(why)[:200]}; the raw mail is kept")
    raw = reader.base64url(str(message.get("raw") or ""), "the raw message")
    nothing = parts.PartReader().from_payload(None)
    bare = reader.message({**message, "snippet": ""}, nothing, raw)
    return msgspec.structs.replace(bare, body_text=None)


def parse_state(message: dict[str, Any]) -> RefreshedMessage:
    """The fields of a message that can change, from any format."""
    reader = MailReader()
    return RefreshedMessage(
        _id(message.get("id")),
        reader.history_id(message.get("historyId")),
        reader.label_ids(message.get("labelIds")),
    )


def is_whole(message: dict[str, Any]) -> bool:
    """Whether format full brought the mail with all of its texts."""
    return isinstance(message.get("payload"), dict) and not unfilled_text_parts(message)


def unfilled_text_parts(message: dict[str, Any]) -> list[parts.Part]:
    """The parts of the mail's own text that carry an attachmentId in place of their content."""
    payload = message.get("payload")
    if not any(parts.is_apart(part.get("body")) for part in _json_leaves(payload)):
        return []
    root = parts.PartReader().from_payload(payload)
    return [part for part in root.leaves() if part.is_content and part.is_apart]


def _json_leaves(part: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if not isinstance(part, dict):
        return
    children = parts.PartReader().divided(part, depth, "")
    if not children:
        yield part
    for child in children:
        yield from _json_leaves(child, depth + 1)


class MailReader(parts.PartReader):
    """Reads one mail. `defects` says in words what could not be kept as sent."""

    def message(
        self, message: dict[str, Any], root: parts.Part, raw: bytes | None
    ) -> StoredMessage:
        headers = [Header(name, self._header_text(name, value)) for name, value in root.headers]
        named: dict[str, list[str]] = {}
        for header in headers:
            if (name := header.name.lower()) in _COLUMNS:
                named.setdefault(name, []).append(header.value)
        body = body_of(root, self._text_of)
        seen = seen_text(body.text, body.html)

        def first(name: str) -> str | None:
            return named[name][0] if name in named else None

        def every(name: str) -> str | None:
            return ", ".join(named[name]) if name in named else None

        return StoredMessage(
            message_id=_id(message.get("id")),
            thread_id=self._thread_id(message),
            history_id=self.history_id(message.get("historyId")),
            internal_date=self._internal_date(message.get("internalDate")),
            label_ids=self.label_ids(message.get("labelIds")),
            snippet=self._snippet(message.get("snippet")),
            size_estimate=_size(message.get("sizeEstimate")),
            headers=headers,
            subject=first("subject"),
            sender=first("from"),
            recipients=every("to"),
            cc=every("cc"),
            bcc=every("bcc"),
            reply_to=first("reply-to"),
            sent_at=self._sent_at(first("date")),
            rfc822_message_id=first("message-id"),
            in_reply_to=first("in-reply-to"),
            references=first("references"),
            body_text=seen.body_text,
            body_html=body.html,
            html_text=seen.html_text,
            attachments=self._attachments(list(root.leaves()), body.html or ""),
            defects=_unique(self.defects),
            raw=raw,
        )

    def _header_text(self, name: str, value: str) -> str:
        # Unfolding takes the line ends away and leaves the white space, RFC 5322 section 2.2.3.
        unfolded = value.replace("\r", "").replace("\n", "")
        if "=?" not in unfolded:
            return unfolded.strip()

        def decode(words: str) -> str:
            # An encoded word can hide a line end.
            return re.sub(r"[\r\n]+", " ", self.decode_words(words, f"header {name}"))

        is_list = name.lower() in ADDRESS_FIELDS
        return (decode_safely(unfolded, decode) if is_list else decode(unfolded)).strip()

    def _text_of(self, part: parts.Part) -> str:
        where = f"part {part.part_id or 'root'}"
        if part.is_transcoded:
            text = self.decode_transcoded(part.content, part.charset, where)
        else:
            text = self.decode_body(part.content, _declared_charset(part), where)
        is_cut = _CUT.search(part.header("content-type") or "")
        return _CUT_LINE.sub(r"\1", text) if is_cut else text

    def _attachments(self, leaves: list[parts.Part], markup: str) -> list[Attachment]:
        """Part ids are made distinct, since they are the key of an attachment."""
        found: dict[str, Attachment] = {}
        shown = _shown_ids(markup) if any(part.header("content-id") for part in leaves) else set()
        for position, part in enumerate(leaves):
            if part.is_content and not part.filename:
                continue
            part_id = part.part_id
            if part_id in found or len(part_id) > _LONGEST_ID:
                part_id = f"?{position}"
                self.defects.append(f"no usable part id; {part_id} stands in")
            found[part_id] = _attachment(part, part_id, shown)
        return list(found.values())

    def _sent_at(self, date: str | None) -> str | None:
        if not date:
            return None
        try:
            return parse_date(date).isoformat()
        except ValueError as error:
            self.defects.append(f"the Date header is not a date: {error}")
            return None

    def _internal_date(self, value: Any) -> int:
        milliseconds = _integer(value)
        if milliseconds is None or not _EARLIEST <= milliseconds <= _LATEST:
            self.defects.append("no usable internalDate; 1970 stands in")
            return 0
        return milliseconds

    def history_id(self, value: Any) -> str:
        """Digits: a uint64, and some servers send more."""
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,30}", text):
            self.defects.append("no usable historyId; 0 stands in")
            return "0"
        return text

    def label_ids(self, value: Any) -> list[str]:
        """A message without labels has no such field."""
        listed = value if isinstance(value, list) else []
        labels = [label for label in listed if isinstance(label, str)]
        if len(labels) < len(listed) or not isinstance(value, list | None):
            self.defects.append("labels that are not text are left out")
        return [self.storable(label, "a label") for label in labels]

    def _snippet(self, value: Any) -> str:
        if not isinstance(value, str | None):
            self.defects.append("the snippet is not text")
        return self.storable(value, "the snippet") if isinstance(value, str) else ""

    def _thread_id(self, message: dict[str, Any]) -> str:
        thread_id = _id(message.get("threadId"))
        if 0 < len(thread_id) <= _LONGEST_ID:
            return thread_id
        self.defects.append("no usable threadId; the message's own id stands in")
        return _id(message.get("id"))


def _unique(defects: list[str]) -> list[str]:
    distinct = list(dict.fromkeys(each[:_LONGEST_DEFECT] for each in defects))
    more = len(distinct) - _MOST_DEFECTS
    return [*distinct[:_MOST_DEFECTS], f"and {more} more"] if more > 0 else distinct


def _shown_ids(markup: str) -> set[str]:
    """The Content-IDs that HTML shows (RFC 2392)."""
    return {unquote(html.unescape(each)) for each in _CID.findall(markup)}


def _attachment(part: parts.Part, part_id: str, shown: set[str]) -> Attachment:
    content_id = (part.header("content-id") or "").strip().strip("<>")
    is_shown = content_id in shown and part.disposition != "attachment"
    return Attachment(
        part_id=part_id,
        filename=part.filename,
        mime_type=part.mime_type,
        size=_size(part.size),
        content_id=content_id or None,
        inline=part.is_content or is_shown or part.mime_type == "text/x-amp-html",
    )


def _declared_charset(part: parts.Part) -> str | None:
    """What the part declares, else what its HTML does."""
    if part.charset or part.mime_type != "text/html":
        return part.charset
    declared = _META_CHARSET.search(part.content, 0, 2048)
    return declared[1].decode() if declared else None


def _size(value: Any) -> int:
    return min(max(_integer(value) or 0, 0), _LARGEST_SIZE)


def _integer(value: Any) -> int | None:
    """An int, or the digits of one, as JSON carries 64-bit numbers."""
    text = str(value)
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _id(value: Any) -> str:
    """Opaque text; some servers send numbers."""
    return storable(str(value)) if isinstance(value, str | int) else ""
