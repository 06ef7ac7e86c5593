"""Reads text out of mail. Each result is a string that Postgres can store.

Real mail has wrong charsets, broken RFC 2047 words and NUL characters. TextReader returns the
best reading and notes in `defects`, in words, what it could not keep.
"""

import binascii
import codecs
import quopri
import re
from typing import Any

import msgspec

from service.mime import charsets

# Postgres `text` and `jsonb` refuse U+0000, and no encoding has surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# The two digits that base64url has of its own, and all bytes that are not a digit of base64.
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_NO_DIGITS = re.sub(rb"[A-Za-z0-9+/]", b"", bytes(range(256)))
_DIGITS = bytes(range(256)).translate(None, _NO_DIGITS)

# RFC 2047. Some mailers write a question mark of the text as it is.
ENCODED_WORD = r"=\?[^?\s]+\?[bBqQ]\?[^?=]*+(?:(?:\?(?!=)|=(?!\?(?!=)))[^?=]*+)*+\?="
_ENCODED_WORD = re.compile(ENCODED_WORD)
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")


def is_plain(text: str) -> bool:
    """Whether it is ASCII without NUL: a test far faster than the search for what is unstorable."""
    return text.isascii() and "\0" not in text


def storable(text: str) -> str:
    """`text` with U+FFFD for NUL and lone surrogates."""
    if is_plain(text) or not _UNSTORABLE.search(text):
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> Any:
    """JSON with all its texts storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): storable_json(each) for name, each in value.items()}
    return value


def exact_base64(text: str) -> bytes:
    """base64 or base64url, with or without padding. Raises ValueError for anything else."""
    digits = text.encode("ascii").translate(_URLSAFE).rstrip(b"=").decode()
    # Several times as fast as binascii.
    return msgspec.convert(digits + "=" * (-len(digits) % 4), bytes)


class TextReader:
    """Decodes the texts of one mail. `defects` says in words what could not be kept as sent."""

    def __init__(self) -> None:
        self.defects: list[str] = []

    def storable(self, text: str, where: str) -> str:
        """As the function storable, with a note of what was replaced."""
        stored = storable(text)
        if stored is text:
            return text
        if "\0" in text:
            self.defects.append(f"NUL characters replaced in {where}")
        if _UNSTORABLE.search(text.replace("\0", "")):
            self.defects.append(f"lone surrogates replaced in {where}")
        return stored

    def decode(self, data: bytes, charset: str | None, where: str) -> str:
        """`data` in the charset that the sender declared for it, which is not overruled.

        UTF-8 when the sender declared none, or bytes that are not in it.
        """
        known = charsets.lookup(charset) if charset else None
        if known not in (None, "ascii", "utf-8"):
            text = charsets.decode(data, known)
            if "\ufffd" not in text or (whole := _utf8(data)) is None:
                return self._noted(text, charset, where)
            return self.storable(whole, where)
        utf8 = _utf8(data)
        return self._guessed(data, charset, where) if utf8 is None else self.storable(utf8, where)

    def decode_header(self, data: bytes, charset: str | None, where: str) -> str:
        """An unencoded header: UTF-8 (RFC 6532), else in the charset that the mail declares."""
        text = _utf8(data)
        if text is None and charset and (known := charsets.lookup(charset)):
            declared = charsets.decode(data, known)
            text = None if "\ufffd" in declared else declared
        return self._guessed(data, None, where) if text is None else self.storable(text, where)

    def decode_body(self, data: bytes, charset: str | None, where: str) -> str:
        """`data` in the charset that its part declares, or UTF-8 where that is more likely.

        The byte order mark of UTF-16 is right about both, as in the Encoding Standard.
        """
        if data.startswith(_UTF16_MARKS) and not data.startswith(codecs.BOM_UTF32_LE):
            charset = "utf-16"
        known = charsets.lookup(charset) if charset else None
        if data.isascii():
            hidden = known is not None and charsets.hides_text_in_ascii(data, known)
            return self.storable(
                charsets.decode(data, known) if known and hidden else data.decode(), where
            )
        text = _utf8(data)
        if text is not None and known not in (None, "ascii", "utf-8"):
            text = text if charsets.is_rather_utf8(text, data, known) else None
        return self.decode(data, charset, where) if text is None else self.storable(text, where)

    def decode_transcoded(self, data: bytes, charset: str | None, where: str) -> str:
        """`data` as Gmail hands it out: in UTF-8 under the name of the original charset. Other
        servers hand out the original bytes."""
        known = charsets.lookup(charset) if charset else None
        text = None if known and charsets.hides_text_in_ascii(data, known) else _utf8(data)
        return self.decode(data, charset, where) if text is None else self.storable(text, where)

    def _guessed(self, data: bytes, charset: str | None, where: str) -> str:
        """`data` whose charset nobody knows, and which is not UTF-8."""
        if charset and charsets.lookup(charset) == "utf-8":
            return self._noted(data.decode("utf-8", "replace"), charset, where)
        unknown = charset and charsets.lookup(charset) is None
        name = f"unknown charset {charset}" if unknown else "8-bit text"
        self.defects.append(f"{name} in {where} read as windows-1252")
        return self.storable(charsets.decode(data, "windows-1252"), where)

    def _noted(self, text: str, charset: str | None, where: str) -> str:
        if "\ufffd" in text:
            self.defects.append(f"bytes in {where} that are not {charset} replaced")
        return self.storable(text, where)

    def decode_words(self, value: str, where: str) -> str:
        """A header value with its RFC 2047 words decoded; a broken word stays as it is."""
        if "=?" not in value:
            return value
        pieces: list[tuple[str, list[bytes]] | str] = []
        value = _BETWEEN_WORDS.sub(r"\1", value)
        position = 0
        for word in _ENCODED_WORD.finditer(value):
            if word.start() > position:
                pieces.append(value[position : word.start()])
            position = word.end()
            label, encoding, payload = word[0][2:-2].split("?", 2)
            charset, data = label.partition("*")[0].lower(), _word_bytes(encoding, payload)
            last = pieces[-1] if pieces else None
            if data is None:
                pieces.append(word[0])
            elif isinstance(last, tuple) and last[0] == charset:
                # Senders cut a multibyte character in two: neighbours are decoded as one.
                last[1].append(data)
            else:
                pieces.append((charset, [data]))
        pieces.append(value[position:])
        return "".join(
            piece if isinstance(piece, str) else self.decode(b"".join(piece[1]), piece[0], where)
            for piece in pieces
        )

    def base64url(self, text: str, where: str) -> bytes:
        """base64url, read as `base64` reads."""
        try:
            return exact_base64(text)
        except ValueError:
            return self.base64(text.encode("ascii", "replace").translate(_URLSAFE), where)

    def base64(self, data: bytes, where: str) -> bytes:
        """base64 with or without padding. Leaves out what is not a digit or follows the padding.

        Notes all of that but white space and padding. Some mailers encode a text in pieces, each
        with its padding: then nothing is left out.
        """
        digits, _, rest = data.partition(b"=")
        if rest.strip(b"= \t\r\n"):
            lines = data.translate(None, b"\t\r\n")
            pieces = lines.replace(b"=", b" ").split()
            if (
                len(lines) % 4 == 0
                and not lines.translate(None, _DIGITS + b"=")
                and all(len(piece) % 4 != 1 for piece in pieces)
            ):
                return b"".join(binascii.a2b_base64(piece + b"==") for piece in pieces)
        digits = digits.translate(None, b" \t\r\n")
        clean = digits.translate(None, _NO_DIGITS)
        # A single digit does not make a byte.
        whole = clean[: len(clean) - (len(clean) % 4 == 1)]
        if len(whole) < len(digits) or rest.strip(b"= \t\r\n"):
            self.defects.append(f"broken base64 in {where}")
        return binascii.a2b_base64(whole + b"==")


def _word_bytes(encoding: str, payload: str) -> bytes | None:
    data = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(data, header=True)
    try:
        return binascii.a2b_base64(data.rstrip(b"=") + b"==")
    except binascii.Error:
        return None


def _utf8(data: bytes) -> str | None:
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        return None
