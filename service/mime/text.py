"""Text out of mail: whatever the bytes, a string that Postgres can store.

Real mail has wrong charsets, broken RFC 2047 words and NUL characters. Each function here
answers with the best reading and notes in `defects`, in words, what it could not keep.
"""

import binascii
import codecs
import quopri
import re

import msgspec

# Postgres `text` and `jsonb` refuse U+0000, and no encoding has surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# Python names that are codecs, but no charset of any mail.
_NOT_CHARSETS = re.compile(
    "base64|bz2|hex|idna|punycode|quopri|raw-unicode-escape|rot-?13|undefined|unicode-escape|uu|zlib"
)

# What senders mean by the name: the superset their software used (WHATWG Encoding), or an alias.
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

# The sign that text has not been transcoded, although it happens to be valid UTF-8.
_ESCAPES = {"iso2022": b"\x1b", "hz": b"~{", "utf-7": b"+"}
_WIDE = ("utf-16", "utf-32")

# base64url's two digits of its own as base64 has them, and what is not a digit of base64.
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_NO_DIGITS = re.sub(rb"[A-Za-z0-9+/]", b"", bytes(range(256)))

_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")


def storable(text: str, defects: list[str] | None = None, where: str = "") -> str:
    """`text` with U+FFFD for NUL and lone surrogates."""
    # Neither looks at each character in turn, as the search does.
    if (text.isascii() and "\0" not in text) or not _UNSTORABLE.search(text):
        return text
    if defects is not None:
        if "\0" in text:
            defects.append(f"NUL characters replaced in {where}")
        if _UNSTORABLE.search(text.replace("\0", "")):
            defects.append(f"lone surrogates replaced in {where}")
    return _UNSTORABLE.sub("\ufffd", text)


def decode(data: bytes, charset: str | None, defects: list[str], where: str) -> str:
    """`data` as text. Gmail hands out UTF-8 under the name of the original charset, other
    servers the original bytes: hence UTF-8 first, whatever the declared charset."""
    codec = _codec(charset)
    if not (codec and _keeps_its_escapes(data, codec)):
        try:
            return storable(data.decode("utf-8"), defects, where)
        except UnicodeDecodeError:
            pass
    if codec == "cp1252":
        return storable(_western(data), defects, where)
    if codec is None or codec == "ascii":
        name = f"unknown charset {charset}" if charset and codec is None else "8-bit text"
        defects.append(f"{name} in {where} read as windows-1252")
        return storable(_western(data), defects, where)
    try:
        return storable(data.decode(codec), defects, where)
    except ValueError:
        defects.append(f"bytes in {where} that are not {charset} replaced")
        return storable(data.decode(codec, "replace"), defects, where)


def decode_words(value: str, defects: list[str], where: str) -> str:
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
        piece if isinstance(piece, str) else decode(b"".join(piece[1]), piece[0], defects, where)
        for piece in pieces
    )


def base64_bytes(text: str, defects: list[str], where: str) -> bytes:
    """base64url, read as from_base64 reads."""
    data = text.encode("ascii", "replace").translate(_URLSAFE)
    try:
        # Several times as fast as binascii, but for none that is not quite right.
        return msgspec.convert(data.decode() + "=" * (-len(data) % 4), bytes)
    except msgspec.ValidationError:
        return from_base64(data, defects, where)


def exact_base64(text: str) -> bytes:
    """base64url or base64, padded or not. Raises ValueError for anything else."""
    defects: list[str] = []
    content = base64_bytes(text, defects, "the content")
    if defects:
        raise ValueError(defects[0])
    return content


def from_base64(data: bytes, defects: list[str], where: str) -> bytes:
    """base64 with or without padding; what is no digit, or comes after the padding, is left out.

    All but white space and padding is noted.
    """
    digits, _, rest = data.partition(b"=")
    digits = digits.translate(None, b" \t\r\n")
    clean = digits.translate(None, _NO_DIGITS)
    # One digit alone is no byte.
    whole = clean[: len(clean) - (len(clean) % 4 == 1)]
    if len(whole) < len(digits) or rest.strip(b"= \t\r\n"):
        defects.append(f"broken base64 in {where}")
    return binascii.a2b_base64(whole + b"==")


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
