"""The part tree of a message, numbered and shaped as Gmail's `payload`.

A parser of its own, though service/mime has one. Tests compare what a sync stores with what this
one served. It is an independent oracle: with shared code, both would make the same mistake.
"""

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from service.simulator import encoding
from service.simulator.charsets import codec_of, read
from service.simulator.headers import (
    Headers,
    address_text,
    first,
    parameters,
    split_head,
    text,
    transfer_decode,
)

INLINE_TEXT_LIMIT = 1_000_000  # bytes; longer text comes by attachmentId
SNIPPET_LENGTH = 200  # characters
_MAX_DEPTH = 40  # levels of nesting read before the rest counts as one leaf
_LISTS = ("from", "sender", "reply-to", "to", "cc", "bcc")
_TYPE_FIELD = re.compile(rb"(?im)^content-type:((?:[^\n]|\n[ \t])*)")
_TYPE = re.compile(r"[^\s/;]+/[^\s/;]+")
_INVISIBLE = re.compile(r"(?is)<(style|script|title)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")


class Part(msgspec.Struct):
    """A MIME part. `encoded` is its body as sent, before transfer decoding."""

    part_id: str
    headers: Headers
    mime_type: str
    filename: str
    charset: str
    attached: bool
    encoded: bytes
    mail_charset: str
    children: list["Part"]

    def content(self) -> bytes:
        """The body as Gmail serves it: attachments as sent, text of the message in UTF-8."""
        transfer = text(first(self.headers, "content-transfer-encoding")).strip().lower()
        data = transfer_decode(self.encoded, transfer)
        return data if self.attached else read(data, self.charset).encode("utf-8")

    def walk(self) -> Iterator["Part"]:
        yield self
        for child in self.children:
            yield from child.walk()


def parse(raw: bytes) -> Part:
    """Read a message with CRLF or LF line ends; never raises."""
    return _parse(raw, "", "text/plain", 0, _mail_charset(raw))


def _mail_charset(raw: bytes) -> str:
    """The charset of the first part that is neither in ASCII nor in UTF-8."""
    for field in _TYPE_FIELD.finditer(raw):
        charset = parameters(re.sub(rb"[\r\n]", b"", field[1]))[1].get("charset", "")
        if charset and codec_of(charset) not in (None, "utf-8"):
            return charset
    return ""


def _parse(raw: bytes, part_id: str, default: str, depth: int, mail_charset: str) -> Part:
    headers, body = split_head(raw)
    mime_type, options = content_type(headers, default, mail_charset)
    disposition, disposed = parameters(first(headers, "content-disposition"), mail_charset)
    filename = disposed.get("filename") or options.get("name", "")
    readable = mime_type.startswith("text/") and not filename and disposition != "attachment"
    charset = options.get("charset", "").split("(")[0].strip()
    part = Part(
        part_id, headers, mime_type, filename, charset, not readable, body, mail_charset, []
    )
    if depth < _MAX_DEPTH:
        part.children = _children(part, options.get("boundary", ""), depth + 1)
    if mime_type.startswith("multipart/"):
        # A container that cannot be split is shown as text.
        part.attached = False
    return part


def content_type(
    headers: Headers, default: str = "text/plain", charset: str = ""
) -> tuple[str, dict[str, str]]:
    """The MIME type, or the default when it is missing or broken, and its parameters."""
    named, options = parameters(first(headers, "content-type"), charset)
    return (named if _TYPE.fullmatch(named) else default), options


def _children(part: Part, boundary: str, depth: int) -> list[Part]:
    if part.mime_type in ("message/rfc822", "message/global"):
        inner = _child_id(part.part_id, 0)
        return [_parse(part.content(), inner, "text/plain", depth, part.mail_charset)]
    if not part.mime_type.startswith("multipart/") or not boundary:
        return []
    default = "message/rfc822" if part.mime_type == "multipart/digest" else "text/plain"
    pieces = split_multipart(part.encoded, boundary)
    return [
        _parse(piece, _child_id(part.part_id, index), default, depth, part.mail_charset)
        for index, piece in enumerate(pieces)
    ]


def _child_id(parent: str, index: int) -> str:
    return f"{parent}.{index}" if parent else str(index)


def split_multipart(body: bytes, boundary: str) -> list[bytes]:
    """The parts between the delimiter lines; the last may lack its closing delimiter."""
    mark = re.escape(b"--" + boundary.encode("utf-8"))
    # The line's start is checked afterwards: a pattern that begins with a look-behind is tried at
    # each byte.
    found = re.finditer(mark + rb"(--)?[ \t]*(?=\r?\n|\Z)", body)
    delimiters = [each for each in found if body[each.start() - 1 : each.start()] in (b"", b"\n")]
    pieces = []
    for index, delimiter in enumerate(delimiters):
        if delimiter[1]:
            break
        end = delimiters[index + 1].start() if index + 1 < len(delimiters) else len(body)
        piece = body[delimiter.end() : end]
        if end < len(body):
            piece = piece.removesuffix(b"\n").removesuffix(b"\r")
        pieces.append(re.sub(rb"\A\r?\n", b"", piece))
    return pieces


def payload(part: Part, attachment_id: Callable[[str], str]) -> dict[str, Any]:
    """The part as a MessagePart of the discovery document."""
    shaped: dict[str, Any] = {
        "partId": part.part_id,
        "mimeType": part.mime_type,
        "filename": part.filename,
        "headers": header_list(part.headers, part.mail_charset),
        "body": _body(part, attachment_id),
    }
    if part.children:
        shaped["parts"] = [payload(child, attachment_id) for child in part.children]
    return shaped


def header_list(headers: Headers, charset: str = "") -> list[dict[str, str]]:
    return [
        {"name": name, "value": (address_text if name.lower() in _LISTS else text)(value, charset)}
        for name, value in headers
    ]


def _body(part: Part, attachment_id: Callable[[str], str]) -> dict[str, Any]:
    if part.children and part.mime_type.startswith("multipart/"):
        return {"size": 0}
    content = part.content()
    if part.attached or len(content) > INLINE_TEXT_LIMIT:
        return {"attachmentId": attachment_id(part.part_id), "size": len(content)}
    if not content:
        return {"size": 0}
    return {"size": len(content), "data": encoding.base64url(content)}


def snippet(root: Part) -> str:
    """The first words of the text, HTML-escaped."""
    leaves = [part for part in root.walk() if not part.children and not part.attached]
    leaves.sort(key=lambda part: part.mime_type == "text/html")
    for part in leaves:
        shown = part.content()[:20_000].decode("utf-8", "ignore")
        if part.mime_type == "text/html":
            shown = html.unescape(_INVISIBLE.sub(" ", shown))
        words = " ".join(shown.split())[:SNIPPET_LENGTH]
        if words:
            # A character reference can be a lone surrogate, which JSON in UTF-8 cannot contain.
            whole = words.encode("utf-8", "replace").decode("utf-8")
            return html.escape(whole).replace("&#x27;", "&#39;")
    return ""
