"""What mail takes up in Postgres, beside the mbox it came from and the xz of that, and its WAL.

How much the database grows by a first sync, vacuumed: tables, indexes (that of the search too), the
ids of the listing. Of attachments mode full keeps the list, mode raw keeps them within the raw
message. The WAL is that of the sync and of indexing the words, autovacuum's included.
"""

import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self
from unittest import SkipTest

from service.postgres.calls import Connection
from service.simulator import load
from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import HAM
from tests.benchmarks.machine import SYNC_SECONDS
from tests.benchmarks.postgres import Server, index_all, running_server
from tests.functions.conftest import only
from tests.waiting import wait_until
from tests.worker.stack import running_stack

WAL = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
ROWS = """
    select sum(n_tup_ins + n_tup_upd)::bigint from pg_stat_user_tables
    where schemaname = 'gmail_sync'
"""
STORED = "select n_tup_ins from pg_stat_user_tables where relid = 'gmail_sync.message'::regclass"


def measure() -> Iterator[Figure]:
    if not HAM.exists():
        raise SkipTest("the optional folder ../shared/mail")
    with running_server() as server:
        yield from measured(server, HAM)


def measured(server: Server, mail: Path) -> Iterator[Figure]:
    packed = mail.read_bytes()
    for mode in ("full", "raw"):
        with running_stack(server.cluster, server.template, mode) as stack:
            stack.mailbox.load(load(mail))
            before, written = database_bytes(stack.db), Written.until_now(stack.db)
            messages = stack.sync(SYNC_SECONDS)["new"]
            index_all(stack.db)
            written = Written.until_now(stack.db, messages).since(written)
            grown = (database_bytes(stack.db) - before) / messages
            parts = bytes_of_messages(stack.db)
            search = {
                name: round(size / messages) for name, size in bytes_of_search(stack.db).items()
            }
        mbox, xz = len(lzma.decompress(packed)) / messages, len(packed) / messages
        yield Figure(
            f"storage_{mode}",
            f"Postgres for a message, mode {mode}",
            f"{mbox:,.0f} bytes in the mbox, {xz:,.0f} in its xz",
            round(grown),
            unit="bytes",
            details={
                "messages": messages,
                "mbox_bytes": round(mbox),
                "xz_bytes": round(xz),
                "of_the_mbox": round(grown / mbox, 2),
                **{name: round(size / messages) for name, size in parts.items()},
            },
        )
        yield Figure(
            f"writes_{mode}",
            f"WAL for a message, mode {mode}",
            f"{grown:,.0f} bytes that it takes up",
            round(written.wal / messages),
            unit="bytes",
            details={"rows": round(written.rows / messages, 2)},
        )
        own = search.pop("message_bytes")
        yield Figure(
            f"storage_search_{mode}",
            f"what the search adds to a message, mode {mode}",
            f"{own:,.0f} bytes of the message and its other indexes",
            sum(search.values()),
            unit="bytes",
            details={"message_bytes": own, **search},
        )


class Written(NamedTuple):
    """Bytes of WAL, and row versions, of a database that is by itself on its server."""

    wal: int
    rows: int

    @classmethod
    def until_now(cls, db: Connection, messages: int = 0) -> Self:
        """Once the statistics, which come late, know of so many messages."""
        wait_until(lambda: only(db, STORED) >= messages)
        return cls(only(db, WAL), only(db, ROWS))

    def since(self, before: Self) -> "Written":
        return Written(self.wal - before.wal, self.rows - before.rows)


def database_bytes(db: Connection) -> int:
    db.execute("vacuum")
    (row,) = db.execute("select pg_database_size(current_database()) as bytes").fetchall()
    size: int = row["bytes"]
    return size


def bytes_of_messages(db: Connection) -> dict[str, int]:
    """Of the messages and their words: rows, what is out of line, indexes."""
    (row,) = db.execute(
        """
        select
          sum(pg_relation_size(oid))::bigint as row_bytes,
          sum(pg_total_relation_size(reltoastrelid))::bigint as out_of_line_bytes,
          sum(pg_indexes_size(oid))::bigint as index_bytes
        from pg_class
        where oid in ('gmail_sync.message'::regclass, 'gmail_sync.message_words'::regclass)
        """
    ).fetchall()
    return row


def bytes_of_search(db: Connection) -> dict[str, int]:
    """Of the messages without the search, and of what the search adds."""
    (row,) = db.execute(
        """
        select
          pg_total_relation_size('gmail_sync.message')
            - pg_relation_size('gmail_sync.messages_by_label') as message_bytes,
          pg_total_relation_size('gmail_sync.message_words')
            - pg_relation_size('gmail_sync.messages_by_word') as words_bytes,
          pg_relation_size('gmail_sync.messages_by_word') as word_index_bytes,
          pg_relation_size('gmail_sync.messages_by_label') as label_index_bytes
        """
    ).fetchall()
    return row
