"""Reads text out of mail. Each result is a string that Postgres can store.

Real mail has wrong charsets, broken RFC 2047 words and NUL characters. TextReader returns the
best reading and notes in `defects`, in words, what it could not keep.
"""

import binascii
import codecs
import quopri
import re

import msgspec

# Postgres `text` and `jsonb` refuse U+0000, and no encoding has surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# Codecs of Python that are not a charset of any mail.
_NOT_CHARSETS = re.compile(
    "base64|bz2|hex|idna|punycode|quopri|raw-unicode-escape|rot-?13|undefined|unicode-escape|uu|zlib"
)

# What senders mean by the name: the superset that their software used, or an alias.
_MEANT = {
    "ascii": "ascii",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_ALIASES = {
    "x-gbk": "gbk",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "iso-8859-8-i": "iso-8859-8",
    "windows-874": "cp874",
    "unicode-1-1-utf-7": "utf-7",
}

# Bytes which show that a text was not transcoded, although it is valid UTF-8.
_ESCAPES = {"iso2022": b"\x1b", "hz": b"~{", "utf-7": b"+"}
_WIDE = ("utf-16", "utf-32")

# The two digits that base64url has of its own, and all bytes that are not a digit of base64.
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_NO_DIGITS = re.sub(rb"[A-Za-z0-9+/]", b"", bytes(range(256)))

_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")


def storable(text: str) -> str:
    """`text` with U+FFFD for NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", text) if _is_suspect(text) else text


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
        if not _is_suspect(text):
            return text
        if "\0" in text:
            self.defects.append(f"NUL characters replaced in {where}")
        if _UNSTORABLE.search(text.replace("\0", "")):
            self.defects.append(f"lone surrogates replaced in {where}")
        return storable(text)

    def decode(self, data: bytes, charset: str | None, where: str) -> str:
        """`data` as text. Gmail hands out UTF-8 under the name of the original charset, other
        servers the original bytes: hence UTF-8 first, whatever the declared charset."""
        codec = _codec(charset)
        if not (codec and _keeps_its_escapes(data, codec)):
            try:
                return self.storable(data.decode("utf-8"), where)
            except UnicodeDecodeError:
                pass
        if codec == "cp1252":
            return self.storable(_western(data), where)
        if codec is None or codec == "ascii":
            name = f"unknown charset {charset}" if charset and codec is None else "8-bit text"
            self.defects.append(f"{name} in {where} read as windows-1252")
            return self.storable(_western(data), where)
        try:
            return self.storable(data.decode(codec), where)
        except ValueError:
            self.defects.append(f"bytes in {where} that are not {charset} replaced")
            return self.storable(data.decode(codec, "replace"), where)

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
            charset, data = word[1].partition("*")[0].lower(), _word_bytes(word[2], word[3])
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

        Notes all of that but white space and padding.
        """
        digits, _, rest = data.partition(b"=")
        digits = digits.translate(None, b" \t\r\n")
        clean = digits.translate(None, _NO_DIGITS)
        # A single digit does not make a byte.
        whole = clean[: len(clean) - (len(clean) % 4 == 1)]
        if len(whole) < len(digits) or rest.strip(b"= \t\r\n"):
            self.defects.append(f"broken base64 in {where}")
        return binascii.a2b_base64(whole + b"==")


def _is_suspect(text: str) -> bool:
    # The first two tests are far faster than the search.
    return not (text.isascii() and "\0" not in text) and bool(_UNSTORABLE.search(text))


def _word_bytes(encoding: str, payload: str) -> bytes | None:
    data = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(data, header=True)
    try:
        return binascii.a2b_base64(data.rstrip(b"=") + b"==")
    except binascii.Error:
        return None


def _codec(charset: str | None) -> str | None:
    """Python's name of the codec to read `charset` with; None when there is none."""
    name = (charset or "").strip().lower()
    if not re.fullmatch(r"[a-z0-9._:+-]{1,40}", name):
        return None
    try:
        codec = codecs.lookup(_ALIASES.get(name, name))
    except LookupError:
        return None
    if _NOT_CHARSETS.fullmatch(codec.name):
        return None
    return _MEANT.get(codec.name, codec.name)


def _keeps_its_escapes(data: bytes, codec: str) -> bool:
    if codec.startswith(_WIDE):
        return b"\0" in data
    return data.isascii() and any(
        codec.startswith(family) and escape in data for family, escape in _ESCAPES.items()
    )


def _western(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
