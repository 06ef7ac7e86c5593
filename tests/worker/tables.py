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
    tables = [rows_of(db, user_id, table) for table in ("message", "attachment", "label")]
    return *tables, words(db, user_id)


def rows_of(db: Connection, user_id: str, table: str) -> list[Row]:
    return db.execute(
        f"select to_jsonb(t) - array['user_id', 'change_number'] as row"
        f" from gmail_sync.{table} t where user_id = %s order by to_jsonb(t)::text",
        [user_id],
    ).fetchall()


def words(db: Connection, user_id: str) -> list[Row]:
    """The words of each message, once all have been found."""
    while db.execute("select from gmail_sync.index_queue where user_id = %s", [user_id]).rowcount:
        db.execute("select gmail_sync.index_messages(1000)")
    return db.execute(
        # A word begins with a key of its user, which also decides its place.
        "select t.message_id, array("
        "  select concat(replace(w.lexeme, gmail_sync._search_key(t.user_id), ''), w.positions)"
        "  from unnest(t.words) w order by 1"
        ") as words"
        " from gmail_sync.message_words t where t.user_id = %s order by t.message_id",
        [user_id],
    ).fetchall()
