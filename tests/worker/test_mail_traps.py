"""Mail that Postgres cannot hold as sent still arrives, and says what could not be kept.

Each trap of GMAIL.md section 4, DESIGN.md section 4 and the notes on the shared mail is put into
one mailbox. It is synced in both content modes, and each trap has a test of its own.
"""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from service.mime.text import storable
from tests.cluster import Cluster
from tests.worker.stack import Stack, running_stack


class Trap(NamedTuple):
    """A mail, and what must arrive of it.

    text is in one of the bodies; defect is in the defects, in format full too unless Gmail's own
    reading hides it there.
    """

    mail: bytes
    subject: str | None = None
    text: str | None = None
    defect: str | None = None
    hidden: bool = False
    filename: str | None = None
    internal_date: int | None = None
    sender: str | None = None
    sent_at: datetime | None = None


def nested(levels: int) -> bytes:
    heads = [
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(levels)
    ]
    return b"".join(heads) + b"Content-Type: text/plain\r\n\r\nthe core\r\n"


def encapsulated(levels: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * levels + b"Subject: core\r\n\r\nthe core"


def attached(parameters: str, content_type: str = "application/x") -> bytes:
    return (
        f"Subject: file\r\nContent-Type: {content_type}\r\n"
        f"Content-Disposition: attachment; {parameters}\r\n\r\nfile"
    ).encode()


def worded(charset: str, text: bytes) -> bytes:
    return b"Subject: =?%s?B?%s?=\r\n\r\nbody" % (charset.encode(), b64encode(text))


def typed(content_type: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"Subject: typed\r\nContent-Type: %s\r\n%s\r\n%s" % (content_type, more, body)


def dated(date: str) -> bytes:
    return f"Subject: dated\r\nDate: {date}\r\n\r\nbody".encode()


MEGABYTE_OF_WORDS = b" ".join(b"%x" % number for number in range(150_000, 320_000))
FOUR_BYTE_WORDS = " ".join(chr(0x10000 + number) for number in range(60_000)).encode()
WORDS = "word " * 1_000_000
NUL = "NUL characters replaced in"
NO_DATE = "the Date header is not a date"
PIECE = b"--b\r\nContent-Type: text/plain\r\n\r\npiece %d\r\n"
BASE64 = b"Content-Transfer-Encoding: base64\r\n"

TRAPS: dict[str, Trap] = {
    # NUL and surrogates, open and hidden.
    "nul in a header": Trap(b"Subject: a\0b\r\n\r\nbody", "a\ufffdb", "body", f"{NUL} header"),
    "nul in a body": Trap(typed(b"text/plain", b"a\0b"), "typed", "a\ufffdb", f"{NUL} part"),
    "nul in html": Trap(typed(b"text/html", b"<p>a\0b"), "typed", "<p>a\ufffdb", f"{NUL} part"),
    "nul in a filename": Trap(attached('filename="a\0b"'), "file", None, NUL, filename="a\ufffdb"),
    "nul in an rfc 2231 filename": Trap(
        attached("filename*=utf-8''a%00b"), "file", None, NUL, filename="a\ufffdb"
    ),
    "nul in an encoded word": Trap(worded("utf-8", b"a\0b"), "a\ufffdb", "body", f"{NUL} header"),
    "nul in base64": Trap(
        typed(b"text/plain", b64encode(b"a\0b"), BASE64), "typed", "a\ufffdb", f"{NUL} part"
    ),
    "nul in quoted-printable": Trap(
        typed(b"text/plain", b"a=00b", b"Content-Transfer-Encoding: quoted-printable\r\n"),
        "typed",
        "a\ufffdb",
        f"{NUL} part",
    ),
    "nul in a charset": Trap(typed(b"text/plain; charset=a\0b", b"\xe9"), "typed", "é", NUL),
    "nul everywhere": Trap(b"\0" * 5000, None, "\ufffd" * 5000, NUL),
    "surrogates in utf-8": Trap(
        b"Subject: a\xed\xa0\x80b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\na\xed\xa0\x80b"
    ),
    "surrogates in utf-7": Trap(
        typed(b"text/plain; charset=utf-7", b"x +2AA- y"),
        "typed",
        "x",
        "lone surrogates replaced in part",
        True,
    ),
    "surrogates in utf-16": Trap(
        typed(b"text/plain; charset=utf-16le", b"x\0\0\xd8y\0"), "typed", "x", "utf-16", True
    ),
    # Charsets.
    "unknown charset": Trap(
        typed(b"text/plain; charset=x-klingon", b"caf\xe9"), "typed", "café", "x-klingon", True
    ),
    "unknown charset of a word": Trap(worded("x-klingon", b"caf\xe9"), "café", "body"),
    "a charset that is a codec": Trap(
        typed(b"text/plain; charset=unicode_escape", b"\\d\xe9"), "typed", "\\dé"
    ),
    "a charset of 100 kB": Trap(
        typed(b"text/plain; charset=" + b"x" * 100_000, b"caf\xe9"),
        "typed",
        "café",
        "unknown charset xxx",
        hidden=True,
    ),
    "8-bit headers": Trap(
        "Subject: Grüße\r\nX-é: ü\r\n\r\nbody".encode("latin-1"), "Grüße", "body"
    ),
    "a charset it is not in": Trap(
        typed(b"text/plain; charset=utf-8", b"caf\xe9"), "typed", "caf\ufffd", "not utf-8", True
    ),
    "noncharacters and private ones": Trap(
        typed(b"text/plain", "\ufffe\uffff\U0010ffff\ue000".encode()), "typed", "\uffff\U0010ffff"
    ),
    "a body in GB2312 that is valid UTF-8": Trap(
        typed(b"text/plain; charset=gb2312", b"\xd0\xbb\xd0\xbb"), "typed", "谢谢"
    ),
    "a body in UTF-8 under the name of GB2312": Trap(
        typed(b"text/plain; charset=gb2312", "会议通知".encode()), "typed", "会议通知"
    ),
    "words in GB2312 that are valid UTF-8": Trap(
        worded("gb2312", b"\xcd\xa8\xd6\xaa").replace(
            b"\r\n", b"\r\nFrom: =?gb2312?B?0LvGvQ==?=\r\n", 1
        ),
        "通知",
        "body",
        sender="谢平",
    ),
    "characters of NEC in ISO-2022-JP": Trap(
        b"Subject: =?iso-2022-jp?B?GyRCLSEtahsoQg==?=\r\n"
        b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B-!-j\x1b(B end",
        "①㈱",
        "①㈱ end",
    ),
    "katakana of half width in ISO-2022-JP": Trap(
        b"Subject: =?iso-2022-jp?Q?=1B$B300Y=1B(I5]W2=1B(B?=\r\n"
        b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b(I5]W2\x1b(B 25",
        "外為ｵﾝﾗｲ",
        "ｵﾝﾗｲ 25",
    ),
    "an unencoded header in GB2312": Trap(
        typed(b"text/plain; charset=gb2312", b"x").replace(b"typed", b"\xb7\xa2\xc6\xb1"),
        "发票",
        "x",
    ),
    "an unencoded header in KOI8-R": Trap(
        typed(b"text/plain; charset=koi8-r", b"x").replace(b"typed", b"\xf3\xde\xa3\xd4"),
        "Счёт",
        "x",
    ),
    # Dates.
    **{
        f"the date {date}": Trap(
            dated(date), "dated", sent_at=datetime(2013, 11, 18, 8, 26, 24, tzinfo=UTC)
        )
        for date in (
            "Mon, 18 Nov 2013 09:26:24 GMT +0100",
            "Mon, 18 Nov 2013 09:26:24 GMT+0100",
            "Mon, 18 Nov 2013 09:26:24 +01:00",
            "Mon, 18 Nov 2013 09:26:24 +01",
            "Mon, 18 Nov 2013 09:26:24 CET",
        )
    },
    "a leap second": Trap(
        dated("Tue, 30 Jun 2015 23:59:60 +0000"), "dated", sent_at=datetime(2015, 7, 1, tzinfo=UTC)
    ),
    "a zone that means several": Trap(
        dated("Mon, 18 Nov 2013 09:26:24 IST"), "dated", "body", f"{NO_DATE}: an unknown zone"
    ),
    "year 0": Trap(dated("Sat, 1 Jan 0000 00:00:00 +0000"), "dated", "body"),
    "year 9999": Trap(dated("Fri, 31 Dec 9999 23:59:59 -1200"), "dated", "body", NO_DATE),
    "year 99999": Trap(dated("Fri, 31 Dec 99999 23:59:59 +0000"), "dated", "body", NO_DATE),
    "a negative year": Trap(dated("Fri, 31 Dec -5 23:59:59 +0000"), "dated", "body"),
    "a zone of days": Trap(dated("Fri, 1 Jan 2010 00:00:00 +999999"), "dated", "body", NO_DATE),
    "a day of 5,000 digits": Trap(dated("9" * 5000 + " Jan 2010"), "dated", "body", NO_DATE),
    "a date of 300 kB": Trap(dated("Mon, " + "1 Jan 2010 " * 30_000), "dated", "body"),
    "internalDate in the year 9999": Trap(
        b"Subject: late\r\n\r\nbody", "late", "body", internal_date=253_402_214_400_000
    ),
    "internalDate past all years": Trap(
        b"Subject: late\r\n\r\nbody", "late", "body", "internalDate", internal_date=10**17
    ),
    "internalDate before all years": Trap(
        b"Subject: early\r\n\r\nbody", "early", "body", "internalDate", internal_date=-(10**17)
    ),
    "internalDate before 1970": Trap(
        b"Subject: early\r\n\r\nbody", "early", "body", internal_date=-86_400_000
    ),
    # Sizes that indexes, tsvectors and statements refuse.
    "1 MB of distinct words": Trap(
        typed(b"text/plain", MEGABYTE_OF_WORDS), "typed", MEGABYTE_OF_WORDS[-500:].decode()
    ),
    "1 MB of distinct words in html": Trap(typed(b"text/html", MEGABYTE_OF_WORDS), "typed"),
    "distinct words of four bytes": Trap(
        typed(b"text/plain; charset=utf-8", FOUR_BYTE_WORDS), "typed", chr(0x10000 + 59_999)
    ),
    "html of angle brackets": Trap(typed(b"text/html", b"<" * 300_000), "typed", "<<<"),
    "a subject of 100 kB": Trap(b"Subject: " + b"s" * 100_000 + b"\r\n\r\nbody", "s" * 100_000),
    "a subject of 100 kB of words": Trap(
        b"Subject: " + MEGABYTE_OF_WORDS[:100_000] + b"\r\n\r\n",
        MEGABYTE_OF_WORDS[:100_000].decode().strip(),
    ),
    "ids and addresses of 100 kB": Trap(
        b"Subject: ids\r\n"
        + b"".join(
            b"%s: <%s@example.com>\r\n" % (name, b"x" * 100_000)
            for name in (b"Message-ID", b"References", b"In-Reply-To", b"To", b"From", b"Cc")
        )
        + b"\r\nbody",
        "ids",
        "body",
    ),
    "references of 100 kB": Trap(
        b"Subject: ids\r\nReferences: "
        + b"\r\n ".join(b"<%d@example.com>" % number for number in range(5000))
        + b"\r\n\r\nbody",
        "ids",
        "body",
    ),
    "50,000 encoded words": Trap(
        b"Subject: " + b"=?utf-8?q?=C3=A9?=\r\n " * 50_000 + b"\r\n\r\nbody", "é" * 50_000, "body"
    ),
    "10,000 headers": Trap(
        b"Subject: many\r\n"
        + b"".join(b"X-%d: \xe9\r\n" % number for number in range(10_000))
        + b"\r\nbody",
        "many",
        "body",
        "and 99",
        hidden=True,
    ),
    "a line of 300 kB": Trap(typed(b"text/plain", b"x" * 300_000), "typed", "x" * 300_000),
    "a text of 5 MB": Trap(typed(b"text/plain", WORDS.encode()), "typed", WORDS),
    "html of 2 MB": Trap(typed(b"text/html", b"<p>" + b"word " * 400_000), "typed", "<p>word"),
    # Structure.
    "text beside html": Trap(
        typed(
            b"multipart/mixed; boundary=b",
            b"--b\r\n\r\nalpha\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>beta</p>\r\n--b--",
        ),
        "typed",
        "alpha\nbeta",
    ),
    "html beside text": Trap(
        typed(
            b"multipart/mixed; boundary=b",
            b"--b\r\nContent-Type: text/html\r\n\r\n<p>alpha</p>\r\n--b\r\n\r\nbeta\r\n--b--",
        ),
        "typed",
        "alpha\nbeta",
    ),
    "a text with a name and no other": Trap(
        typed(b"text/plain; name=notes.txt", b"alpha"), "typed", "alpha", filename="notes.txt"
    ),
    "500 multiparts deep": Trap(nested(500), None, "the core", "too many levels", True),
    "500 messages deep": Trap(encapsulated(500)),
    "5,000 parts": Trap(
        typed(b"multipart/mixed; boundary=b", b"".join(PIECE % n for n in range(5000))),
        "typed",
        "piece 4999",
    ),
    "5,000 attachments": Trap(
        typed(b"multipart/mixed; boundary=b", b"--b\r\nContent-Type: x/y\r\n\r\n\r\n" * 5000),
        "typed",
    ),
    "headers without a body": Trap(b"Subject: head\r\nFrom: a@example.com", "head"),
    "an empty message": Trap(b""),
    "only line ends": Trap(b"\r\n\r\n\r\n"),
    "a body only": Trap(b"\r\nbody", None, "body"),
    "no header at all": Trap(b"just words, no header", None, "just words"),
    "bare CR": Trap(b"Subject: a\rb\r\n\r\none\rtwo", "ab", "one\rtwo"),
    "only bare CRs": Trap(b"Subject: a\rFrom: b\r\rbody"),
    "a zero-byte boundary": Trap(
        typed(b'multipart/mixed; boundary=""', b"--\r\n\r\none"), "typed", "one", "no parts", True
    ),
    "no boundary": Trap(typed(b"multipart/mixed", b"--b\r\n\r\none"), "typed", "one", "no parts"),
    "a missing end boundary": Trap(
        typed(b"multipart/mixed; boundary=b", b"--b\r\n\r\none"), "typed", "one"
    ),
    "an 8-bit boundary": Trap(
        typed(b'multipart/mixed; boundary="\xe9"', b"--\xe9\r\n\r\none\r\n--\xe9--"), "typed", "one"
    ),
    "two Content-Types": Trap(
        typed(b"text/plain", b"one", b"Content-Type: text/html\r\n"), "typed", "one"
    ),
    "a Content-Type of nonsense": Trap(typed(b";;==\"'", b"one"), "typed", "one"),
    "broken base64": Trap(
        typed(b"text/plain", b"aGVsbG8gd29ybGQ*!\x80x", BASE64), "typed", "hello", "base64", True
    ),
    "base64 with a footer": Trap(
        typed(b"text/plain", b"aGVsbG8=\r\n-- \r\nfooter", BASE64), "typed", "hello", "base64", True
    ),
    "broken quoted-printable": Trap(
        typed(b"text/plain", b"a=ZZb=", b"Content-Transfer-Encoding: quoted-printable\r\n"),
        "typed",
        "a=ZZb",
    ),
    "an unknown transfer encoding": Trap(
        typed(b"text/plain", b"one", b"Content-Transfer-Encoding: x-rot13\r\n"),
        "typed",
        "one",
        "transfer encoding x-rot13",
        hidden=True,
    ),
    "broken uuencode": Trap(
        typed(b"text/plain", b"begin 644 a\r\nM\xff\r\n", b"Content-Transfer-Encoding: uue\r\n"),
        "typed",
        None,
        "broken uuencode",
        hidden=True,
    ),
    # Names.
    "unlisted recipients": Trap(
        b"To: unlisted-recipients:; (no To-header on input)\r\n"
        b"From: John Doe.<john@example.com>\r\n"
        b"Message-ID: <[id@example.com]>\r\nSubject: unlisted\r\n\r\nbody",
        "unlisted",
        "body",
    ),
    "bidi": Trap(
        "Subject: \u202egnp.exe\u2066\r\n\r\n\u202ebody".encode(),
        "\u202egnp.exe\u2066",
        "\u202ebody",
    ),
    "a filename that climbs": Trap(
        attached('filename="../../etc/passwd"'), filename="../../etc/passwd"
    ),
    "a filename that turns round": Trap(
        attached('filename="\u202egpj.exe"'), filename="\u202egpj.exe"
    ),
    "a filename of 100 kB": Trap(attached(f'filename="{"n" * 100_000}"'), "file"),
    "a filename of nothing": Trap(attached('filename=""'), "file", filename=""),
    "a filename with a line end": Trap(
        attached("filename*=utf-8''a%0D%0Ab"), "file", filename="a\r\nb"
    ),
    "a filename in two forms": Trap(
        attached("filename=\"_.pdf\"; filename*=UTF-8''%E4%B8%AD%E6%96%87.pdf"),
        "file",
        filename="中文.pdf",
    ),
    "a filename in two forms, the better one first": Trap(
        attached("filename*=UTF-8''%E4%B8%AD%E6%96%87.pdf; filename=\"_.pdf\""),
        "file",
        filename="中文.pdf",
    ),
    "a filename plain and in pieces": Trap(
        attached("filename=a.pdf; filename*1*=%E6%96%87.pdf; filename*0*=UTF-8''%E4%B8%AD"),
        "file",
        filename="中文.pdf",
    ),
    "a filename in GB2312 that is valid UTF-8": Trap(
        attached("filename*=gb2312''%C4%BF%C2%BC.pdf"), "file", filename="目录.pdf"
    ),
    "an unencoded filename in the charset of the mail": Trap(
        b"Subject: file\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=gb2312\r\n\r\nbody\r\n"
        b"--b\r\nContent-Type: application/pdf\r\n"
        b'Content-Disposition: attachment; filename="\xb7\xa2\xc6\xb1.pdf"\r\n\r\nfile\r\n--b--',
        "file",
        "body",
        filename="发票.pdf",
    ),
    "a sender whose name holds an address": Trap(
        b"Subject: forged\r\nFrom: =?utf-8?q?boss=40b=2Eexample?= <x@c.example>\r\n\r\nbody",
        "forged",
        "body",
        sender='"boss@b.example" <x@c.example>',
    ),
    "a filename in a thousand pieces": Trap(
        attached("".join(f'filename*{n}="{n},";' for n in range(1000))), "file"
    ),
}


class Synced(NamedTuple):
    stack: Stack
    ids: dict[str, str]


@pytest.fixture(scope="module", params=["full", "raw"])
def synced(request: pytest.FixtureRequest, cluster: Cluster, template: str) -> Iterator[Synced]:
    """All traps in one mailbox, after a sync that failed on none."""
    with running_stack(cluster, template, request.param) as stack:
        ids = {
            name: stack.mailbox.insert(trap.mail, internal_date=trap.internal_date)
            for name, trap in TRAPS.items()
        }
        assert stack.sync()["new"] == len(TRAPS)
        yield Synced(stack, ids)


@pytest.mark.parametrize("name", TRAPS)
def test_what_could_be_read_of_it_is_stored(synced: Synced, name: str) -> None:
    stack, trap = synced.stack, TRAPS[name]
    message = stack.message(synced.ids[name])

    stack.assert_raw_is_as_sent(synced.ids[name])
    assert message["subject"] == trap.subject or trap.subject is None
    bodies = f"{message['body_text']}\n{message['body_html']}"
    assert trap.text is None or trap.text in bodies
    assert message["sender"] == trap.sender or trap.sender is None
    if trap.sent_at or NO_DATE in (trap.defect or ""):
        assert message["sent_at"] == trap.sent_at
    told = "; ".join(message["defects"])
    assert "not read" not in told
    assert len(told) < 15_000
    if trap.defect and not (trap.hidden and stack.content_mode == "full"):
        assert trap.defect in told
    if trap.filename is not None:
        assert [each["filename"] for each in stack.attachments(synced.ids[name])] == [trap.filename]
    assert all(storable(header["value"]) == header["value"] for header in message["headers"])
