"""The headers that Takeout puts before each message: its thread, and its labels and read state.

A value of X-Gmail-Labels that is not plain ASCII is RFC 2047 text as a whole: decode it before you
split it.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from service.takeout.labels import join_names, label_names

LABELS, THREAD = "X-Gmail-Labels", "X-GM-THRID"
LONGEST_LINE = 998  # RFC 5322, 2.1.1
# With the header's name and the frame of an encoded word, a line has 76 characters (RFC 2047, 2).
_WORD_LENGTH = 48

_PLAIN = re.compile(r"[ -~]*")
_NOT_IN_A_NUMBER = re.compile(r"[^\w.-]", re.ASCII)
_END_OF_HEADERS = re.compile(rb"(?:\A|\n)\r?\n")
_OURS = re.compile(rf"(?:{LABELS}|{THREAD})[ \t]*:".encode(), re.IGNORECASE)


def with_headers(
    raw: bytes, thread_id: str, label_ids: Collection[str], names: Mapping[str, str]
) -> bytes:
    """The message with Takeout's headers. Its own headers of these names are left out: a sender
    could forge labels with them. `names` are the names of label ids."""
    labels = join_names(label_names(label_ids, names))
    headers = f"{THREAD}: {number(thread_id)}\r\n{_header(LABELS, labels)}\r\n"
    return headers.encode("ascii") + _without_headers(raw)


def number(gmail_id: str) -> str:
    """An id of Gmail's API in decimal, as Takeout and IMAP have it; other ids as they are."""
    if re.fullmatch(r"[0-9a-f]{1,16}", gmail_id):
        return str(int(gmail_id, 16))
    return _NOT_IN_A_NUMBER.sub("-", gmail_id)


def _header(name: str, value: str) -> str:
    line = f"{name}: {value}"
    if _PLAIN.fullmatch(value) and "=?" not in value and len(line) <= LONGEST_LINE:
        return line
    words = "\r\n ".join(f"=?UTF-8?Q?{word}?=" for word in _words(value))
    return f"{name}: {words}"


def _words(value: str) -> Iterator[str]:
    """The value in the Q encoding, cut between characters into words that fit on a line."""
    word = ""
    for character in map(_q_encoded, value):
        if len(word) + len(character) > _WORD_LENGTH:
            yield word
            word = ""
        word += character
    yield word


def _q_encoded(character: str) -> str:
    if character == " ":
        return "_"
    if _PLAIN.fullmatch(character) and character not in "=?_":
        return character
    return "".join(f"={byte:02X}" for byte in character.encode())


def _without_headers(raw: bytes) -> bytes:
    """Without the message's own headers of Takeout's names, and without lines at its start that
    would continue ours."""
    end = _END_OF_HEADERS.search(raw)
    length = end.end() if end else len(raw)
    kept: list[bytes] = []
    is_left_out = True
    for line in raw[:length].splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            is_left_out = bool(_OURS.match(line))
        if not is_left_out:
            kept.append(line)
    return b"".join(kept) + raw[length:]
