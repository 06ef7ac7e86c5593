"""Runs in every state, made with the stored functions; time moves by backdating rows."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from service import migrate
from service.gmail.backoff import to_reserve
from service.postgres.calls import Connection, Row, Session, connect
from tests.cluster import fast_cluster

PATIENCE_SECONDS = 20
ZOMBIE_OF_THE_SCHEDULER = "sync_sleeper_0badc0de_1"
Result = TypeVar("Result")


def only(db: Connection, query: str, *parameters: object) -> Any:
    """The one value a query answers."""
    row = db.execute(query, parameters).fetchone()
    assert row is not None, "no row"
    return next(iter(row.values()))


def run_of(db: Connection, task_id: str) -> Row:
    row = db.execute(
        "select * from gmail_sync.user_sync_status where task_id = %s", [task_id]
    ).fetchone()
    assert row is not None, f"no run {task_id}"
    return row


def successor_of(db: Connection, task_id: str) -> Row:
    row = db.execute(
        "select * from gmail_sync.user_sync_status where resumes = %s", [task_id]
    ).fetchone()
    assert row is not None, f"{task_id} has no successor"
    return row


def insert_run(db: Connection, **columns: object) -> None:
    """A row of user_sync_status by hand; task `t` of user `ann` unless said otherwise."""
    values = {"task_id": "t", "user_id": "ann", **columns}
    db.execute(
        sql.SQL("insert into gmail_sync.user_sync_status ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        ),
        list(values.values()),
    )


def age_runs(db: Connection, interval: str) -> None:
    """Move all runs into the past, as if so much time had gone by since."""
    db.execute(
        "alter table gmail_sync.user_sync_status disable trigger user;"
        "update gmail_sync.user_sync_status set"
        f" started_at = started_at - '{interval}'::interval;"
        "alter table gmail_sync.user_sync_status enable trigger user;"
        "update gmail_sync.schedule set"
        f" check_at = check_at - '{interval}'::interval,"
        f" unwatched_since = unwatched_since - '{interval}'::interval,"
        f" checked_at = checked_at - '{interval}'::interval".encode()
    )


def set_run(db: Connection, task_id: str, **columns: object) -> None:
    """Change a running run by hand."""
    db.execute(
        sql.SQL("update gmail_sync.user_sync_status set {} where task_id = %s").format(
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        ),
        [*columns.values(), task_id],
    )


def shift(db: Connection, task_id: str, interval: str, *columns: str) -> None:
    """Move timestamps of a running run by an interval such as '-61 s', from now."""
    db.execute(
        sql.SQL("update gmail_sync.user_sync_status set {} where task_id = %s").format(
            sql.SQL(", ").join(
                sql.SQL("{} = clock_timestamp() + {}::interval").format(
                    sql.Identifier(name), sql.Literal(interval)
                )
                for name in columns
            )
        ),
        [task_id],
    )


def set_settings(db: Connection, **columns: object) -> None:
    for name, value in columns.items():
        db.execute(
            sql.SQL("update gmail_sync.settings set {} = %s").format(sql.Identifier(name)), [value]
        )


def email_of(user: str) -> str:
    return f"{user.replace(' ', '.')}@mail.example"


def connected(functions: Session, user: str = "ann", profile: str = "unlimited") -> str:
    functions.value("connect_account", user, email_of(user), b"sealed", profile)
    return user


def queued(functions: Session, user: str = "ann", **named: object) -> str:
    task_id: str = functions.value("start_sync_idempotent", user, **named)
    return task_id


def claimed(functions: Session, user: str = "ann") -> str:
    """The task_id of a claimed run of a connected account."""
    task_id = queued(functions, connected(functions, user))
    assert functions.value("claim_sync", uuid.uuid4()) == task_id
    return task_id


def busy_user(functions: Session, user: str = "ann") -> str:
    """The task_id of a claimed run of a user with a stored message and one to fetch."""
    task_id = claimed(functions, user)
    listed(functions, task_id, "s", "a")
    store(functions, task_id, message("s"))
    taken(functions, task_id)
    return task_id


def zombie(functions: Session, db: Connection, user: str = "ann") -> str:
    """The task_id of a claimed run that last beat 61 s ago."""
    task_id = claimed(functions, user)
    shift(db, task_id, "-61 s", "updated_at")
    return task_id


def message(message_id: str, *label_ids: str, **columns: object) -> dict[str, object]:
    """A fetched message, as the worker hands it to store_messages."""
    return {
        "message_id": message_id,
        "thread_id": f"t-{message_id}",
        "history_id": "100",
        "internal_date": "1700000000000",
        "label_ids": list(label_ids),
        "subject": f"about {message_id}",
        "sender": "Bo <bo@mail.example>",
        "headers": [{"name": "Subject", "value": f"about {message_id}"}],
        "snippet": "hello",
        "body_text": "hello",
        "size_estimate": 1000,
        "defects": [],
        "attachments": [],
        **columns,
    }


def imported(message_id: str, *label_ids: str, **columns: object) -> dict[str, object]:
    """A message of an export, as an import hands it to stage_imported_messages."""
    parsed = message(message_id, **columns)
    return {
        "import_key": message_id,
        "message_id": message_id,
        "thread_id": parsed["thread_id"],
        "label_ids": label_ids,
        "label_names": [],
        "size": parsed["size_estimate"],
        "parsed": parsed,
    }


def store(functions: Session, task_id: str, *messages: dict[str, object]) -> None:
    functions.rows("store_messages", task_id, Jsonb(messages), [None] * len(messages))


def listed(functions: Session, task_id: str, *message_ids: str, token: str | None = None) -> None:
    """Open the listing where it is not open, and store one page of it."""
    functions.rows("begin_listing", task_id, 1000, len(message_ids))
    functions.rows("store_listing_page", task_id, list(message_ids), token)


def calls(method: str, number: int = 1, answer_format: str = "") -> Jsonb:
    """Calls of Gmail to reserve quota for."""
    return to_reserve({(method, answer_format): number})


def gets(number: int = 1, answer_format: str = "full") -> Jsonb:
    return calls("messages.get", number, answer_format)


def taken(functions: Session, task_id: str, limit: int = 25) -> list[str]:
    return [row["message_id"] for row in functions.rows("take_messages", task_id, limit)]


def history(functions: Session, task_id: str, *records: dict[str, object], **named: object) -> None:
    functions.rows("apply_history", task_id, Jsonb(records), **named)


def record(number: int, kind: str, message_id: str, *label_ids: str) -> dict[str, object]:
    """One history record as Gmail sends it, its duplicate in `messages` included."""
    inner: dict[str, object] = {"id": message_id, "threadId": f"t-{message_id}"}
    event = {"message": inner, **({"labelIds": list(label_ids)} if label_ids else {})}
    return {"id": str(number), "messages": [inner], kind: [event]}


def counts(db: Connection, task_id: str) -> dict[str, int]:
    """The counts of a run that are not zero, checked against each message's bucket."""
    stats: dict[str, int] = run_of(db, task_id)["current_stats"]
    return {name: count for name, count in stats.items() if count}


