"""Texts are read in the charset that their sender meant."""

import shutil
from base64 import b64encode
from collections.abc import Iterator
from encodings.aliases import aliases

import pytest
from playwright.sync_api import Page, sync_playwright
from webencodings.labels import LABELS

from service.mime import charsets
from service.mime.parse import parse_raw
from service.mime.text import TextReader
from service.simulator import charsets as simulator_charsets
from tests.gmail.conftest import raw_message

CHROMIUM = shutil.which("chromium")
TWO_BYTES = ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis")
# Read in mail; a browser refuses them. ASCII is kept apart from its superset, windows-1252.
OWN_READING = ("replacement", "ascii", "us-ascii", "ansi_x3.4-1968")


def body(charset: str, data: bytes) -> str | None:
    mail = b"Content-Type: text/plain; charset=%s\r\n\r\n%s" % (charset.encode(), data)
    return parse_raw(raw_message(mail)).body_text


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        # Chinese whose bytes happen to be valid UTF-8, and UTF-8 under a Chinese name.
        ("gb2312", b"\xd0\xbb\xd0\xbb", "谢谢"),
        ("gbk", b"\xcd\xa8\xd6\xaa", "通知"),
        ("gb2312", "会议通知在北京".encode(), "会议通知在北京"),
        ("gb2312", "会议通知".encode(), "会议通知"),
        ("big5", "我們開會".encode(), "我們開會"),
        ("euc-kr", "회의".encode(), "회의"),
        ("euc-kr", b"\xc7\xb0", "품"),
        ("shift_jis", b"\xc2\xb1", "ﾂｱ"),
        ("gbk", b"\x80100", "€100"),
        # Letters of one byte: a run that is valid UTF-8 is hardly ever chance.
        ("iso-8859-1", "café".encode(), "café"),
        ("iso-8859-1", "привет".encode(), "привет"),
        ("windows-1251", "привет".encode(), "привет"),
        ("windows-1252", b"CAF\xc9\xbb", "CAFÉ»"),
        ("windows-874", b"\xc3\xb6", "รถ"),
        # What Japanese mailers write as ISO-2022-JP is CP50221.
        ("iso-2022-jp", b"\x1b$B-!-j\x1b(B", "①㈱"),
        ("iso-2022-jp", b"\x1b(I6E\x1b(B kana", "ｶﾅ kana"),
        ("cp50220", b"\x1b$BF|K\\\x1b(B", "日本"),
        ("iso-2022-jp", b"\x0e6E\x0f.", "ｶﾅ."),
        ("euc-jp", b"\xad\xa1\xad\xea", "①㈱"),
        # The superset is meant, and names are spelled in many ways.
        ("ks_c_5601-1987", b"\x8c\x63", "똠"),
        ("iso-8859-9", b"\x93\xf0\x94", "“ğ”"),
        ("'win-1251'", b"\xe4\xe0", "да"),
        ("CP-850", b"\x84", "ä"),
        ("x-mac-cyrillic", b"\xe4\xe0", "да"),
        ("x-mac-ce", b"\xe7\xeb", "ÁŽ"),
        ("x-mac-icelandic", b"\xdf", "þ"),
        ("utf8mb4", "é".encode(), "é"),
        # The mark says which it is.
        ("utf-8", "aé".encode("utf-16"), "aé"),
        ("us-ascii", b"\xfe\xff\0a", "a"),
        ("utf-32", "aé".encode("utf-32"), "aé"),
        ("utf-8", b"\xef\xbb\xbfmarked", "marked"),
    ],
)
def test_a_body_is_read_as_meant(charset: str, data: bytes, text: str) -> None:
    assert body(charset, data) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("=?GB2312?B?0LvGvQ==?=", "谢平"),
        ("=?GB2312?B?zajWqg==?=", "通知"),
        ("=?iso-8859-1?Q?=C3=A9?=", "Ã©"),
        ("=?iso-2022-jp?B?GyRCLSEtahsoQg==?=", "①㈱"),
    ],
)
def test_the_charset_of_an_encoded_word_is_not_overruled(word: str, text: str) -> None:
    mail = f"Subject: {word}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n".encode()
    assert parse_raw(raw_message(mail)).subject == text


