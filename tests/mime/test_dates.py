"""A Date header gives the time it names, or none; never another time without a word."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mime.dates import parse_date
from service.mime.parse import parse_raw
from tests.gmail.conftest import raw_message

MOMENT = datetime(2013, 11, 18, 8, 26, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 18 Nov 2013 09:26:24 +0100",
        "Mon, 18 Nov 2013 09:26:24 +0100 (CET)",
        "Mon, 18 Nov 2013 09:26:24 GMT +0100",
        "Mon, 18 Nov 2013 09:26:24 GMT+0100",
        "Mon, 18 Nov 2013 09:26:24 GMT+1",
        "Mon, 18 Nov 2013 09:26:24 UTC+01:00",
        "Mon, 18 Nov 2013 09:26:24 +01:00",
        "Mon, 18 Nov 2013 09:26:24 +01",
        "Mon, 18 Nov 2013 09:26:24 CET",
        "Mon, 18 Nov 2013 09:26:24 (CET)",
        "Mon, 18 Nov 2013 17:26:24 JST",
        "18 Nov 13 03:26:24 EST",
        "Monday, 18-Nov-13 08:26:24 GMT",
        "mon, 18 november 2013 08:26:24.5 -0000",
        "Mon, 18 Nov 2013 08:26:24",
        "Mon (a comment), 18 Nov 2013 08:26:24 Z",
        "Mon, 18 Nov 2013 09:26:24 +0100 (a (nested) comment)",
        "Mon , 18 Nov 2013 09 : 26 : 24 +0100",
        "Mon Nov 18 08:26:24 2013",
        "Mon Nov 18 09:26:24 CET 2013",
        "Mon Nov 18 09:26:24 2013 +0100",
        "Nov 18, 2013 8:26:24 AM UTC",
        "Nov 18, 2013 08:26:24 PM +1200",
        "2013-11-18T09:26:24+01:00",
        "2013-11-18 09:26:24 +0100",
    ],
)
def test_reads_the_zones_that_mailers_write(date: str) -> None:
    assert parse_date(date) == MOMENT


def test_a_leap_second_is_the_second_after() -> None:
    assert parse_date("Tue, 30 Jun 2015 23:59:60 +0000") == datetime(2015, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 18 Nov 2013 09:26:24 IST",
        "Mon, 18 Nov 2013 09:26:24 XYZ",
        "Mon, 18 Nov 2013 09:26:24 Pacific Standard Time",
        "Mon, 18 Nov 2013 09:26:24 +9900",
        "Mon, 18 Nov 2013 09:26:61 +0000",
        "Mon, 18 Nov 2013 13:26:24 PM",
        "Mon, 31 Feb 2013 09:26:24 +0000",
        "Mon, 18 Now 2013 09:26:24 +0000",
    ],
)
def test_what_it_does_not_know_is_no_time_and_a_defect(date: str) -> None:
    message = parse_raw(raw_message(f"Date: {date}\r\n\r\n".encode()))
    assert message.sent_at is None
    assert message.defects[0].startswith("the Date header is not a date")


@given(st.text(max_size=60) | st.from_regex(r"[a-z0-9:+ ,()-]{0,60}"))
def test_any_text_is_a_date_or_a_value_error(date: str) -> None:
    with suppress(ValueError):
        assert parse_date(date).tzinfo is UTC
