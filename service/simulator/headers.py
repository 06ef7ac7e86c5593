"""Tolerant reading of mail headers: from bytes, never raising, whatever the mail holds.

The email package is not used: some of its policies raise on broken headers, and none keeps the
exact bytes of a nested part. Nothing of service/mime is used either; mime.py says why.
"""

import binascii
import quopri
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from service.simulator.charsets import plain, read_declared

Headers = list[tuple[str, bytes]]

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_WORDS = re.compile(rf"{_WORD.pattern}(?:\s*{_WORD.pattern})*")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_CONTINUED = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")


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


def text(value: bytes, charset: str = "") -> str:
    """A header value as Gmail shows it: 8-bit characters read, encoded words (RFC 2047) decoded.

    `charset` is the one of the mail, for characters without a name."""
    return decode_words(plain(value, charset))


def address_text(value: bytes, charset: str = "") -> str:
    """As `text`; a name that holds commas or brackets comes in quotes, and stays a name."""
    whole = plain(value, charset)
    if "=?" not in whole:
        return whole
    return "".join(_shown(run, within) for run, within in _stretches(whole))


def _stretches(value: str) -> Iterator[tuple[str, str]]:
    """The value, cut where a comment or a quoted string begins or ends.

    Each piece comes with what it is within: `(`, `"` or nothing.
    """
    begin, depth, quoted, escaped = 0, 0, False, False
    for position, character in enumerate(value):
        within = '"' if quoted else "(" if depth else ""
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"' and not depth:
            quoted = not quoted
        elif character == "(" and not quoted:
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        if within != ('"' if quoted else "(" if depth else ""):
            yield value[begin:position], within
            begin = position
    yield value[begin:], '"' if quoted else "(" if depth else ""


def _shown(piece: str, within: str) -> str:
    def name(words: re.Match[str]) -> str:
        decoded = _decode_run(words)
        if within == "(":
            return re.sub(r"([()\\])", r"\\\1", decoded)
        escaped = re.sub(r'(["\\])', r"\\\1", decoded)
        is_bare = not (within or set(decoded) & set('()<>[]:;@\\,."'))
        return decoded if is_bare else escaped if within else f'"{escaped}"'

    return _WORDS.sub(name, piece)


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
    return "".join(read_declared(data, charset) for charset, data in chunks)


def base64(data: bytes) -> bytes:
    """Decode up to the padding, ignoring what does not belong."""
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data.partition(b"=")[0])
    whole = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def transfer_decode(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64(data)
    if encoding == "quoted-printable":
        return quopri.decodestring(data)
    return data


def parameters(value: bytes, charset: str = "") -> tuple[str, dict[str, str]]:
    """`text/plain; charset=x` as (`text/plain`, {charset: x}); RFC 2231 forms are decoded."""
    whole = plain(value, charset)
    # The more a form can hold the later it comes, and takes the place of the others.
    plainly: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    starred: dict[str, str] = {}
    for key, raw in _PARAMETER.findall(whole):
        unquoted = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw.strip()
        match = _CONTINUED.fullmatch(key.lower())
        if match and match[2]:
            piece = (int(match[2]), bool(match[3]), unquoted)
            pieces.setdefault(match[1], []).append(piece)
        elif match and match[3]:
            starred.setdefault(match[1], _join([(0, True, unquoted)]))
        elif match:
            plainly.setdefault(match[1], decode_words(unquoted))
    continued = {name: _join(found) for name, found in pieces.items()}
    return whole.partition(";")[0].strip().lower(), plainly | continued | starred


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
    return read_declared(data, charset)
