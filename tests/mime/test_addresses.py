"""No name can forge or split an address: what is kept is read as the list that was sent."""

from base64 import b64encode
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mime.addresses import decode_safely
from service.mime.text import TextReader

# RFC 5322 section 3.2.3, without the dots that may stand only between atoms.
ATEXT = "abcXYZ019!#$%&'*+-/=?^_`{|}~"
ATOM = st.text(ATEXT, min_size=1, max_size=8).filter(lambda atom: "=?" not in atom)
ADDRESS = st.builds("{}.{}@{}.example".format, ATOM, ATOM, st.sampled_from(["a", "b-c"]))
# Any printable text, with all that separates or ends an address.
NAME = st.text(
    st.sampled_from('(),.:;<>@[]\\" ') | st.characters(categories=["L", "N", "P", "S"]),
    min_size=1,
    max_size=30,
).filter(lambda name: name == " ".join(name.split()))


def encoded(name: str) -> str:
    return f"=?utf-8?b?{b64encode(name.encode()).decode()}?="


def decoded(value: str) -> str:
    return decode_safely(value, lambda words: TextReader().decode_words(words, "header To"))


@given(st.lists(st.tuples(NAME, ADDRESS), min_size=1, max_size=4))
def test_encoded_names_come_back_beside_their_own_addresses(mails: list[tuple[str, str]]) -> None:
    header = ", ".join(f"{encoded(name)} <{address}>" for name, address in mails)
    found = getaddresses([decoded(header)])
    assert [address for _, address in found] == [address for _, address in mails]
    assert [" ".join(name.split()) for name, _ in found] == [name for name, _ in mails]


@given(st.lists(st.tuples(NAME, ADDRESS), min_size=1, max_size=4))
def test_an_encoded_name_in_a_comment_or_in_quotes_adds_no_address(
    mails: list[tuple[str, str]],
) -> None:
    commented = ", ".join(f"{address} ({encoded(name)})" for name, address in mails)
    quoted = ", ".join(f'"{encoded(name)}" <{address}>' for name, address in mails)
    for header in commented, quoted:
        found = getaddresses([decoded(header)])
        assert [address for _, address in found] == [address for _, address in mails]


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (f"{encoded('Ann')} <ann@a.example>", "Ann <ann@a.example>"),
        (f"{encoded('Doe, Ann')} <ann@a.example>", '"Doe, Ann" <ann@a.example>'),
        (f"{encoded('boss@b.example')} <x@c.example>", '"boss@b.example" <x@c.example>'),
        (f"{encoded('<boss@b.example>, y')} <x@c.example>", '"<boss@b.example>, y" <x@c.example>'),
        (f"{encoded(chr(34) + ' <a@b>')} <x@c.example>", '"\\" <a@b>" <x@c.example>'),
        ("ann@a.example (a plain comment)", "ann@a.example (a plain comment)"),
        (f'ann@a.example ("{encoded("A) B")}")', 'ann@a.example ("A\\) B")'),
    ],
)
def test_what_is_kept_of_a_header(header: str, kept: str) -> None:
    assert decoded(header) == kept


@pytest.mark.parametrize(
    ("header", "addresses"),
    [
        (f"(a \\( b) {encoded('Doe, J')} <j@x.example>", ["j@x.example"]),
        (f"(a \\) {encoded(') evil@y.example,')} ) j@x.example", ["j@x.example"]),
        (f'(a ") {encoded("<e@y.example>, b")} (") <j@x.example>', ["j@x.example"]),
    ],
)
def test_a_comment_ends_at_its_own_bracket(header: str, addresses: list[str]) -> None:
    assert [address for _, address in getaddresses([decoded(header)])] == addresses
