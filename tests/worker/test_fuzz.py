"""Generated mail through client, parser and Postgres: whatever it is, it arrives.

The same examples each time, few enough for `make test`. GMAIL_SYNC_FUZZ_EXAMPLES=1000 makes so many
for each test, other ones each time.
"""

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from quopri import encodestring
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from service.postgres.calls import Row
from service.simulator.encoding import base64url
from service.simulator.faults import Fault
from tests.cluster import Cluster
from tests.worker.stack import Stack, running_stack

EXAMPLES = os.environ.get("GMAIL_SYNC_FUZZ_EXAMPLES")

fuzz = settings(
    max_examples=int(EXAMPLES or 50),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    # Each try of shrinking an example is a sync: do it when you hunt for one.
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if EXAMPLES else [])],
    suppress_health_check=list(HealthCheck),
)


class Mail(NamedTuple):
    """subject is what must arrive as the subject; None where that is for the parser to say."""

    raw: bytes
    subject: str | None = None


def words(text: str) -> st.SearchStrategy[bytes]:
    return st.sampled_from(text.encode().split())


CHARSETS = (
    words("utf-8 us-ascii iso-8859-1 koi8-r gb2312 big5 shift_jis euc-kr iso-2022-jp iso-2022-kr")
    | words("hz-gb-2312 utf-7 utf-16 utf-16le utf-32be utf-8-sig cp65001 tis-620 charmap utf-8*en")
    | words("x-unknown base64 idna punycode undefined rot13 unicode_escape 8bit a\0b")
    | st.sampled_from([b"", b"a b"])
)
DATA = (
    st.binary(max_size=60)
    | st.text(st.characters(exclude_categories=[]), max_size=30).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
    | st.sampled_from([b"\0", b"\x1b$B\xff", b"~{\xff~}", b"+2AA-", b"\xff\xfe\0\xd8", b"=00=\r\n"])
)
TEXT = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=40).map(str.encode)


@st.composite
def encoded_words(draw: st.DrawFn) -> bytes:
    charset, data = draw(CHARSETS), draw(DATA)
    kind = draw(words("B b Q q x"))
    payload = b64encode(data) if kind in b"Bb" else encodestring(data).replace(b"\n", b"")
    return b"=?%s?%s?%s?=" % (charset, kind, payload[: draw(st.integers(0, 80))])


VALUES = st.lists(
    TEXT
    | DATA
    | encoded_words()
    | st.sampled_from([b"\r\n ", b"\r\n\t", b"\r", b"\n", b" ", b"<a@example.com>", b";", b'"']),
    max_size=6,
).map(b"".join)
NAMES = (
    words("From To Cc Bcc Reply-To Date Message-ID In-Reply-To References Received Subject subject")
    | words("Content-Type Content-Disposition Content-ID Content-Transfer-Encoding MIME-Version X")
    | st.sampled_from([b"", "é".encode()])
)
DATES = st.tuples(
    st.integers(-1, 99), st.sampled_from(["Jan", "Foo", ""]), st.integers(-5, 99999), st.integers()
).map(lambda parts: b"Date: %d %s %d 10:00:00 %+d" % (parts[0], parts[1].encode(), *parts[2:]))
HEADERS = st.lists(st.tuples(NAMES, VALUES).map(b": ".join) | DATES, max_size=8)

PARAMETERS = st.sampled_from(
    [
        b"",
        b"; name",
        b"; filename=a.txt",
        b'; filename="\0\\"',
        b"; filename*=utf-8''%00%ff",
        b"; filename*0*=utf-16''%00; filename*1=b; filename*7*=%d8",
        b"; filename==?utf-8?q?=00?=",
    ]
)
DISPOSITIONS = st.sampled_from(
    [b"", b"Content-Disposition: attachment%s\r\n", b"Content-ID: <%s>\r\n"]
)
ENCODINGS = words("7bit 8bit base64 base64;x quoted-printable uuencode x-nonsense")
LEAF_TYPES = words(
    "text/plain text/html TEXT/Plain text/calendar image/png application/octet-stream"
) | words("message/rfc822 message/delivery-status multipart/x nonsense /")


@st.composite
def leaves(draw: st.DrawFn) -> bytes:
    data, encoding = draw(st.lists(DATA, max_size=4).map(b"\r\n".join)), draw(ENCODINGS)
    if draw(st.booleans()):  # else it is not what it says
        data = {b"base64": b64encode, b"quoted-printable": encodestring}.get(encoding, bytes)(data)
    return b"Content-Type: %s; charset=%s\r\nContent-Transfer-Encoding: %s\r\n%s\r\n%s" % (
        draw(LEAF_TYPES),
        draw(CHARSETS),
        encoding,
        draw(DISPOSITIONS).replace(b"%s", draw(PARAMETERS)),
        data,
    )


