"""Calls of the stored functions, and nothing else: one function, one statement, autocommit.

The client never holds a transaction open. If this process dies, the server finishes or undoes the
call by itself (DESIGN.md, section 5).
"""

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import DiagnosticField, TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.array import ListBinaryDumper

from db.connection import is_read_only, with_options
from db.session import CLIENT_ENCODING, PINNED, options, pin_late
from service import telemetry
from service.postgres.errors import UserElsewhere, sync_error

Row = dict[str, Any]
Connection = psycopg.Connection[Row]
T = TypeVar("T")

# An attempt to connect. An unreachable server is tried again soon, so that its return is noticed.
CONNECT_SECONDS = 5
# A connection whose server stops responding is closed after this time.
KEEPALIVE_SECONDS = 20
# The timeouts end calls of a client that hangs and waits for locks. None of our calls takes long.
SESSION = PINNED | {
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    # A plan must suit every user. A plan made for a user without statistics would scan all of the
    # user's mail instead of using the key.
    "plan_cache_mode": "force_generic_plan",
}
# Deadlock, serialization failure, lock timeout, a user who moves to another node: the same call can
# succeed a moment later.
TRANSIENT_SQLSTATES = frozenset({"40P01", "40001", "55P03", UserElsewhere.sqlstate})
MAX_ATTEMPTS = 4
# Prefixes of SQLSTATEs whose messages name only the schema, a lock or the server. Messages of
# others, such as 22P02 (invalid input syntax) and 42601 (syntax error), may quote a value.
SAFE_SQLSTATES = (
    "08", "23", "25", "28", "3D", "3F", "40", "425", "427", "428", "42P", "53", "54", "55", "57",
    "58",
)  # fmt: skip
# Makes a call a part of the current trace, so that a run that it starts goes on in it. A filter of
# no row is evaluated once, before the function. The setting ends with the statement.
IN_TRACE = " where (select pg_catalog.set_config('gmail_sync.traceparent', %s, true)) is not null"


def is_outage(error: psycopg.Error) -> bool:
    """Whether the server could not be reached or written, or was shutting down.

    Otherwise it refused a call.
    """
    state = error.sqlstate
    return is_read_only(error) or (
        isinstance(error, psycopg.OperationalError)
        and (state is None or state[:2] in ("08", "53") or state.startswith("57P"))
    )


def redacted(error: psycopg.Error) -> psycopg.Error:
    """An error of the same class that is safe to log, to store and to show.

    DETAIL, CONTEXT and some messages quote a row or the arguments of a call, and so mail and
    credentials. Raise it `from None`, because a traceback shows the original error.
    """
    diagnostics = error.diag
    if diagnostics.sqlstate is None:
        # Not from the server: the connection broke, or the result could not be read.
        return type(error)("not readable") if isinstance(error, psycopg.DataError) else error
    is_safe = diagnostics.sqlstate.startswith(SAFE_SQLSTATES)
    message = (is_safe and diagnostics.message_primary) or type(error).__name__
    fields = {
        DiagnosticField.SQLSTATE: diagnostics.sqlstate,
        DiagnosticField.MESSAGE_PRIMARY: message,
        DiagnosticField.TABLE_NAME: diagnostics.table_name or "",
        DiagnosticField.CONSTRAINT_NAME: diagnostics.constraint_name or "",
    }
    return type(error)(
        f"{message} (SQLSTATE {diagnostics.sqlstate})",
        info={field: value.encode() for field, value in fields.items()},
    )


def connection_string(url: str, application_name: str) -> str:
    """A libpq URL with our settings and timeouts; parameters of the URL take precedence."""
    parameters = with_options(
        url,
        options(SESSION),
        application_name=application_name,
        client_encoding=CLIENT_ENCODING,
        target_session_attrs="read-write",
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=KEEPALIVE_SECONDS // 2,
        keepalives_interval=KEEPALIVE_SECONDS // 4,
        keepalives_count=2,
        tcp_user_timeout=KEEPALIVE_SECONDS * 1000,
    )
    return make_conninfo("", **parameters)


def connect(url: str, application_name: str) -> Connection:
    """One connection in autocommit. Raises psycopg.OperationalError."""
    connection = psycopg.Connection[Row].connect(connection_string(url, application_name))
    configure(connection)
    return connection


