"""What operators see of other people's data, noted in the audit trail."""

import threading
import time

from psycopg.types.json import Jsonb

from service.postgres.calls import FunctionCaller

# A page that asks again and again is one look.
QUIET_SECONDS = 60


class OperatorAccessLog:
    """Notes each operator's look at a view, at most once a minute in this process."""

    def __init__(self, functions: FunctionCaller) -> None:
        self._functions = functions
        self._noted: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def note(self, actor: str, view: str) -> None:
        """To be called before anything is shown. Raises psycopg.Error: what is not noted is not
        shown. Other people's ids are no part of the note: it outlives their accounts.
        """
        with self._lock:
            now = time.monotonic()
            self._noted = {key: at for key, at in self._noted.items() if now - at < QUIET_SECONDS}
            if (actor, view) in self._noted:
                return
            self._functions.value(
                "record_audit_event", "operator_read", actor, Jsonb({"view": view})
            )
            self._noted[actor, view] = now
