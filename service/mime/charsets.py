"""The charsets of mail: what their names mean, and the text of bytes in them.

Names mean what the Encoding Standard says (https://encoding.spec.whatwg.org): the superset that
software uses under the name. webencodings knows its labels, and Python's codecs do the decoding
wherever they agree with it.
"""

import codecs
import re
from functools import cache, lru_cache

import webencodings

# The label as it is written, then names that mailers use beside those of the Encoding Standard.
_SPELLINGS = [
    (re.compile(r".*"), r"\g<0>"),
    (re.compile(r"(?:x-)?(?:ms|win|windows|cp|ibm)[-_]?(125[0-8])"), r"windows-\1"),
    (re.compile(r"(?:x-)?(?:ms|dos|cp|ibm|windows)[-_]?(\d{3})"), r"cp\1"),
    (re.compile(r"(?:x-)?(?:cp|windows-)5022[0-2]|iso[-_]?2022[-_]?jp(?:-ms)?"), "iso-2022-jp"),
    (re.compile(r"(?:x-)?(?:unicode-[12]-[01]-)?utf-?([78])(?:mb4)?"), r"utf-\1"),
    (re.compile(r"(?:iso[-_ ]?)?(8859[-_ ]\d{1,2}).*"), r"iso-\1"),
    (re.compile(r"euc-cn"), "gbk"),
    (re.compile(r"(?:x-)?mac-?(?:ce|central-?euro.*)"), "mac-latin2"),
    (re.compile(r"(?:x-)?mac-?icelandic"), "mac-iceland"),
    (re.compile(r"x-(.+)"), r"\1"),
]
# Codecs of Python that are not a charset of any mail.
_NOT_CHARSETS = re.compile(
    "base64|bz2|hex|idna|punycode|quopri|raw-unicode-escape|rot-?13|undefined|unicode-escape|uu|zlib"
)
# Python's codec, where it is not the one of the name.
_CODECS = {**webencodings.PYTHON_NAMES, "gbk": "gb18030"}
_SINGLE_BYTE = re.compile(
    r"iso-8859-.*|windows-.*|koi8-.|ibm866|macintosh|x-mac-cyrillic|x-user-d.*"
)
# Where the tables of Python's codecs differ from those of the Encoding Standard.
_CORRECTED_BYTES = {
    "koi8-u": {0xAE: "ў", 0xBE: "Ў"},
    "windows-1255": {0xCA: "\u05ba"},
    "x-user-defined": {byte: chr(0xF700 + byte) for byte in range(0x80, 0x100)},
}
_CORRECTED_CHARACTERS = {
    "big5": str.maketrans("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡"),
    "gbk": str.maketrans(
        "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
        "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f"
        "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
    ),
    "shift_jis": str.maketrans("\uf8f0\uf8f1\uf8f2\uf8f3", "\ufffd" * 4),
}
_CORRECTED_CHARACTERS["gb18030"] = _CORRECTED_CHARACTERS["gbk"]

# ASCII in these is text, unless it has the escape.
_ESCAPES = {
    "iso-2022": re.compile(rb"[\x1b\x0e]"),
    "iso2022": re.compile(rb"[\x1b\x0e]"),
    "hz": re.compile(rb"~{"),
    "utf-7": re.compile(rb"\+"),
}
_WIDE = ("utf-16", "utf-32")
_NUL = re.compile(rb"\0")
# Here most pairs of letters are bytes of UTF-8, too.
_DENSE = re.compile("gb|big5|euc|shift_jis|cp9|johab|windows-874")
# Letters in these are seldom followed by what follows them in UTF-8.
_WESTERN = re.compile("windows-125[0247]|iso-8859-(?:[234]|1[03456])|macintosh")

_JP_ESCAPE = re.compile(rb"(\x1b(?:\([BJIH]|\$[@B]|\$\([@BD]))")
_JP_RUN = re.compile(
    rb"\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2}|[\xa1-\xfe]{2}|[\x00-\x7f]+|.", re.DOTALL
)


@lru_cache(maxsize=1000)
def lookup(label: str) -> str | None:
    """The name of the charset that a sender calls `label`; None when it is not known.

    As in the Encoding Standard, else as in Python. ASCII keeps its name.
    """
    name = label.strip(" \t,").strip("\"'").partition("(")[0].strip().lower()
    if not re.fullmatch(r"[a-z0-9._:+ -]{1,40}", name):
        return None
    for spelling, meant in _SPELLINGS:
        if (match := spelling.fullmatch(name)) and (found := _known(match.expand(meant))):
            return found
    return None


def decode(data: bytes, charset: str) -> str:
    """`data` in a charset that lookup knows; U+FFFD for what is not in it."""
    match charset:
        case "iso-2022-jp":
            return _from_iso_2022_jp(data)
        case "euc-jp":
            return "".join(map(_euc_jp_run, _JP_RUN.findall(data)))
        case "utf-16le" | "utf-16be" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            charset = "utf-16"
        case name if _SINGLE_BYTE.fullmatch(name):
            return codecs.charmap_decode(data, "replace", _table(name))[0]
    text = data.decode(_CODECS.get(charset, charset), "gmail_sync.replace")
    corrections = _CORRECTED_CHARACTERS.get(charset)
    return text.translate(corrections) if corrections else text


def hides_text_in_ascii(data: bytes, charset: str) -> bool:
    """Whether bytes that are ASCII mean something else in this charset."""
    escape = _escape_of(charset)
    return escape is not None and escape.search(data) is not None