def test_a_header_without_a_charset_is_in_that_of_the_mail() -> None:
    mail = (
        "Subject: Счёт\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/html; charset=koi8-r\r\n\r\nпривет\r\n"
        '--b\r\nContent-Type: x/y; name="план.x"\r\n\r\n--b--'
    ).encode("koi8-r")
    message = parse_raw(raw_message(mail))
    assert message.subject == "Счёт"
    assert message.attachments[0].filename == "план.x"
    assert message.defects == []


def test_html_without_a_charset_is_in_the_one_it_names() -> None:
    page = '<meta http-equiv=x content="text/html; charset=windows-1251">да'.encode("cp1251")
    message = parse_raw(raw_message(b"Content-Type: text/html\r\n\r\n" + page))
    assert (message.body_html or "").endswith("да")


def test_what_is_not_in_its_charset_is_noted() -> None:
    reader = TextReader()
    assert reader.decode(b"\xff\xff", "iso-2022-jp", "it") == "\ufffd\ufffd"
    assert reader.defects == ["bytes in it that are not iso-2022-jp replaced"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("Chromium, the independent decoder, is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium.new_page()
        chromium.close()


def decoded_by(browser: Page, label: str, data: list[bytes]) -> list[str]:
    texts: list[str] = browser.evaluate(
        """([label, list]) => list.map((each) => new TextDecoder(label, {ignoreBOM: true}).decode(
          Uint8Array.from(atob(each), (byte) => byte.charCodeAt(0))))""",
        [label, [b64encode(each).decode() for each in data]],
    )
    return texts


def test_labels_mean_what_the_encoding_standard_says(browser: Page) -> None:
    own = [label for label, name in LABELS.items() if {label, name} & set(OWN_READING)]
    labels = [label for label in LABELS if label not in own]
    names = browser.evaluate("(all) => all.map((each) => new TextDecoder(each).encoding)", labels)
    assert len(labels) > 200
    assert {label: charsets.lookup(label) for label in labels} == dict(
        zip(labels, names, strict=True)
    )


@pytest.mark.parametrize("charset", sorted(set(LABELS.values()) - {"replacement"}))
def test_each_byte_and_pair_is_decoded_as_a_browser_does(browser: Page, charset: str) -> None:
    samples = [bytes([byte]) for byte in range(256)]
    if charset in TWO_BYTES:
        samples += [bytes([lead, trail]) for lead in range(128, 256) for trail in range(256)]
    if charset == "iso-2022-jp":
        rows = range(0x21, 0x7F)
        samples = [
            b"\x1b$B%c%c\x1b(Bx" % (bytes([row]), bytes([cell])) for row in rows for cell in rows
        ]
    if charset.startswith("utf-16"):
        samples = ["aé日\U0001f600".encode(charset)]
    different = [
        (data, expected, text)
        for data, expected in zip(samples, decoded_by(browser, charset, samples), strict=True)
        if (text := charsets.decode(data, charset)) != expected
        and not ("\ufffd" in text and "\ufffd" in expected)
        and not (charset == "big5" and differs_in_big5(data, text))
    ]
    assert different == []


def differs_in_big5(data: bytes, text: str) -> bool:
    """Python's table lacks what came to Big5 after 2004: that is replaced, and noted. It has one
    character for the slash of either width. And where one code means two characters, Chromium
    gives the first one broken."""
    known = ("\x88\x62", "\x88\x64", "\x88\xa3", "\x88\xa5", "\xa2\x41", "\xa2\x42")
    return "\ufffd" in text or data.decode("latin-1") in known


@pytest.mark.parametrize("data", [b"", b"abc", b"\xff\xfe\x80+AB-"])
def test_a_codec_of_python_that_is_not_a_charset_breaks_no_reader(data: bytes) -> None:
    for name in {*aliases, *aliases.values(), "undefined", "idna", "punycode", "mbcs", "oem"}:
        assert isinstance(TextReader().decode(data, name, "part 1"), str), name
        assert isinstance(TextReader().decode_body(data, name, "part 1"), str), name
        assert isinstance(simulator_charsets.read(data, name), str), name
        assert isinstance(simulator_charsets.read_declared(data, name), str), name
