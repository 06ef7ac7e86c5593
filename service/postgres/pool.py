"""A pool of sessions that works again soon after an outage, however long it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from service.postgres.calls import (
    Connection,
    FunctionCaller,
    Row,
    check,
    configure,
    connection_string,
)

# How long a request waits for a connection before it fails. After the same time the pool stops its
# attempts to connect, whose pauses double. The next request begins new ones.
POOL_SECONDS = 3
# How long a pool may take to end its threads.
CLOSE_SECONDS = 10


class Pool(FunctionCaller):
    """Calls functions over a pool, for threads that serve requests."""

    def __init__(
        self, url: str, application_name: str, max_size: int, seconds: float = POOL_SECONDS
    ) -> None:
        """`seconds` is how long a call waits for a connection."""
        # Why the last attempt failed to provide a connection.
        self._failure: psycopg.Error | None = None
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_string(url, application_name),
            connection_class=self._connection_class(),
            configure=configure,
            min_size=1,
            max_size=max_size,
            timeout=seconds,
            reconnect_timeout=seconds,
            check=self._check,
            open=False,
            name=application_name,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        try:
            with self._pool.connection() as connection:
                self._failure = None
                yield connection
        except PoolTimeout as error:
            raise self._failure or error from None

    def _check(self, connection: Connection) -> None:
        try:
            check(connection)
        except psycopg.Error as error:
            self._failure = error
            connection.close()
            # The others are lost as well. One request would find only two of them.
            self._pool.drain()
            raise

    def _connection_class(self) -> type[Connection]:
        """The pool logs why it cannot connect, but does not report it."""
        pool = self

        class Reporting(psycopg.Connection[Row]):
            @classmethod
            def connect(cls, *arguments: Any, **named: Any) -> Self:
                try:
                    return super().connect(*arguments, **named)
                except psycopg.Error as error:
                    pool._failure = error
                    raise

        return Reporting

    def __enter__(self) -> Self:
        self._pool.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._pool.close(timeout=CLOSE_SECONDS)
