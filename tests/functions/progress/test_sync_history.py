from datetime import UTC, datetime, timedelta

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import insert_run


@pytest.fixture
def runs(db: Connection) -> list[str]:
    """Five ended runs, newest first; the second and third started at the same moment."""
    now = datetime.now(UTC)
    for name, minutes in (("e", 1), ("d", 2), ("c", 2), ("b", 3), ("a", 4)):
        insert_run(
            db, task_id=name, is_syncing=False, outcome="cancelled", finished_at=now,
            started_at=now - timedelta(minutes=minutes),
        )  # fmt: skip
    insert_run(db, task_id="foreign", user_id="bo")
    return ["e", "d", "c", "b", "a"]


def test_runs_come_newest_first_in_pages(functions: Session, runs: list[str]) -> None:
    seen: list[str] = []
    for _ in range(3):
        page = functions.rows("sync_history", "ann", 2, seen[-1] if seen else None)
        seen += [row["task_id"] for row in page]
    assert seen == runs
    assert functions.rows("sync_history", "ann", 2, seen[-1]) == []


def test_another_users_run_is_no_place_to_go_on_from(functions: Session, runs: list[str]) -> None:
    assert functions.rows("sync_history", "ann", 2, "foreign") == []


def test_an_absurd_page_size_is_refused(functions: Session) -> None:
    for limit in [0, -1, 501, None]:
        with pytest.raises(InvalidArgument):
            functions.rows("sync_history", "ann", limit)
