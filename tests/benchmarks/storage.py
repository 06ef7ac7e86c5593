"""What mail takes up in Postgres, beside the mbox it came from and the xz of that.

How much the database grows by a first sync, vacuumed: tables, indexes (that of the search too), the
ids of the listing. Of attachments mode full keeps the list, mode raw keeps them within the raw
message.
"""

import lzma
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

from service.postgres.calls import Connection
from service.simulator import load
from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import HAM
from tests.benchmarks.machine import SYNC_SECONDS
from tests.benchmarks.postgres import Server, index_all, running_server
from tests.worker.stack import running_stack


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
            before = database_bytes(stack.db)
            messages = stack.sync(SYNC_SECONDS)["new"]
            index_all(stack.db)
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
        own = search.pop("message_bytes")
        yield Figure(
            f"storage_search_{mode}",
            f"what the search adds to a message, mode {mode}",
            f"{own:,.0f} bytes of the message and its other indexes",
            sum(search.values()),
            unit="bytes",
            details={"message_bytes": own, **search},
        )


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
