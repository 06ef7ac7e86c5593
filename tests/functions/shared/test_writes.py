"""The rows that a first sync writes for a message. Each costs WAL, dead rows and vacuum."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, message

pytestmark = pytest.mark.gate

MESSAGES, BATCH = 240, 12
# Rows a message: those that stay, what lists, fetches, counts and indexes it, and what is deleted
# again. Rows of a batch, a page or a call are shared by its messages.
WRITTEN = {
    "message": 1, "message_words": 1, "attachment": 0, "listing": 1, "fetch_queue": 1,
    "touched": 2, "index_queue": 1,
}  # fmt: skip
SHARED = {"fetch_batch", "user_sync_status", "account", "mail_count"}
DELETED = {"listing": 1, "fetch_queue": 1, "index_queue": 1}


def test_a_first_sync_writes_few_rows_a_message(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    with db.transaction():
        before = rows_written(db)
        sync(db, task_id)
        after = rows_written(db)

    written = {name: after[name]["written"] - before[name]["written"] for name in after}
    deleted = {name: after[name]["deleted"] - before[name]["deleted"] for name in after}
    assert {name: written[name] / MESSAGES for name in WRITTEN} == WRITTEN
    assert sum(written[name] for name in SHARED) < 5.5 * MESSAGES / BATCH
    assert {name for name, rows in written.items() if rows} <= WRITTEN.keys() | SHARED
    assert {name: deleted[name] / MESSAGES for name in DELETED} == DELETED
    assert {name for name, rows in deleted.items() if rows} <= DELETED.keys() | {"fetch_batch"}


def sync(db: Connection, task_id: str) -> None:
    def call(function: str, *arguments: object) -> list[dict[str, Any]]:
        places = ", ".join(["%s"] * len(arguments))
        statement = f"select * from gmail_sync.{function}({places})"
        return db.execute(statement.encode(), arguments).fetchall()

    call("begin_listing", task_id, 1000, MESSAGES)
    call("store_listing_page", task_id, [f"m-{n:04}" for n in range(MESSAGES)], None)
    while taken := call("take_messages", task_id, BATCH):
        messages = Jsonb([message(row["message_id"]) for row in taken])
        db.execute(
            "select gmail_sync.store_messages(%s, %s, %s::bytea[])",
            [task_id, messages, [None] * len(taken)],
        )
    while not call("reconcile_listing", task_id)[0]["reconcile_listing"]:
        pass
    while call("index_messages")[0]["index_messages"]:
        pass


def rows_written(db: Connection) -> dict[str, dict[str, int]]:
    """By table, in this transaction so far."""
    rows = db.execute(
        "select relname, n_tup_ins + n_tup_upd as written, n_tup_del as deleted"
        " from pg_stat_xact_user_tables where schemaname = 'gmail_sync'"
    )
    return {row["relname"]: row for row in rows}
