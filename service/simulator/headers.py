"""Tolerant reading of mail headers: from bytes, never raising, whatever the mail holds.

The email package is not used: some of its policies raise on broken headers, and none keeps the
exact bytes of a nested part. Nothing of service/mime is used either; mime.py says why.
"""

import binascii
import codecs
import quopri
import re
from urllib.parse import unquote_to_bytes

Headers = list[tuple[str, bytes]]

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_WORDS = re.compile(rf"{_WORD.pattern}(?:\s*{_WORD.pattern})*")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_CONTINUED = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
# Python knows these as text encodings, but as charsets they raise or warn.
_NOT_CHARSETS = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs"}


def split_head(data: bytes) -> tuple[Headers, bytes]:
    """The header fields, unfolded, and the body. A line that is not a header begins the body."""
    headers: Headers = []
    position = 0
    while position < len(data):
        end = data.find(b"\n", position) + 1 or len(data)
        line = data[position:end].rstrip(b"\r\n")
        if not line:
            return headers, data[end:]
        if line[:1] in b" \t":
            if headers:
                name, value = headers[-1]
                headers[-1] = (name, value + line)
        elif field := _FIELD.match(line):
            headers.append((field[1].decode("ascii"), field[2]))
        elif not line.lstrip(b">").startswith(b"From "):
            return headers, data[position:]
        position = end
    return headers, b""


def first(headers: Headers, name: str) -> bytes:
    """The first value of a field, or empty; `name` in lower case."""
    return next((value for key, value in headers if key.lower() == name), b"")


def text(value: bytes) -> str:
    """A header value as Gmail shows it: 8-bit characters read, encoded words (RFC 2047) decoded."""
    return decode_words(plain(value))


def plain(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def decode_words(value: str) -> str:
    return _WORDS.sub(_decode_run, value) if "=?" in value else value


def _decode_run(run: re.Match[str]) -> str:
    """Adjacent words of one charset are joined first: mailers cut them inside a character."""
    chunks: list[tuple[str, bytes]] = []
    for word in _WORD.finditer(run[0]):
        charset, encoding, encoded = word[1].lower(), word[2].lower(), word[3].encode("utf-8")
        data = base64(encoded) if encoding == "b" else binascii.a2b_qp(encoded, header=True)
        if chunks and chunks[-1][0] == charset:
            data = chunks.pop()[1] + data
        chunks.append((charset, data))
    return "".join(decode(data, charset) for charset, data in chunks)


def base64(data: bytes) -> bytes:
    """Decode up to the padding, ignoring what does not belong."""
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data.partition(b"=")[0])
    whole = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def decode(data: bytes, charset: str) -> str:
    """Text of any bytes in any charset, known or not; the result always encodes to UTF-8."""
    try:
        known = codecs.lookup(charset or "utf-8").name.replace("_", "-")
        if known in _NOT_CHARSETS:
            raise LookupError(charset)
        decoded = data.decode("utf-8" if known == "ascii" else known, "replace")
    except (LookupError, ValueError):
        decoded = plain(data)
    return decoded.encode("utf-8", "replace").decode("utf-8")


def transfer_decode(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64(data)
    if encoding == "quoted-printable":
        return quopri.decodestring(data)
    return data


def parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """`text/plain; charset=x` as (`text/plain`, {charset: x}); RFC 2231 forms are decoded."""
    whole = plain(value)
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for key, raw in _PARAMETER.findall(whole):
        unquoted = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw.strip()
        if match := _CONTINUED.fullmatch(key.lower()):
            piece = (int(match[2] or 0), bool(match[3]), unquoted)
            pieces.setdefault(match[1], []).append(piece)
    return whole.partition(";")[0].strip().lower(), {k: _join(v) for k, v in pieces.items()}


def _join(pieces: list[tuple[int, bool, str]]) -> str:
    """RFC 2231: charset'language'percent-encoded in the first extended piece."""
    pieces.sort(key=lambda piece: piece[0])
    if not any(extended for _, extended, _ in pieces):
        return decode_words("".join(value for _, _, value in pieces))
    charset = ""
    data = b""
    for index, (_, extended, value) in enumerate(pieces):
        if extended and index == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        data += unquote_to_bytes(value) if extended else value.encode("utf-8")
    return decode(data, charset)
