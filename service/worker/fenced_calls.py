"""The calls of one run: fenced by its lease, and repeated while the database is down."""

import time
from contextlib import AbstractContextManager

import psycopg

from service.postgres.calls import (
    TRANSIENT_SQLSTATES,
    Connection,
    FunctionCaller,
    Row,
    is_outage,
)
from service.worker.lease import Lease

RETRY_SECONDS = 0.5


class FencedCalls(FunctionCaller):
    """Calls functions whose first argument is the task.

    Each call is safe to repeat when its result is lost. So an outage of the database is waited out
    for as long as the lease holds. Raises LeaseLost, and psycopg.Error for any other failure.
    """

    def __init__(self, session: FunctionCaller, lease: Lease) -> None:
        self._session = session
        self._lease = lease
        self.task_id = lease.task_id

    def connection(self) -> AbstractContextManager[Connection]:
        return self._session.connection()

    def rows(self, function: str, *arguments: object, **named: object) -> list[Row]:
        while True:
            self._lease.check()
            try:
                return super().rows(function, self.task_id, *arguments, **named)
            except psycopg.Error as error:
                if not (is_outage(error) or error.sqlstate in TRANSIENT_SQLSTATES):
                    raise
                time.sleep(RETRY_SECONDS)
