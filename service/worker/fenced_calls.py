"""What one run says to Postgres: fenced by its lease, patient while the server restarts."""

import time

import psycopg

from service.postgres.calls import TRANSIENT_SQLSTATES, FunctionCaller, Row, is_outage
from service.worker.lease import Lease

RETRY_SECONDS = 0.5


class FencedCalls(FunctionCaller):
    """Calls functions whose first argument is the task.

    Each may be repeated when its answer is lost, so while the lease holds an outage of the
    database is waited out. Raises LeaseLost, and psycopg.Error for what waiting cannot mend.
    """

    def __init__(self, session: FunctionCaller, lease: Lease) -> None:
        self._session = session
        self._lease = lease
        self.task_id = lease.task_id

    def rows(self, function: str, *arguments: object, **named: object) -> list[Row]:
        while True:
            self._lease.check()
            try:
                return self._session.rows(function, self.task_id, *arguments, **named)
            except psycopg.Error as error:
                if not (is_outage(error) or error.sqlstate in TRANSIENT_SQLSTATES):
                    raise
                time.sleep(RETRY_SECONDS)
