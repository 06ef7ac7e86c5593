"""The part tree of a mail, from Gmail's payload or from RFC 822 bytes: the same for both.

The email package is not used: it loses the exact bytes of a nested message, and its parts have no
Gmail part ids. Nothing here raises on any mail.
"""

import binascii
import codecs
import quopri
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from service.mime import charsets
from service.mime.text import TextReader, is_plain, storable

# Deeper parts are read undivided; real mail stays below ten.
_DEEPEST = 40
# Mail with more lines that look like boundaries is not divided: each few bytes would be a part.
_MOST_BOUNDARIES = 100_000
_UNDIVIDED = "has too many levels or parts to be divided"
# No real header has longer parameters; the limit keeps the time for a broken header linear.
_LONGEST_PARAMETERS = 20_000

_LINE = re.compile(rb"[^\n]*\n?")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_MIME_TYPE = re.compile(r"[!-.0-~]+/[!-.0-~]+")
_FORM = re.compile(r"(?P<name>[^*]+)(?:\*(?P<index>\d{1,3}))?(?P<star>\*)?")
_CONTENT_TYPE = re.compile(
    rb"^content-type[ \t]*:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE
)
# RFC 2045 section 5.1 allows comments. Some mailers write a comma, or nothing, for a semicolon.
_VALUE = re.compile(r"(?:\s|\([^()]*\))*([^\s;,()]*)")
_PARAMETER = re.compile(
    r"""(?<![^\s;,])([^\s;,="()]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)""", re.DOTALL
)
_LAST_COMMENT = re.compile(r"\s\([^()]*\)\Z")
# In these, parentheses are not a comment: many mailers write `filename=report (1).pdf`.
_NAMES_OF_FILES = ("filename", "name")
# RFC 2045 section 6.7, rule 3: blanks at the end of a line were added on the way.
_TRAILING_BLANKS = re.compile(rb"=[ \t]+(?=\r?\n)")
_BODY_TYPES = ("text/plain", "text/html")
# RFC 2046 section 4.1.4 has other kinds of text read as plain text. These are for programs.
_UNKNOWN = re.compile("text/(?!calendar|x-amp-html|rfc822-headers)")
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class Part(msgspec.Struct):
    """One part; part_id as Gmail numbers them, content without its transfer encoding.

    Every text in it can be stored. A message/rfc822 part is a leaf: one attachment. is_content
    says that it is text of the mail itself, is_apart that its content has to be fetched.
    """

    part_id: str
    headers: list[tuple[str, str]]
    mime_type: str
    charset: str | None
    boundary: str
    disposition: str
    filename: str
    content: bytes
    size: int
    parts: list["Part"]
    is_content: bool = False
    is_transcoded: bool = False
    is_apart: bool = False

    def header(self, name: str) -> str | None:
        """The first value of the field; its name in lower case."""
        # Most names have another length, which is faster to compare.
        length = len(name)
        for key, value in self.headers:
            if len(key) == length and key.lower() == name:
                return value
        return None

    def leaves(self) -> Iterator["Part"]:
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()

    @property
    def is_text(self) -> bool:
        """Whether it can be shown as text of the mail; a container is that if it has no parts."""
        return self.mime_type in _BODY_TYPES or self.mime_type.startswith("multipart/")


