"""What tests look at in the tables a sync writes."""

from service.postgres.calls import Connection, Row

WAITING = "select from gmail_sync.index_queue where user_id in (%s, %s)"
TABLE_ROWS = (
    "select to_jsonb(t) - array['user_id', 'change_number', 'created_number'] as {0}"
    " from gmail_sync.{0} t where user_id = %s"
)
# A word begins with a key of its user.
WORDS = (
    "select t.message_id, right(w.lexeme, -length(gmail_sync._search_key(t.user_id))) as word,"
    " w.positions from gmail_sync.message_words t, unnest(t.words) w where t.user_id = %s"
)


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


def differences(db: Connection, user_id: str, other: str) -> list[Row]:
    """What a sync brought to one of two users only, but for what may differ between them.

    At most ten rows of each table: pytest would take gigabytes to compare two mailboxes.
    """
    while db.execute(WAITING, [user_id, other]).rowcount:
        db.execute("select gmail_sync.index_messages(1000)")
    return [
        row
        for rows in (*map(TABLE_ROWS.format, ("message", "attachment", "label")), WORDS)
        for one, two in ((user_id, other), (other, user_id))
        for row in db.execute(f"{rows} except {rows} limit 10", [one, two])
    ]
