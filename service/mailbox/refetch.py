"""Waits for the run that refetches differing messages, and lists those that failed."""

import time
from collections.abc import Callable, Iterable

from service.postgres.calls import FunctionCaller, Row

POLL_SECONDS = 0.5
# How long a run may wait while there is no worker: one may be starting.
PICK_UP_SECONDS = 10.0
# The largest page of list_failed_messages.
PAGE = 500


def wait_for_run(
    caller: FunctionCaller,
    user_id: str,
    on_poll: Callable[[Row], None] = lambda run: None,
    pick_up_seconds: float = PICK_UP_SECONDS,
) -> Row | None:
    """The user's latest run, once it has ended; None if there is no worker to execute it.

    on_poll is called with the run at each poll. Runs are rows of sync_status.
    """
    gives_up_at = time.monotonic() + pick_up_seconds
    while (run := caller.row("sync_status", user_id)) and run["is_syncing"]:
        on_poll(run)
        if run["claimed_at"] is not None or caller.value("sync_health")["workers"]:
            gives_up_at = time.monotonic() + pick_up_seconds
        elif time.monotonic() > gives_up_at:
            return None
        time.sleep(POLL_SECONDS)
    return run


def failed_messages(caller: FunctionCaller, user_id: str, message_ids: Iterable[str]) -> list[Row]:
    """The messages among these that could not be fetched, as rows of list_failed_messages."""
    wanted = set(message_ids)
    failed: list[Row] = []
    after = None
    while rows := caller.rows("list_failed_messages", user_id, PAGE, after):
        failed += [row for row in rows if row["message_id"] in wanted]
        after = rows[-1]["message_id"]
    return failed
