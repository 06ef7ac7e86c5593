"""Reading mail never raises, whatever it is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.simulator.headers import address_text, decode_words, parameters, split_head, text
from service.simulator.mime import parse, payload, snippet

SHARDS = [
    b"Content-Type: multipart/mixed; boundary=x\n",
    b"Content-Type: message/rfc822\n",
    b"Content-Type: text/html; charset=unicode_escape\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Disposition: attachment; filename*1*=%ff; filename*0*=koi8-r''%c1\n",
    b"Subject: =?utf-16?b?2AA=?= =?idna?q?a?=\n",
    b"\n",
    b"--x\n",
    b"--x--\n",
    b"&#xD800; \\ud800 <b",
    b"\x00\xff\xe9+2AA-\n",
]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.sampled_from(SHARDS), st.binary(max_size=20)), max_size=25))
def test_any_bytes_become_a_payload_that_is_valid_utf_8(shards: list[bytes]) -> None:
    root = parse(b"".join(shards))
    shown = json.dumps([payload(root, str), snippet(root)], ensure_ascii=False)
    assert shown.encode("utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?iso-8859-1?Q?a_=E9?= b", "a é b"),
        ("=?utf-8?B?w7w=?=\t=?utf-8?B?w7w=?=", "üü"),
        ("=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "€"),
        ("=?utf-8*en?Q?x?=", "x"),
        ("=?no-such-charset?Q?x?=", "x"),
        ("=?utf-8?X?x?=", "=?utf-8?X?x?="),
        ("a =?b", "a =?b"),
    ],
)
def test_decodes_encoded_words(value: str, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'Text/Plain; CHARSET="utf-8"', ("text/plain", {"charset": "utf-8"})),
        (b"a/b; name*=utf-8''%e2%82%ac", ("a/b", {"name": "€"})),
        (b"a/b; name*0=lo; name*1=ng.txt", ("a/b", {"name": "long.txt"})),
        (b'a/b; name="with; semicolon \\" quote"', ("a/b", {"name": 'with; semicolon " quote'})),
        (b'a/b; name="=?utf-8?q?=C3=BC?="', ("a/b", {"name": "ü"})),
        (b"", ("", {})),
    ],
)
def test_reads_parameters(value: bytes, expected: tuple[str, dict[str, str]]) -> None:
    assert parameters(value) == expected


WORD = b"=?utf-8?q?=29_B=2C_=22C=22?="  # ) B, "C"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (WORD + b" <a@x.example>", '") B, \\"C\\"" <a@x.example>'),
        (b'"' + WORD + b'" <a@x.example>', '") B, \\"C\\"" <a@x.example>'),
        (b"a@x.example (" + WORD + b")", 'a@x.example (\\) B, "C")'),
        (
            b'a@x.example (") ' + WORD + b" <b@x.example>",
            'a@x.example (") ") B, \\"C\\"" <b@x.example>',
        ),
        (b"(a \\) " + WORD + b") a@x.example", '(a \\) \\) B, "C") a@x.example'),
        (b"(a \\( b) " + WORD + b" <a@x.example>", '(a \\( b) ") B, \\"C\\"" <a@x.example>'),
        (b"=?utf-8?q?Ann?= <a@x.example>", "Ann <a@x.example>"),
    ],
)
def test_a_decoded_name_stays_a_name(value: bytes, expected: str) -> None:
    assert address_text(value) == expected


def test_unfolds_headers_and_keeps_their_order_and_spelling() -> None:
    headers, body = split_head(b"B: 1\r\n\tmore\r\na:2\r\nB: \xe9\r\n\r\nbody")
    assert headers == [("B", b"1\tmore"), ("a", b"2"), ("B", b"\xe9")]
    assert [text(value) for _, value in headers] == ["1\tmore", "2", "é"]
    assert body == b"body"


def test_mail_nested_a_thousand_deep_is_read() -> None:
    assert parse(b"Content-Type: message/rfc822\n\n" * 1000).children