def is_rather_utf8(text: str, data: bytes, charset: str) -> bool:
    """Whether `data`, which is valid UTF-8 of `text` and not ASCII, is that and not the charset.

    That it is valid says little about short texts in Chinese: there, the text must consist of
    characters that UTF-8 writes in three bytes. Elsewhere the charset must have its characters, or
    they must be more than chance explains.
    """
    if charset.startswith(_WIDE):
        return b"\0" not in data
    if charset.startswith(tuple(_ESCAPES)) or "\ufffd" in decode(data, charset):
        return True
    beyond_ascii = [character for character in text if character > "\x7f"]
    if _DENSE.match(charset):
        return sum(each >= "\u0800" for each in beyond_ascii) * 2 > len(beyond_ascii)
    if len(beyond_ascii) >= (2 if _WESTERN.fullmatch(charset) else 4):
        return True
    return set(beyond_ascii) <= set(_table(charset)) if _SINGLE_BYTE.fullmatch(charset) else False


def _known(label: str) -> str | None:
    try:
        codec = codecs.lookup(label).name
    except (LookupError, ValueError):
        codec = ""
    if codec == "ascii":
        return codec
    codec = "iso-2022-jp" if codec == "iso2022_jp" else codec
    for name in (label, label.replace("_", "-"), codec, codec.replace("_", "-")):
        standard = webencodings.lookup(name)
        if standard and standard.name != "replacement":
            return str(standard.name)
    return codec if codec and not _NOT_CHARSETS.fullmatch(codec) else None


@lru_cache(maxsize=1000)
def _escape_of(charset: str) -> re.Pattern[bytes] | None:
    """What is in ASCII that means something else."""
    families = {**_ESCAPES, **dict.fromkeys(_WIDE, _NUL)}
    return next((families[each] for each in families if charset.startswith(each)), None)


@cache
def _table(charset: str) -> str:
    """The character of each byte. Controls are themselves, as in the Encoding Standard."""
    corrected = _CORRECTED_BYTES.get(charset, {})
    codec = "ascii" if charset == "x-user-defined" else _CODECS.get(charset, charset)
    table = []
    for byte in range(256):
        text = bytes([byte]).decode(codec, "replace")
        control = chr(byte) if text == "\ufffd" and byte < 0xA0 else text
        table.append(corrected.get(byte, control))
    return "".join(table)


def _from_iso_2022_jp(data: bytes) -> str:
    """CP50221, which is what mailers write under this name: with the rows of NEC and of IBM, and
    with katakana of half width."""
    pieces = _JP_ESCAPE.split(data)
    texts = [_jp_ascii(pieces[0])]
    for escape, run in zip(pieces[1::2], pieces[2::2], strict=True):
        if escape == b"\x1b(I":
            texts.append("".join(_katakana(byte & 0x7F) for byte in run))
        elif escape.startswith(b"\x1b("):
            texts.append(_jp_ascii(run))
        else:
            texts.append(_jp_double_bytes(run, supplement=escape == b"\x1b$(D"))
    return "".join(texts)


def _jp_ascii(run: bytes) -> str:
    if run.isascii() and b"\x0e" not in run:
        return run.decode()
    shifted, text = False, []
    for byte in run:
        if byte in (0x0E, 0x0F):  # CP50222 shifts with these
            shifted = byte == 0x0E
        elif byte < 0x80 and not (shifted and byte > 0x20):
            text.append(chr(byte))
        else:
            text.append(_katakana(byte & 0x7F))
    return "".join(text)


def _jp_double_bytes(run: bytes, supplement: bool) -> str:
    """A line end ends the mode in some mail, and stays what it is."""
    text = []
    position = 0
    while position < len(run):
        pair = run[position : position + 2]
        if len(pair) == 2 and all(0x21 <= byte <= 0x7E for byte in pair):
            high = bytes(byte | 0x80 for byte in pair)
            text.append(_euc_jp_run(b"\x8f" + high if supplement else high))
            position += 2
        else:
            text.append(chr(pair[0]) if pair[0] <= 0x20 else "\ufffd")
            position += 1
    return "".join(text)


def _katakana(byte: int) -> str:
    return chr(0xFF40 + byte) if 0x21 <= byte <= 0x5F else "\ufffd"


@lru_cache(maxsize=20_000)
def _euc_jp_run(run: bytes) -> str:
    """ASCII, or one character. JIS X 0208 is read as Shift_JIS: only Python's codec of that has the
    rows of NEC and of IBM."""
    if run.isascii():
        return run.decode()
    if len(run) == 2 and run[0] != 0x8E:
        row, cell = run[0] - 0xA1, run[1] - 0xA1
        lead = row // 2 + (0x81 if row < 62 else 0xC1)
        trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
        text = bytes([lead, trail]).decode("cp932", "replace")
        return text if len(text) == 1 and not "\ue000" <= text <= "\uf8ff" else "\ufffd"
    return run.decode("euc_jp", "replace") if len(run) > 1 else "\ufffd"


def _replace(error: UnicodeError) -> tuple[str, int]:
    """As `replace`, but for the sign of the euro in what Windows calls GBK."""
    assert isinstance(error, UnicodeDecodeError)
    if error.encoding == "gb18030" and error.object[error.start] == 0x80:
        return "€", error.start + 1
    return "\ufffd", error.end


codecs.register_error("gmail_sync.replace", _replace)
