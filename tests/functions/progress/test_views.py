"""The views of runs as a DBA sees them: one line a run, in a terminal of 120 columns."""

import subprocess

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, listed, queued, zombie

COLUMNS = 120


@pytest.mark.parametrize("view", ["running_syncs", "zombie_syncs", "sync_runs"])
def test_a_view_fits_a_terminal(
    functions: Session, db: Connection, database_url: str, view: str
) -> None:
    zombie(functions, db, "user-1")
    task_id = claimed(functions, "user-2")
    listed(functions, task_id, *(f"m{n}" for n in range(1200)), token="more")
    queued(functions, "user-3")

    shown = subprocess.run(
        ["psql", "--no-psqlrc", database_url, "-c", f"select * from gmail_sync.{view}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout

    print(shown)
    assert "sync_user-1_" in shown
    assert max(len(line) for line in shown.splitlines()) <= COLUMNS
