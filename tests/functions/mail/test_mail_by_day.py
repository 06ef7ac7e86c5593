from datetime import date, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, listed, message, only, store, taken


def by_day(functions: Session, *arguments: object, user: str = "ann") -> dict[date, int]:
    rows = functions.rows("messages_per_day", user, *arguments)
    return {row["day"]: row["messages"] for row in rows}


def noon_today(db: Connection) -> datetime:
    noon: datetime = only(db, "select date_trunc('day', now(), 'UTC') + interval '12 h'")
    return noon


def keep(functions: Session, user: str, *times: datetime) -> None:
    """Mail that came at these times, as messages m0, m1 …"""
    ids = [f"m{number}" for number in range(len(times))]
    task_id = claimed(functions, user)
    listed(functions, task_id, *ids)
    taken(functions, task_id)
    for message_id, at in zip(ids, times, strict=True):
        internal_date = str(round(at.timestamp() * 1000))
        store(functions, task_id, message(message_id, internal_date=internal_date))


def test_each_day_is_there_today_last(functions: Session, db: Connection) -> None:
    noon = noon_today(db)
    days = [timedelta(days=n) for n in (0, 0, 2, 29, 30)]
    keep(functions, "ann", *(noon - each for each in days))
    counts = by_day(functions)
    assert list(counts) == [noon.date() - timedelta(days=n) for n in reversed(range(30))]
    assert {n: count for n, count in enumerate(reversed(counts.values())) if count} == {
        0: 2, 2: 1, 29: 1,
    }  # fmt: skip
    assert set(by_day(functions, user="bob").values()) == {0}


def test_deleted_mail_does_not_count(functions: Session, db: Connection) -> None:
    keep(functions, "ann", noon_today(db), noon_today(db))
    db.execute("update gmail_sync.message set deleted_at = now() where message_id = 'm0'")
    assert list(by_day(functions, 1).values()) == [1]


def test_a_day_begins_at_midnight_of_the_time_zone(functions: Session, db: Connection) -> None:
    # In Kiritimati, fourteen hours ahead, the day after has begun.
    late = noon_today(db) - timedelta(days=2) + timedelta(hours=11)
    keep(functions, "ann", late)
    in_utc = by_day(functions, 10)
    ahead = by_day(functions, 10, "Pacific/Kiritimati")
    assert [day for day, count in in_utc.items() if count] == [late.date()]
    assert [day for day, count in ahead.items() if count] == [late.date() + timedelta(days=1)]


@pytest.mark.parametrize("arguments", [(0,), (367,), (30, "Mars/Base"), (30, ""), (None,)])
def test_what_is_no_time_zone_or_number_of_days_is_refused(
    functions: Session, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(InvalidArgument):
        by_day(functions, *arguments)
