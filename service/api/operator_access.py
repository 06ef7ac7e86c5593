"""The audit log's record of operators who read other users' data."""

import threading
import time

from psycopg.types.json import Jsonb

from service.postgres.calls import FunctionCaller

# Reads of the same view within this time are one record.
REPEAT_SECONDS = 60


class OperatorAccessLog:
    """Records each operator's read of a view, at most once a minute in this process."""

    def __init__(self, functions: FunctionCaller) -> None:
        self._functions = functions
        self._recorded_at: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def record(self, actor: str, view: str) -> None:
        """Call this before the data is shown: if the record fails, nothing is shown.

        The record holds no ids of other users, because it outlives their accounts.
        Raises psycopg.Error.
        """
        with self._lock:
            now = time.monotonic()
            self._recorded_at = {
                key: at for key, at in self._recorded_at.items() if now - at < REPEAT_SECONDS
            }
            if (actor, view) in self._recorded_at:
                return
            self._functions.value(
                "record_audit_event", "operator_read", actor, Jsonb({"view": view})
            )
            self._recorded_at[actor, view] = now
