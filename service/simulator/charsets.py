"""Charsets as Gmail reads them, by a table of its own.

It shares nothing with the parser under test, so that a fault of that shows in content mode full.
"""

import codecs
import re

# What mailers write, by the codec of Python that reads what they mean.
_TABLE = {
    "utf-8": "utf8 utf-8 unicode-1-1-utf-8 us-ascii ascii ansi_x3.4-1968",
    "cp1252": "iso-8859-1 iso8859-1 latin1 l1 cp819 windows-1252 x-cp1252 iso_8859-1",
    "cp1254": "iso-8859-9 iso8859-9 latin5 l5 windows-1254 x-cp1254",
    "cp1250": "windows-1250 x-cp1250",
    "cp1251": "windows-1251 x-cp1251 win-1251",
    "koi8-r": "koi8-r koi8 koi cskoi8r",
    "cp874": "iso-8859-11 tis-620 windows-874 dos-874",
    "iso8859-8": "iso-8859-8 iso-8859-8-i iso-8859-8-e logical visual",
    "iso8859-6": "iso-8859-6 iso-8859-6-i iso-8859-6-e",
    "gb18030": "gb2312 gb_2312-80 csgb2312 gbk x-gbk cp936 euc-cn gb18030",
    "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5 csbig5",
    "cp949": "euc-kr ks_c_5601-1987 ksc5601 ksc_5601 korean windows-949 cseuckr",
    "cp932": "shift_jis shift-jis sjis x-sjis windows-31j ms932 csshiftjis",
    "euc-jp-ms": "euc-jp x-euc-jp cseucpkdfmtjapanese",
    "cp50221": "iso-2022-jp iso-2022-jp-ms csiso2022jp cp50220 cp50221 cp50222",
}
_NAMES = {label: codec for codec, labels in _TABLE.items() for label in labels.split()}
_ONE_BYTE = re.compile("cp125.|cp874|koi8.*|iso8859.*|mac.*")
# Python knows these as text encodings, but as charsets they raise or warn.
_NOT_CHARSETS = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs"}


def codec_of(charset: str) -> str | None:
    """The name to call `decode` with; None for a charset that nobody knows."""
    name = charset.strip().strip("'\"").lower()
    if not name:
        return "utf-8"
    if name in _NAMES:
        return _NAMES[name]
    try:
        known = codecs.lookup(name).name.replace("_", "-")
        # Raises LookupError for what is a codec but no charset, such as rot13 and base64.
        b"a".decode(name, "replace")
    except (LookupError, ValueError):
        return None
    return None if known in _NOT_CHARSETS else known


def read(data: bytes, charset: str) -> str:
    """Text of any bytes in any charset, known or not; the result always encodes to UTF-8.

    UTF-8 under another name is read as what it is, where the name cannot be meant.
    """
    codec = codec_of(charset)
    if codec is None or _is_utf8_instead(data, codec):
        return plain(data)
    return _decoded(data, codec)


def read_declared(data: bytes, charset: str) -> str:
    """As `read`, but by the name whatever the bytes: what encoded words do."""
    codec = codec_of(charset)
    return plain(data) if codec is None else _decoded(data, codec)


def plain(value: bytes, charset: str = "") -> str:
    """What comes without a name: UTF-8, else in the charset of the mail, else Western."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        named = _decoded(value, codec_of(charset) or "utf-8") if charset else "\ufffd"
        return value.decode("latin-1") if "\ufffd" in named else named


def _is_utf8_instead(data: bytes, codec: str) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if data.isascii():
        return False
    # A text in Chinese has few characters of two bytes in UTF-8, and by chance many pairs are.
    of_two_bytes = len(re.findall(rb"[\xc2-\xdf][\x80-\xbf]", data))
    of_three_bytes = len(re.findall(rb"[\xe0-\xef][\x80-\xbf]{2}", data))
    return _ONE_BYTE.fullmatch(codec) is not None or of_three_bytes > of_two_bytes


def _decoded(data: bytes, codec: str) -> str:
    if codec == "cp50221":
        text = _cp50221(data)
    elif codec == "euc-jp-ms":
        text = re.sub(rb"[\xa1-\xfe]{2}|\x8e.|\x8f..", _to_sjis, data).decode("cp932", "replace")
    elif _ONE_BYTE.fullmatch(codec):
        text = "".join(_one_byte(byte, codec) for byte in data)
    else:
        text = data.decode(codec, "replace")
    return text.encode("utf-8", "replace").decode("utf-8")


def _one_byte(byte: int, codec: str) -> str:
    if byte < 0x80:
        return chr(byte)
    text = bytes([byte]).decode(codec, "replace")
    return chr(byte) if text == "\ufffd" and byte < 0xA0 else text


def _to_sjis(character: re.Match[bytes]) -> bytes:
    if character[0][:1] == b"\x8e":
        return character[0][1:]
    if character[0][:1] == b"\x8f":
        return b"?"
    return _sjis(character[0][0] & 0x7F, character[0][1] & 0x7F)


def _sjis(row: int, cell: int) -> bytes:
    """The arithmetic of Shift_JIS: two rows of JIS X 0208 share a lead byte."""
    lead = (row + 1) // 2 + (0x70 if row <= 0x5E else 0xB0)
    odd = 0x1F if cell < 0x60 else 0x20
    return bytes([lead, cell + (odd if row & 1 else 0x7E)])


def _cp50221(data: bytes) -> str:
    """Japanese mail: shifts between ASCII, two bytes a character and katakana of one byte."""
    first, *runs = re.split(rb"\x1b(\([BJIH]|\$[@B])", data)
    sjis = bytearray(first)
    for mode, run in zip(runs[::2], runs[1::2], strict=True):
        if mode == b"(I":
            sjis += bytes(byte | 0x80 if byte > 0x20 else byte for byte in run)
        elif mode.startswith(b"$"):
            sjis += re.sub(rb"[!-~]{2}", lambda pair: _sjis(*pair[0]), run)
        else:
            sjis += run
    return bytes(sjis).decode("cp932", "replace")
