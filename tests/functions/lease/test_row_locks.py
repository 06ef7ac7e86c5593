"""No function takes more than row locks: none makes readers or writers of other rows wait."""

import psycopg
import pytest

from service.postgres.calls import Connection
from tests.model.calls import CALLS, POPULATE, USERS, call

# What reading and writing of rows takes.
OF_ROWS = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}


@pytest.mark.parametrize("state", ["claimed", "queued", "zombie", "idle"])
def test_no_function_takes_more_than_row_locks(db: Connection, state: str) -> None:
    db.execute(POPULATE.encode())
    stronger: dict[str, set[str]] = {}
    for name in CALLS:
        db.execute("select public.populate(%s)", [state])
        with db.transaction(force_rollback=True):
            taken = locks_of(db, name)
        if taken - OF_ROWS:
            stronger[name] = taken
    assert stronger == {}


def locks_of(db: Connection, name: str) -> set[str]:
    """The modes of the locks on our relations that a call left behind, if it was not refused."""
    try:
        with db.transaction():
            call(db, name, USERS[0])
            rows = db.execute(
                "select distinct l.mode from pg_locks l join pg_class c on c.oid = l.relation"
                " where l.pid = pg_backend_pid() and l.locktype = 'relation'"
                " and c.relnamespace = 'gmail_sync'::regnamespace"
            )
            return {row["mode"] for row in rows}
    except psycopg.Error as error:
        if error.sqlstate not in {"SY001", "SY003"}:
            raise
        return set()
