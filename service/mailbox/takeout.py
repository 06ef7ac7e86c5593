"""The headers that Google Takeout puts before each message: its thread, its labels, its read state.

Google documents no format; this is how its files look. X-Gmail-Labels has the names that people
see, with commas between them: `Inbox,Unread,"Work/Projects"`. A quote in a name is doubled, as in
CSV. A value that is not plain ASCII is RFC 2047 text as a whole, so decode it before you split it.
"""

import re
from collections.abc import Collection, Iterator, Mapping

# One or more of these say where a message is. Without any it is archived.
PLACES = {
    "INBOX": "Inbox",
    "SENT": "Sent",
    "DRAFT": "Drafts",
    "CHAT": "Chat",
    "SPAM": "Spam",
    "TRASH": "Trash",
}
ARCHIVED, OPENED = "Archived", "Opened"
MARKS = {
    "IMPORTANT": "Important",
    "UNREAD": "Unread",
    "STARRED": "Starred",
    "CATEGORY_PERSONAL": "Category Personal",
    "CATEGORY_SOCIAL": "Category Social",
    "CATEGORY_PROMOTIONS": "Category Promotions",
    "CATEGORY_UPDATES": "Category Updates",
    "CATEGORY_FORUMS": "Category Forums",
}
LABELS, THREAD = "X-Gmail-Labels", "X-GM-THRID"
LONGEST_LINE = 998  # RFC 5322, 2.1.1
# With the header's name and the frame of an encoded word, a line has 76 characters (RFC 2047, 2).
_WORD_LENGTH = 48

_NEEDS_QUOTES = re.compile(r'[",/\\\x00-\x1f]|^\s|\s$|^$')
_PLAIN = re.compile(r"[ -~]*")
_NOT_IN_A_NUMBER = re.compile(r"[^\w.-]", re.ASCII)
_END_OF_HEADERS = re.compile(rb"(?:\A|\n)\r?\n")
_OURS = re.compile(rf"(?:{LABELS}|{THREAD})[ \t]*:".encode(), re.IGNORECASE)


def with_headers(
    raw: bytes, thread_id: str, label_ids: Collection[str], names: Mapping[str, str]
) -> bytes:
    """The message with Takeout's headers. Its own headers of these names are left out: a sender
    could forge labels with them. `names` are the names of label ids."""
    labels = ",".join(map(_quoted, label_names(label_ids, names)))
    headers = f"{THREAD}: {number(thread_id)}\r\n{_header(LABELS, labels)}\r\n"
    return headers.encode("ascii") + _without_headers(raw)


def label_names(label_ids: Collection[str], names: Mapping[str, str]) -> list[str]:
    """The names as Takeout writes them, the read state among them."""
    places = [name for label_id, name in PLACES.items() if label_id in label_ids]
    marks = [
        name if label_id in label_ids else OPENED
        for label_id, name in MARKS.items()
        if label_id in label_ids or label_id == "UNREAD"
    ]
    others = set(label_ids) - PLACES.keys() - MARKS.keys()
    return [*(places or [ARCHIVED]), *marks, *sorted(names.get(each, each) for each in others)]


def number(gmail_id: str) -> str:
    """An id of Gmail's API in decimal, as Takeout and IMAP have it; other ids as they are."""
    if re.fullmatch(r"[0-9a-f]{1,16}", gmail_id):
        return str(int(gmail_id, 16))
    return _NOT_IN_A_NUMBER.sub("-", gmail_id)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if _NEEDS_QUOTES.search(name) else name


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