def stored_messages(db: Connection, user: str = "ann") -> dict[str, Row]:
    rows = db.execute("select * from gmail_sync.message where user_id = %s", [user])
    return {row["message_id"]: row for row in rows}


def queue_of(db: Connection, user: str = "ann") -> dict[str, Row]:
    rows = db.execute("select * from gmail_sync.fetch_queue where user_id = %s", [user])
    return {row["message_id"]: row for row in rows}


def announced(db: Connection, number: int) -> list[str]:
    """The task_ids of the next changes of runs; other notifications as they are."""
    payloads = [notice.payload for notice in db.notifies(timeout=5, stop_after=number)]
    return [json.loads(text)["task_id"] if text[0] == "{" else text for text in payloads]


def somebody_waits_for_a_lock(db: Connection) -> bool:
    return bool(
        only(
            db,
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'",
        )
    )


def together(number: int, act: Callable[[int], Result]) -> list[Result]:
    """What `act(0) … act(number - 1)` return, called by as many threads at the same moment."""
    barrier = Barrier(number)

    def wait_and_act(index: int) -> Result:
        barrier.wait(PATIENCE_SECONDS)
        return act(index)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(wait_and_act, range(number), timeout=60))


@contextmanager
def raises_sqlstate(state: str, constraint: str | None = None) -> Iterator[None]:
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate == state, caught.value
    if constraint is not None:
        assert caught.value.diag.constraint_name == constraint


@pytest.fixture
def sessions(service_url: str) -> Iterator[Callable[[int], list[Session]]]:
    """Makes sessions of the service, each with an open connection of its own."""
    opened: list[Session] = []

    def open_sessions(number: int) -> list[Session]:
        fresh = [Session(service_url, f"test {index}") for index in range(number)]
        opened.extend(fresh)
        for session in fresh:
            session.value("schema_version")
        return fresh

    yield open_sessions
    for session in opened:
        session.close()


@pytest.fixture
def locked(database_url: str) -> Iterator[Callable[[str], psycopg.Connection[Row]]]:
    """Runs a statement in a transaction of its own and leaves it open."""
    opened: list[Connection] = []

    def open_transaction(statement: str) -> Connection:
        connection = connect(database_url, "locker")
        opened.append(connection)
        connection.autocommit = False
        connection.execute(statement)
        return connection

    yield open_transaction
    for connection in opened:
        connection.close()


@pytest.fixture(scope="module")
def cron_url() -> Iterator[str]:
    """The migrated database pg_cron works in, with a zombie for it to find.

    It has a cluster of its own: while pg_cron 1.4 runs a job, its launcher is blocked. Then a
    `drop database` anywhere in its cluster waits for it, up to a minute.
    """
    with fast_cluster() as cluster:
        migrate.upgrade(cluster.url())
        with connect(cluster.url(), "test") as db:
            db.execute(
                "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
                " values (%s, 'sleeper', now() - interval '61 s')",
                [ZOMBIE_OF_THE_SCHEDULER],
            )
        yield cluster.url()