def multiparts(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        said = draw(words('b c "b" =?utf-8?q?b?= \xe9 - ( ""') | st.just(b'"b b"'))
        used = draw(st.sampled_from([said.strip(b'"'), b"b", b"other"]))
        line = draw(st.sampled_from([b"\r\n--%s\r\n", b"\n--%s\n", b"\r\n--%s \t\r\n", b"--%s"]))
        kind = draw(words("mixed alternative digest related Signed"))
        parts = draw(st.lists(children, max_size=4))
        body = b"".join(line.replace(b"%s", used) + part for part in parts)
        end = draw(st.sampled_from([b"\r\n--%s--\r\n", b"\r\n--%s--epilogue", b"", b"--%s--"]))
        head = b"Content-Type: multipart/%s; boundary=%s\r\n" % (kind, said)
        return head + b"\r\npreamble" + body + end.replace(b"%s", used)

    return build() | children.map(lambda inner: b"Content-Type: message/rfc822\r\n\r\n" + inner)


TREES = st.recursive(leaves(), multiparts, max_leaves=8)
SUBJECTS = st.lists(
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=12),
    min_size=1,
    max_size=5,
).filter(lambda subject: "=?" not in "".join(subject))


@st.composite
def whole_mails(draw: st.DrawFn) -> Mail:
    subject = draw(SUBJECTS)
    folded = draw(st.sampled_from([" ", "\r\n ", "\n\t", "\r\n \r\n "])).join(subject)
    head = b"\r\n".join([b"Subject: " + folded.encode(), *draw(HEADERS)])
    return Mail(head + b"\r\n" + draw(TREES), " ".join(subject))


MAILS = whole_mails() | (st.binary(max_size=1000) | TREES | VALUES).map(Mail)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "value", "data", "size", "0"]), inner)
    ),
    max_leaves=8,
)
PART = {
    "partId": st.sampled_from(["", "0", "1"]),
    "mimeType": st.sampled_from(["text/plain", "text/html", "image/png", "multipart/x", ""]),
    "filename": st.sampled_from(["", "a.txt", "\0"]),
    "headers": st.lists(st.fixed_dictionaries({"name": JSON, "value": JSON}), max_size=3),
    "body": st.fixed_dictionaries(
        {}, optional={"data": DATA.map(base64url), "size": JSON, "attachmentId": JSON}
    ),
}


def payloads(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Parts as Gmail gives them, with a field or other that is not."""
    usual = st.fixed_dictionaries(PART | more)
    return usual | st.tuples(usual, st.dictionaries(st.sampled_from(list(PART)), JSON)).map(
        lambda both: both[0] | both[1]
    )


def mixed(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(children, min_size=1, max_size=4)
    return payloads(mimeType=st.just("multipart/mixed"), parts=parts)


PAYLOADS = payloads() | mixed(payloads()) | mixed(payloads() | mixed(payloads() | JSON)) | JSON
ANSWERS = st.fixed_dictionaries(
    {"payload": PAYLOADS, "raw": DATA.map(base64url) | JSON},
    optional=dict.fromkeys(
        ["threadId", "historyId", "internalDate", "labelIds", "snippet", "sizeEstimate"], JSON
    ),
)


@pytest.fixture(scope="module", params=["full", "raw"])
def stack(request: pytest.FixtureRequest, cluster: Cluster, template: str) -> Iterator[Stack]:
    with running_stack(cluster, template, request.param) as stack:
        stack.sync()
        yield stack


def assert_was_read(message: Row) -> None:
    """That neither the parser broke nor Postgres refused what it gave."""
    assert not any(defect.startswith("not read") for defect in message["defects"])


# Python's rot13 is a codec, but not one that decodes bytes.
@example([Mail(b"Subject: rot\r\nFrom: =?rot13?b?/A?=\r\n\r\nbody", "rot")])
@fuzz
@given(st.lists(MAILS, min_size=1, max_size=6))
def test_any_mail_arrives(stack: Stack, mails: list[Mail]) -> None:
    stack.forget_failures()
    ids = [stack.mailbox.insert(mail.raw) for mail in mails]

    assert stack.sync()["new"] == len(mails)

    for message_id, mail in zip(ids, mails, strict=True):
        stored = stack.message(message_id)
        stack.assert_raw_is_as_sent(message_id)
        assert_was_read(stored)
        if mail.subject is not None:
            assert " ".join((stored["subject"] or "").split()) == mail.subject


@fuzz
@given(st.lists(ANSWERS, min_size=1, max_size=6))
def test_any_answer_of_gmail_about_a_message_arrives(
    stack: Stack, answers: list[dict[str, Any]]
) -> None:
    stack.forget_failures()
    stack.simulator.faults.clear()
    ids = [stack.mailbox.insert(b"\r\n") for _ in answers]
    for message_id, answer in zip(ids, answers, strict=True):
        body = json.dumps({**answer, "id": message_id})
        stack.simulator.faults.add(Fault("messages.get", "mangle", message_id, body=body))

    assert stack.sync()["new"] == len(answers)

    for message_id in ids:
        assert_was_read(stack.message(message_id))
