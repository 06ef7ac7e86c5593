"""What tests look at in the tables a sync writes."""

from service.postgres.calls import Connection, Row


def account_row(db: Connection) -> Row:
    row = db.execute("select * from gmail_sync.account").fetchone()
    assert row is not None
    return row


def queue(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.fetch_queue order by message_id").fetchall()


def messages(db: Connection) -> dict[str, Row]:
    """All messages by id, tombstones included."""
    rows = db.execute("select * from gmail_sync.message").fetchall()
    return {row["message_id"]: row for row in rows}


def stored(db: Connection) -> dict[str, Row]:
    """The messages that are there, by id."""
    return {key: row for key, row in messages(db).items() if row["deleted_at"] is None}


def contents(db: Connection, user_id: str) -> tuple[list[Row], ...]:
    """Everything a sync brings, but for what may differ between two equal mailboxes."""
    return tuple(
        db.execute(
            # A word begins with a key of its user.
            f"select replace((to_jsonb(t) - array['user_id', 'change_number'])::text,"
            f" gmail_sync._search_key(user_id), '') as row"
            f" from gmail_sync.{table} t where user_id = %s order by 1",
            [user_id],
        ).fetchall()
        for table in ("message", "attachment", "label", "message_words")
    )