class PartReader(TextReader):
    """Reads the part tree of one mail."""

    def __init__(self) -> None:
        super().__init__()
        self._raw: bytes | memoryview = b""

    def from_raw(self, data: bytes | memoryview) -> Part:
        """The tree of an RFC 822 message, with CRLF or LF line ends."""
        if data[:3] == codecs.BOM_UTF8:  # a file that an editor of Windows has saved
            data = data[3:]
        self._raw = data
        too_many = bytes(data).count(b"\n--") > _MOST_BOUNDARIES
        return _with_content(self._from_raw(data, "", "text/plain", _DEEPEST if too_many else 0))

    def from_payload(self, payload: Any) -> Part:
        """The tree of a `payload` (format full); what has the wrong type is read as absent."""
        root = _with_content(self._from_payload(payload, "", 0))
        for part in root.leaves():
            if part.is_content and part.is_apart:
                self.defects.append(f"the text of part {part.part_id or 'root'} was not fetched")
        return root

    def _from_raw(self, data: bytes | memoryview, part_id: str, default: str, depth: int) -> Part:
        # A view, since a copy at each level of a large mail would take gigabytes.
        fields, body = _split_head(memoryview(data))
        where = f"part {part_id or 'root'}"
        content_type = next(
            (value for name, value in fields if name.lower() == "content-type"), b""
        )
        charset, boundary = self._charset_and_boundary(content_type, fields)
        headers = [
            (name, self.decode_header(value.strip(), charset, f"header {name}"))
            for name, value in fields
        ]
        part = self._described(part_id, headers, default)
        if part.mime_type.startswith("multipart/") and depth >= _DEEPEST:
            self.defects.append(f"{where} {_UNDIVIDED}")
        elif part.mime_type.startswith("multipart/"):
            inner = "message/rfc822" if part.mime_type == "multipart/digest" else "text/plain"
            part.parts = [
                self._from_raw(piece, child_id(part_id, index), inner, depth + 1)
                for index, piece in enumerate(_divided(body, boundary or part.boundary.encode()))
            ]
            if not part.parts:
                self.defects.append(f"{where} is {part.mime_type} but has no parts")
        if not part.parts:
            encoding = part.header("content-transfer-encoding") or ""
            part.content = self._transferred(bytes(body), encoding, where)
            part.size = len(part.content)
        return part

    def _from_payload(self, payload: Any, part_id: str, depth: int) -> Part:
        payload = payload if isinstance(payload, dict) else {}
        part_id = _text(payload.get("partId")) or part_id
        where = f"part {part_id or 'root'}"
        fields = self._dicts(payload.get("headers"), f"the headers of {where}")
        headers = [self._header(field.get("name"), field.get("value")) for field in fields]
        part = self._described(part_id, headers, "text/plain")
        part.is_transcoded = True
        part.mime_type = _text(payload.get("mimeType")).lower() or part.mime_type
        filename = self._text(payload.get("filename"), "a filename")
        part.filename = self.decode_words(filename, "a filename") or part.filename
        part.parts = [
            self._from_payload(child, child_id(part_id, index), depth + 1)
            for index, child in enumerate(self.divided(payload, depth, where))
        ]
        body = payload.get("body")
        if isinstance(body, dict) and not part.parts:
            size = body.get("size")
            encoded = self._text(body.get("data"), f"the content of {where}")
            part.content = self.base64url(encoded, where)
            part.size = max(size, 0) if isinstance(size, int) else len(part.content)
            part.is_apart = is_apart(body)
        return part

    def _charset_and_boundary(
        self, content_type: bytes, fields: list[tuple[str, bytes]]
    ) -> tuple[str | None, bytes]:
        """What decodes a head with 8-bit characters: the charset that it or else the mail declares,
        and the boundary byte for byte."""
        if all(value.isascii() for _, value in fields):
            return None, b""
        _, options = PartReader().parameters(content_type.decode("latin-1"), "")
        boundary = b"" if content_type.isascii() else options.get("boundary", "").encode("latin-1")
        declared = options.get("charset", "")
        return declared if _tells(declared) else self._charset_of_the_mail, boundary

    @cached_property
    def _charset_of_the_mail(self) -> str | None:
        """The first charset that a part of it declares."""
        types = (match[1].decode("latin-1") for match in _CONTENT_TYPE.finditer(self._raw))
        declared = (PartReader().parameters(each, "")[1].get("charset", "") for each in types)
        return next(filter(_tells, declared), None)

    def divided(self, payload: dict[str, Any], depth: int, where: str) -> list[dict[str, Any]]:
        """The parts of a multipart `payload`; none of a leaf, nor where `depth` is too deep."""
        mime_type = _text(payload.get("mimeType")).lower()
        if mime_type and not mime_type.startswith("multipart/"):
            return []
        parts = self._dicts(payload.get("parts"), f"the parts of {where}")
        if parts and depth >= _DEEPEST:
            self.defects.append(f"{where} {_UNDIVIDED}")
            return []
        if mime_type and not parts:
            self.defects.append(f"{where} is {mime_type} but has no parts")
        return parts

    def parameters(self, value: str, where: str) -> tuple[str, dict[str, str]]:
        """`text/plain; charset=x` as (`text/plain`, {charset: x}), RFC 2231 and 2047 decoded.

        The extended form wins over pieces, and pieces over the plain form, which is for software
        that knows neither.
        """
        plain: dict[str, str] = {}
        extended: dict[str, str] = {}
        pieces: dict[str, dict[int, tuple[bool, str]]] = {}
        for name, written in _PARAMETER.findall(value[:_LONGEST_PARAMETERS]):
            form = _FORM.fullmatch(name.lower())
            if form is None:
                continue
            text = _unquoted(written, form["name"])
            if form["index"]:
                of_name = pieces.setdefault(form["name"], {})
                of_name.setdefault(int(form["index"]), (bool(form["star"]), text))
            else:
                (extended if form["star"] else plain).setdefault(form["name"], text)
        found = {name: self.decode_words(text, where) for name, text in plain.items()}
        found |= {name: self._joined(of_name, where) for name, of_name in pieces.items()}
        found |= {name: self._joined({0: (True, text)}, where) for name, text in extended.items()}
        first = _VALUE.match(value)
        assert first
        return first[1].lower(), found

    def _described(self, part_id: str, headers: list[tuple[str, str]], default: str) -> Part:
        """A part with what its headers say of it, and nothing in it yet."""
        part = Part(part_id, headers, default, None, "", "", "", b"", 0, [])
        where = f"the parameters of part {part_id or 'root'}"
        mime_type, options = self.parameters(part.header("content-type") or "", where)
        part.disposition, more = self.parameters(part.header("content-disposition") or "", where)
        if _MIME_TYPE.fullmatch(mime_type):
            part.mime_type = mime_type
        part.charset = options.get("charset")
        part.boundary = options.get("boundary", "")
        part.filename = more.get("filename") or options.get("name", "")
        return part

    def _transferred(self, body: bytes, encoding: str, where: str) -> bytes:
        named = _VALUE.match(encoding.replace('"', ""))
        assert named
        match named[1].lower():
            case "base64":
                return self.base64(body, where)
            case "quoted-printable":
                return quopri.decodestring(_TRAILING_BLANKS.sub(b"=", body))
            case "x-uuencode" | "uuencode" | "x-uue" | "uue":
                return self._uudecoded(body, where)
            case name if name not in _PLAIN_ENCODINGS:
                self.defects.append(f"unknown transfer encoding {name} of {where}")
        return body

    def _uudecoded(self, body: bytes, where: str) -> bytes:
        lines = re.sub(rb"\A.*?^begin [^\n]*\n|^end\b.*\Z", b"", body, flags=re.DOTALL | re.M)
        decoded = bytearray()
        broken = False
        for line in lines.splitlines():
            # The first character says how many bytes the line holds; some senders pad it.
            length = (line[0] - 32) & 63 if line else 0
            try:
                decoded += binascii.a2b_uu(line[: 1 + (length + 2) // 3 * 4])
            except binascii.Error:
                broken = True
        if broken:
            self.defects.append(f"broken uuencode in {where}")
        return bytes(decoded)

    def _joined(self, pieces: dict[int, tuple[bool, str]], where: str) -> str:
        """RFC 2231: the first extended piece is charset'language'percent-encoded."""
        ordered = [pieces[index] for index in sorted(pieces)]
        if not any(extended for extended, _ in ordered):
            return self.decode_words("".join(text for _, text in ordered), where)
        charset: str | None = None
        data = b""
        for position, (extended, text) in enumerate(ordered):
            if position == 0 and text.count("'") >= 2:
                charset, _, text = text.split("'", 2)
            data += unquote_to_bytes(text) if extended else text.encode()
        return self.decode(data, charset, where)

    def _header(self, name: Any, value: Any) -> tuple[str, str]:
        if isinstance(name, str) and isinstance(value, str) and is_plain(name + value):
            return name, value
        name = self._text(name, "the name of a header")
        return name, self._text(value, f"header {name}")

    def _text(self, value: Any, where: str) -> str:
        if isinstance(value, str):
            return self.storable(value, where)
        if value is not None:
            self.defects.append(f"{where} is not text")
        return ""

    def _dicts(self, value: Any, where: str) -> list[dict[str, Any]]:
        listed = value if isinstance(value, list) else []
        dicts = [each for each in listed if isinstance(each, dict)]
        if len(dicts) < len(listed) or not isinstance(value, list | None):
            self.defects.append(f"{where} are not as Gmail gives them")
        return dicts


def is_apart(body: Any) -> bool:
    """Whether a `body` came without its content: with an attachmentId, or with a size only."""
    if not isinstance(body, dict) or body.get("data"):
        return False
    return bool(body.get("attachmentId") or body.get("size"))


def _unquoted(written: str, name: str) -> str:
    """The value of a parameter. A quote that nothing closes is left out."""
    if len(written) > 1 and written[0] == '"' == written[-1]:
        return re.sub(r"\\(.)", r"\1", written[1:-1])
    value = written.strip().removeprefix('"')
    return value if name in _NAMES_OF_FILES else _LAST_COMMENT.sub("", value).strip()


def _split_head(data: memoryview) -> tuple[list[tuple[str, bytes]], memoryview]:
    """The header fields, unfolded, and the body. A line that is not a header begins it, too."""
    fields: list[tuple[str, bytearray]] = []
    start = 0
    while start < len(data) and (found := _LINE.match(data, start)):
        line = found[0].rstrip(b"\r\n")
        if not line:
            start = found.end()
            break
        if line[:1] in b" \t":
            if fields:  # some archives have white space above the head
                fields[-1][1].extend(line)
        elif field := _FIELD.match(line):
            fields.append((field[1].decode(), bytearray(field[2])))
        elif not line.startswith((b"From ", b">From ")):
            break
        start = found.end()
    return [(name, bytes(value)) for name, value in fields], data[start:]


def _divided(body: memoryview, boundary: bytes) -> Iterator[memoryview]:
    """The parts between the boundary's lines; the last may end without one."""
    boundary = boundary.rstrip()
    if not boundary:
        return
    # The pattern begins with literal bytes, since Python searches for those fast.
    line = re.compile(rb"--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r*\n|\Z)")
    start = None
    for mark in line.finditer(body):
        end = mark.start()
        if end and body[end - 1] != ord("\n"):
            continue
        if start is not None:
            # The line end before the boundary belongs to it.
            end -= 2 if bytes(body[max(end - 2, 0) : end]) == b"\r\n" else 1
            yield body[start : max(start, end)]
        if mark[1]:
            return
        start = mark.end()
    if start is not None:
        yield body[start:]


def _with_content(root: Part) -> Part:
    """Marks the text of the mail itself: what has no name or is a form of the text, else all."""
    leaves = [part for part in root.leaves() if part.disposition != "attachment"]
    texts = [part for part in leaves if part.is_text]
    if not texts:
        texts = [part for part in leaves if not part.filename and _UNKNOWN.match(part.mime_type)]
    forms = [id(part) for part in _forms(root)]
    unnamed = [part for part in texts if not part.filename or id(part) in forms]
    has_content = any(part.content or part.is_apart for part in unnamed)
    for part in unnamed if has_content else texts:
        part.is_content = True
    return root


def _forms(part: Part) -> Iterator[Part]:
    """The parts that have the same text as the ones beside them."""
    for child in part.parts:
        if part.mime_type == "multipart/alternative":
            yield child
        yield from _forms(child)


def _tells(charset: str) -> bool:
    """Whether text that is not UTF-8 can be in it."""
    return charsets.lookup(charset) not in (None, "ascii", "utf-8")


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def child_id(parent: str, index: int) -> str:
    return f"{parent}.{index}" if parent else str(index)
