import psycopg
import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import TooOften
from tests.functions.conftest import claimed, only, raises_sqlstate, set_settings

WAITING = """
    select count(*) from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database()
"""


def limit(db: Connection, ago: list[str], most: int) -> None:
    db.execute(
        "select gmail_sync._check_rate_limit('clicks', array("
        "select clock_timestamp() - ago from unnest(%s::interval[]) as ago), %s)",
        [ago, most],
    )


def test_less_than_the_most_passes(db: Connection) -> None:
    limit(db, [], 1)
    limit(db, ["1 s", "2 s"], 3)


def test_the_most_is_refused_with_the_seconds_until_one_is_a_minute_old(db: Connection) -> None:
    for ago, most, seconds in (
        (["0 s"], 1, 60),
        (["10 s", "59.5 s"], 2, 1),
        # Newest first: the third of five is the one that must go.
        (["1 s", "2 s", "30 s", "40 s", "50 s"], 3, 30),
    ):
        with pytest.raises(psycopg.Error) as error:
            limit(db, ago, most)
        assert error.value.sqlstate == "SY005"
        assert error.value.diag.message_primary == f"clicks within a minute: {most} are the most"
        assert error.value.diag.message_detail == str(seconds)


def start(functions: Session, source: str) -> None:
    """Start a run that is over at once."""
    functions.value("cancel_sync", functions.value("start_sync", "ann", False, source))


def test_new_runs_of_a_person_are_counted(functions: Session, db: Connection) -> None:
    set_settings(db, max_starts_a_minute=2)
    start(functions, "api")
    start(functions, "api")
    with pytest.raises(TooOften) as error:
        start(functions, "api")
    assert 0 < int(error.value.detail or "") <= 60
    assert only(db, "select count(*) from gmail_sync.user_sync_status where is_syncing") == 0


@pytest.mark.parametrize("source", ["sql", "schedule", "push"])
def test_what_no_person_does_is_neither_counted_nor_refused(
    functions: Session, db: Connection, source: str
) -> None:
    set_settings(db, max_starts_a_minute=1)
    start(functions, source)
    start(functions, "api")
    start(functions, source)
    with pytest.raises(TooOften):
        start(functions, "api")


def test_a_click_that_joins_or_heals_is_never_refused(functions: Session, db: Connection) -> None:
    set_settings(db, max_starts_a_minute=1)
    start(functions, "api")
    task_id = claimed(functions)
    for _ in range(3):
        assert functions.value("start_sync", "ann", False, "api") == task_id
    db.execute(
        "update gmail_sync.user_sync_status set updated_at = now() - interval '61 s'"
        " where is_syncing"
    )
    healed = functions.row("start_sync", "ann", False, "api")
    assert healed is not None
    assert healed["task_id"] != task_id
    assert healed["created"] is False


def test_a_limit_of_none_at_all_is_no_limit_to_set(db: Connection) -> None:
    for name in ("max_starts_a_minute", "max_connects_a_minute"):
        with raises_sqlstate("23514", "rates_are_positive"):
            set_settings(db, **{name: 0})
