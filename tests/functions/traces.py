"""A user of whom every table knows something, and where something is known of a user."""

import uuid

from psycopg import sql
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    email_of,
    gets,
    insert_run,
    listed,
    message,
    queued,
    store,
    taken,
)

USER = "ann-4711"
ADDRESS = email_of(USER)


def places(db: Connection, word: str) -> list[str]:
    """The tables of the schema that hold a word anywhere in a row, jsonb, arrays and bytes too."""
    tables = db.execute(
        "select relname from pg_class"
        " where relnamespace = 'gmail_sync'::regnamespace and relkind in ('r', 'p', 'm')"
    ).fetchall()
    assert len(tables) > 12
    found = []
    for row in tables:
        table = sql.Identifier("gmail_sync", row["relname"])
        query = sql.SQL(
            "select 1 from {} t where strpos(t::text, {}) > 0 or strpos(t::text, {}) > 0 limit 1"
        ).format(table, sql.Literal(word), sql.Literal(word.encode().hex()))
        if db.execute(query).fetchone():
            found.append(row["relname"])
    return found


def lived_in(functions: Session, db: Connection, user: str = USER) -> str:
    """A user of whom every table knows something; the task_id of the run under way."""
    functions.value("connect_account", user, email_of(user), f"sealed {user}".encode())
    insert_run(db, task_id=f"sync_{user}_00000000_1", user_id=user, is_syncing=True)
    db.execute(
        "insert into gmail_sync.repair_log (source, user_id, action, rules, original)"
        " values ('test', %s, 'repaired', '{}', %s)",
        [user, Jsonb({"user_id": user})],
    )
    functions.value("cancel_sync", f"sync_{user}_00000000_1")
    task_id = queued(functions, user)
    assert functions.value("claim_sync", uuid.uuid4()) == task_id
    listed(functions, task_id, "a", "b", "c", token="more")
    attachment = {
        "part_id": "1",
        "filename": f"{user}.pdf",
        "mime_type": "application/pdf",
        "size": 1,
        "content_id": None,
        "inline": False,
    }
    store(functions, task_id, message("a", "INBOX", body_text=user, attachments=[attachment]))
    # By hand, because index_messages would index others too.
    db.execute("insert into gmail_sync.message_words values (%s, 'a', now(), '')", [user])
    db.execute("insert into gmail_sync.index_backlog values (%s)", [user])
    labels = [{"id": f"L-{user}", "name": "Work", "type": "user"}]
    functions.rows("store_labels", task_id, Jsonb(labels))
    functions.rows("store_label_page", task_id, f"L-{user}", ["a"], False)
    taken(functions, task_id, 1)
    functions.value("reserve_run_quota", task_id, gets())
    functions.value(
        "mark_credentials_rejected", user, f"sealed {user}".encode(), "account_blocked", "why"
    )
    functions.value("record_audit_event", "operator_read", user, Jsonb({"view": "health"}))
    return task_id
