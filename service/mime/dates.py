"""The time that a Date header names."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = (
    r"(?P<hour>\d{1,2})\s*[:.]\s*(?P<minute>\d{2})"
    r"(?:\s*[:.]\s*(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"\s*(?P<half>[ap]m\b)?"
)
_FORMS = [
    # RFC 5322 section 3.3, with the separators that old software uses.
    re.compile(
        rf"(?:[a-z]+\.?\s*,?)?\s*(?P<day>\d{{1,2}})[\s-]*(?P<month>[a-z]{{3,9}})\.?,?[\s-]*"
        rf"(?P<year>\d{{2,4}}),?\s+{_TIME}\s*(?P<zone>.*)",
        re.IGNORECASE,
    ),
    # asctime, where a zone stands before or behind the year, and US English.
    re.compile(
        rf"(?:[a-z]+\.?\s*,?\s+)?(?P<month>[a-z]{{3,9}})\.?\s+(?P<day>\d{{1,2}}),?\s+{_TIME}\s*"
        rf"(?:(?P<zone>[a-z]{{1,5}}|[+-]\d\d:?\d\d)\s+)?(?P<year>\d{{4}})\b\s*(?P<more>.*)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?:[a-z]+\.?\s*,?\s+)?(?P<month>[a-z]{{3,9}})\.?\s+(?P<day>\d{{1,2}}),?\s+"
        rf"(?P<year>\d{{4}}),?\s+{_TIME}\s*(?P<zone>.*)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})[\sT]+{_TIME}\s*(?P<zone>.*)",
        re.IGNORECASE,
    ),
]
_COMMENT = re.compile(r"\(([^()]*)(?:\)|\Z)")
_OFFSET = re.compile(
    r"(?P<name>[a-z]{0,5})\s*(?P<sign>[+-])\s*(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?"
    r"(?:\s*[a-z]{0,5})?",
    re.IGNORECASE,
)
# Hours. Names that mean several zones, such as IST and BST, are not here; those of North America
# mean what RFC 5322 says.
_ZONES = {
    "": 0, "z": 0, "gmt": 0, "ut": 0, "utc": 0, "wet": 0,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
    "akst": -9, "akdt": -8, "hst": -10, "nst": -3.5, "ndt": -2.5,
    "west": 1, "cet": 1, "met": 1, "mez": 1, "cest": 2, "mest": 2, "mesz": 2, "eet": 2, "sast": 2,
    "eest": 3, "msk": 3, "msd": 4, "hkt": 8, "sgt": 8, "awst": 8, "jst": 9, "kst": 9,
    "acst": 9.5, "acdt": 10.5, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip
_LONGEST = 200  # characters


def parse_date(value: str) -> datetime:
    """In UTC. A date without a zone is read as UTC.

    Raises ValueError for what is not a date, and for a zone that is unknown or means several.
    """
    date = value[: 2 * _LONGEST]
    comment = _COMMENT.search(date) if "(" in date else None
    while "(" in date:  # the innermost of nested ones first
        date = _COMMENT.sub(" ", date)
    part = _parts(date.strip())
    second = int(part["second"] or 0)
    if second > 60:
        raise ValueError("not a second")
    local = datetime(
        _year(part["year"]),
        _month(part["month"]),
        int(part["day"]),
        _hour(part["hour"], part["half"]),
        int(part["minute"]),
        min(second, 59),
        tzinfo=UTC,
    )
    if second == 60:  # the leap second, which RFC 5322 allows and datetime does not know
        local += timedelta(seconds=1)
    zone = f"{part['zone'] or ''} {part.get('more') or ''}".strip()
    try:
        return local - _offset(zone or (comment[1].strip() if comment else ""))
    except OverflowError as error:
        raise ValueError("beyond all years") from error


def _parts(date: str) -> dict[str, str]:
    for form in _FORMS if len(date) <= _LONGEST else ():
        if found := form.fullmatch(date):
            return found.groupdict()
    raise ValueError("not a date")


@lru_cache(maxsize=1000)
def _offset(zone: str) -> timedelta:
    found = _OFFSET.fullmatch(zone)
    if found is None:
        if zone.lower() not in _ZONES:
            raise ValueError("an unknown zone")
        return timedelta(hours=_ZONES[zone.lower()])
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("not a zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if found["sign"] == "-" else offset


def _year(digits: str) -> int:
    """With two or three digits as RFC 5322 section 4.3 reads it."""
    year = int(digits)
    return year if len(digits) == 4 else year + (2000 if year < 50 else 1900)


def _month(name: str) -> int:
    if name.isdigit():
        return int(name)
    if name[:3].lower() not in _MONTHS:
        raise ValueError("not a month")
    return _MONTHS.index(name[:3].lower()) + 1


def _hour(digits: str, half: str | None) -> int:
    hour = int(digits)
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("not an hour of half a day")
    return hour % 12 + (12 if half.lower() == "pm" else 0)