def configure(connection: Connection) -> None:
    """Set up a new connection for calls of functions."""
    connection.autocommit = True
    pin_late(connection)
    # Function calls are cheap to plan, and poolers do not support prepared statements well.
    connection.prepare_threshold = None
    connection.row_factory = dict_row
    # As text, the bytes of raw mail in a list are escaped, to more than twice their size.
    connection.adapters.register_dumper(list, ListBinaryDumper)


def check(connection: Connection) -> None:
    """Raise psycopg.Error unless the connection works and can write."""
    connection.execute("")
    # The server reports both after each statement, and a pooler may not.
    for name in ("in_hot_standby", "default_transaction_read_only"):
        if connection.info.parameter_status(name) == "on":
            raise psycopg.errors.ReadOnlySqlTransaction(f"the database is read-only: {name} is on")


class FunctionCaller(ABC):
    """Calls functions of schema gmail_sync by name. Raises SyncError and redacted psycopg.Error."""

    @abstractmethod
    def connection(self) -> AbstractContextManager[Connection]: ...

    def rows(self, function: str, *arguments: object, **named: object) -> list[Row]:
        """All rows that a function returns."""
        statement = _call(function, len(arguments), tuple(named))
        values = [*arguments, *named.values()]
        if traceparent := telemetry.traceparent():
            statement, values = statement + IN_TRACE, [*values, traceparent]
        for remaining in reversed(range(MAX_ATTEMPTS)):
            try:
                with self.connection() as connection:
                    return _rows(connection, statement, values)
            except psycopg.Error as error:
                if error.sqlstate in TRANSIENT_SQLSTATES and remaining:
                    time.sleep(random.uniform(0.01, 0.1))
                    continue
                raise (sync_error(error) or redacted(error)) from None
        raise AssertionError("unreachable")

    def rows_as(self, kind: type[T], function: str, *arguments: object, **named: object) -> list[T]:
        """All rows, each as a struct; columns that it lacks are left out."""
        return msgspec.convert(self.rows(function, *arguments, **named), list[kind])  # type: ignore[valid-type]

    def row(self, function: str, *arguments: object, **named: object) -> Row | None:
        """The first row, or None when there is none."""
        return next(iter(self.rows(function, *arguments, **named)), None)

    def row_as(self, kind: type[T], function: str, *arguments: object, **named: object) -> T | None:
        """The first row as a struct, or None when there is none."""
        return next(iter(self.rows_as(kind, function, *arguments, **named)), None)

    def value(self, function: str, *arguments: object, **named: object) -> Any:
        """The result of a function that returns one value."""
        row = self.row(function, *arguments, **named)
        return next(iter(row.values())) if row else None


def _rows(connection: Connection, statement: str, arguments: list[object]) -> list[Row]:
    try:
        return connection.execute(statement, arguments).fetchall()
    except psycopg.Error as error:
        if is_read_only(error):
            # The next call connects again, and so finds a server that can write.
            connection.close()
        raise


class DatabaseClock:
    """The database's time, independent of this machine's clock.

    Each reading asks the database, because its clock may be set while this process waits.
    """

    def __init__(self, calls: FunctionCaller) -> None:
        self._calls = calls

    def now(self) -> datetime:
        """Raises what a call raises."""
        now: datetime = self._calls.value("database_time")
        return now


@cache
def _call(function: str, arguments: int, named: tuple[str, ...]) -> str:
    """The statement of a call, cached: composing one costs more than sending it."""
    placeholders = [
        *(sql.SQL("%s") for _ in range(arguments)),
        *(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in named),
    ]
    return (
        sql.SQL("select * from {}({})")
        .format(sql.Identifier("gmail_sync", function), sql.SQL(", ").join(placeholders))
        .as_string()
    )


class Session(FunctionCaller):
    """Calls functions over one connection; a broken one is replaced at the next call.

    Safe to share between threads, which take turns.
    """

    def __init__(self, url: str, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with self._lock:
            if self._connection and _is_busy(self._connection):
                # An error of this thread cut off the last call: the connection still waits for it.
                self._connection.close()
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._url, self._application_name)
            yield self._connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _is_busy(connection: Connection) -> bool:
    return connection.info.transaction_status == TransactionStatus.ACTIVE
