"""Searches that find messages by Message-ID and time of arrival."""

from datetime import UTC, datetime
from urllib.parse import quote_plus

import pytest

from service.gmail.search import LONGEST_QUERY, any_of, message_term

ARRIVED = datetime(2026, 3, 2, 12, 0, 0, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_sent", "place"), [(None, ""), (True, " in:sent"), (False, " -in:sent")]
)
def test_a_message_is_searched_for_by_its_message_id_second_and_place(
    is_sent: bool | None, place: str
) -> None:
    assert message_term("<a+b@mail.example>", ARRIVED, is_sent) == (
        f"(rfc822msgid:a+b@mail.example after:1772452799 before:1772452801{place})"
    )


@pytest.mark.parametrize(
    "message_id",
    ["", "a@x", "<>", "<a b@x>", '<"a"@x>', "<a(b)@x>", "<a{b@x>", "<a@x> <b@x>", "<é@x>",
     f"<{'a' * 251}>"],
)  # fmt: skip
def test_what_a_search_would_misread_is_not_searched_for(message_id: str) -> None:
    assert message_term(message_id, ARRIVED, None) is None


def test_a_search_has_as_many_terms_as_a_url_has_room_for() -> None:
    terms = ["a" * 900, "b" * 900, "c" * 900]
    assert any_of([]) == ("", 0)
    assert any_of(terms[:1]) == (terms[0], 1)
    assert any_of(terms) == (f"{terms[0]} OR {terms[1]}", 2)
    assert len(quote_plus(any_of(["()" * 300] * 9)[0])) <= LONGEST_QUERY
    assert any_of(["d" * 3000]) == ("d" * 3000, 1)
