"""Waits for the run that repairs what an audit found, and says what it could not mend."""

import time
from collections.abc import Callable, Iterable

from service.postgres.calls import FunctionCaller, Row

POLL_SECONDS = 0.5
# How long a run may wait while there is no worker at all: one may just be starting.
PICK_UP_SECONDS = 10.0
# As many as list_failed_messages gives at once.
PAGE = 500


def wait_for_run(
    caller: FunctionCaller,
    user_id: str,
    on_look: Callable[[Row], None] = lambda run: None,
    pick_up_seconds: float = PICK_UP_SECONDS,
) -> Row | None:
    """The user's latest run, once none is running; None when there is no worker to carry it out.

    on_look is told of the run at each look. Rows are those of sync_status.
    """
    gives_up_at = time.monotonic() + pick_up_seconds
    while (run := caller.row("sync_status", user_id)) and run["is_syncing"]:
        on_look(run)
        if run["claimed_at"] is not None or caller.value("sync_health")["workers"]:
            gives_up_at = time.monotonic() + pick_up_seconds
        elif time.monotonic() > gives_up_at:
            return None
        time.sleep(POLL_SECONDS)
    return run


def failed_messages(caller: FunctionCaller, user_id: str, message_ids: Iterable[str]) -> list[Row]:
    """Those of the messages that could not be fetched, as list_failed_messages gives them."""
    wanted = set(message_ids)
    failed: list[Row] = []
    after = None
    while rows := caller.rows("list_failed_messages", user_id, PAGE, after):
        failed += [row for row in rows if row["message_id"] in wanted]
        after = rows[-1]["message_id"]
    return failed
