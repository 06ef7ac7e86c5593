"""Calls of the stored functions, and nothing else: one function, one statement, autocommit.

No transaction is ever open on the client's side, so whatever becomes of this process the server
finishes or undoes what it was asked (DESIGN.md, section 5).
"""

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import cache
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import DiagnosticField
from psycopg.rows import dict_row
from psycopg.types.array import ListBinaryDumper
from psycopg_pool import ConnectionPool

from service.postgres.errors import sync_error

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

# A server that has become unreachable is given up after so long, in seconds.
CONNECT_SECONDS = 10
# How long a request waits for a connection before it is told that there is none.
POOL_SECONDS = 3
KEEPALIVE_SECONDS = 20
# For a client that stops in the middle, and for locks: no statement of ours takes long.
SESSION = (
    "-c statement_timeout=60s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s"
    " -c timezone=UTC"
    # A plan must hold for any user. Planned for one of whom the statistics know nothing yet, the
    # functions would visit all of the user's mail where a look-up by key is due.
    " -c plan_cache_mode=force_generic_plan -c jit=off"
)
# Undone by the server for reasons that lie in the moment: deadlock, serialization, lock timeout.
TRANSIENT_SQLSTATES = frozenset({"40P01", "40001", "55P03"})
TRIES = 4
# SQLSTATEs, by how they begin, whose messages tell of the schema, a lock or the server. Those of
# others, such as 22P02 (invalid input syntax) and 42601 (of a search, too), may quote a value.
SAFE_SQLSTATES = (
    "08", "23", "25", "28", "3D", "3F", "40", "425", "427", "428", "42P", "53", "54", "55", "57",
    "58",
)  # fmt: skip


def is_outage(error: psycopg.Error) -> bool:
    """Whether the server could not be reached or was shutting down, rather than refused a call."""
    state = error.sqlstate
    return isinstance(error, psycopg.OperationalError) and (
        state is None or state[:2] in ("08", "53") or state.startswith("57P")
    )


def redacted(error: psycopg.Error) -> psycopg.Error:
    """An error of the same class that may stand in a log, in the end of a run, on a terminal.

    DETAIL, CONTEXT and some messages quote a row or the arguments of a call, and so mail and
    credentials. Raise it `from None`: a traceback tells what an error came from.
    """
    said = error.diag
    if said.sqlstate is None:
        # Not the server's: a connection that broke, or an answer that cannot be read.
        return type(error)("not readable") if isinstance(error, psycopg.DataError) else error
    told = said.message_primary if said.sqlstate.startswith(SAFE_SQLSTATES) else None
    words = told or type(error).__name__
    fields = {
        DiagnosticField.SQLSTATE: said.sqlstate,
        DiagnosticField.MESSAGE_PRIMARY: words,
        DiagnosticField.TABLE_NAME: said.table_name or "",
        DiagnosticField.CONSTRAINT_NAME: said.constraint_name or "",
    }
    return type(error)(
        f"{words} (SQLSTATE {said.sqlstate})",
        info={field: value.encode() for field, value in fields.items()},
    )


def connection_string(url: str, application_name: str) -> str:
    """A libpq URL with our timeouts; what the URL says itself wins."""
    given = conninfo_to_dict(url)
    ours: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": KEEPALIVE_SECONDS // 2,
        "keepalives_interval": KEEPALIVE_SECONDS // 4,
        "keepalives_count": 2,
        "tcp_user_timeout": KEEPALIVE_SECONDS * 1000,
    }
    options = f"{SESSION} {given.pop('options', '')}".strip()
    return make_conninfo("", **{**ours, **given, "options": options})


def connect(url: str, application_name: str) -> Connection:
    """One connection in autocommit. Raises psycopg.OperationalError."""
    connection = psycopg.connect(
        connection_string(url, application_name),
        autocommit=True,
        # Statements are function calls, cheap to plan, and poolers dislike prepared ones.
        prepare_threshold=None,
        row_factory=dict_row,
    )
    # As text, the bytes of raw mail in a list are escaped, to more than twice their size.
    connection.adapters.register_dumper(list, ListBinaryDumper)
    return connection


class DatabaseClock:
    """The database's time, whatever this machine's clock says. `now` is its time just now."""

    def __init__(self, now: datetime) -> None:
        self._start = now
        self._started_at = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._started_at)


class FunctionCaller(ABC):
    """Calls functions of schema gmail_sync by name."""

    @abstractmethod
    def rows(self, function: str, *arguments: object, **named: object) -> list[Row]:
        """The rows a function returns. Raises SyncError, else psycopg.Error without_data."""

    def row(self, function: str, *arguments: object, **named: object) -> Row | None:
        """The first row, or None when there is none."""
        return next(iter(self.rows(function, *arguments, **named)), None)

    def value(self, function: str, *arguments: object, **named: object) -> Any:
        """What a function returns that returns one value."""
        row = self.row(function, *arguments, **named)
        return next(iter(row.values())) if row else None


class Connected(FunctionCaller):
    """Calls functions over connections of its own."""

    @abstractmethod
    def connection(self) -> AbstractContextManager[Connection]: ...

    def rows(self, function: str, *arguments: object, **named: object) -> list[Row]:
        statement = _call(function, len(arguments), tuple(named))
        for remaining in reversed(range(TRIES)):
            try:
                with self.connection() as connection:
                    return connection.execute(statement, [*arguments, *named.values()]).fetchall()
            except psycopg.Error as error:
                if error.sqlstate in TRANSIENT_SQLSTATES and remaining:
                    time.sleep(random.uniform(0.01, 0.1))
                    continue
                raise (sync_error(error) or redacted(error)) from None
        raise AssertionError("unreachable")


@cache
def _call(function: str, arguments: int, named: tuple[str, ...]) -> str:
    """The statement of a call; always the same few, and composing one costs more than sending."""
    placeholders = [
        *(sql.SQL("%s") for _ in range(arguments)),
        *(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in named),
    ]
    return (
        sql.SQL("select * from {}({})")
        .format(sql.Identifier("gmail_sync", function), sql.SQL(", ").join(placeholders))
        .as_string()
    )


class Pool(Connected):
    """Functions over a pool, for threads that serve requests."""

    def __init__(self, url: str, application_name: str, max_size: int) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_string(url, application_name),
            connection_class=psycopg.Connection[Row],
            kwargs={"autocommit": True, "prepare_threshold": None, "row_factory": dict_row},
            min_size=1,
            max_size=max_size,
            timeout=POOL_SECONDS,
            check=ConnectionPool.check_connection,
            open=False,
            name=application_name,
        )

    def connection(self) -> AbstractContextManager[Connection]:
        return self._pool.connection()

    def __enter__(self) -> Self:
        self._pool.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._pool.close(timeout=CONNECT_SECONDS)


class Session(Connected):
    """Functions over one connection that heals: a broken one is replaced at the next call.

    Safe to share between threads; their calls queue up.
    """

    def __init__(self, url: str, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with self._lock:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._url, self._application_name)
            yield self._connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
