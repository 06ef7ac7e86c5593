"""Start, follow and cancel syncs: the user's own runs only."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from service.accounts.rows import USABLE, get_account
from service.api.asgi import with_slashes
from service.api.auth.tokens import UserRequest
from service.api.events import notify_own_streams
from service.api.fields import AfterTaskId, OptionalMessageId, TaskId, reject_request_body
from service.api.problems import error_responses, problem
from service.api.runs import RunView
from service.postgres.calls import Row
from service.postgres.pool import Pool


class StartedRun(RunView):
    """The run that does what was requested; `created` is false if it existed already."""

    created: bool


class RetriedRun(RunView):
    """The user's latest run; `retried` says how many messages it will fetch again."""

    retried: int


class History(Struct):
    """A page of runs, newest first; `next` is the `before` of the next page."""

    runs: list[RunView]
    next: str | None


class FailedMessage(Struct, kw_only=True):
    """A message that could not be fetched: given up (dead), or retried at retry_at.

    `error_code` is a stable identifier if there is one; `error_message` is for people.
    """

    message_id: str
    attempts: int
    error_code: str | None
    error_message: str | None
    retry_at: datetime | None
    dead: bool


class FailedMessages(Struct):
    """A page of failed messages by id; `next` is the `after` of the next page."""

    messages: list[FailedMessage]
    next: str | None


@post(
    "/api/gmail/sync/smart",
    status_code=202,
    sync_to_thread=True,
    before_request=reject_request_body,
    after_response=notify_own_streams,
    responses=error_responses(400, 401, 409, 429, 503),
)
def start_sync(
    request: UserRequest,
    pool: NamedDependency[Pool],
    force_full: FromQuery[bool] = False,
) -> StartedRun:
    """Start a sync, or return the active one."""
    started = start(pool, request.user.user_id, force_full)
    run = StartedRun.of(pool.row("sync_run", started["task_id"]), created=started["created"])
    if run.created:
        run.message = "Sync started"
    elif run.in_progress and run.phase not in ("queued", "waiting"):
        run.message = f"A sync is already running. {run.message}"
    if run.follow_up:
        run.message += f". Next sync: {run.follow_up}"
    return run


@get(
    "/api/gmail/sync/status",
    sync_to_thread=True,
    responses=error_responses(401, 503),
)
def sync_status(request: UserRequest, pool: NamedDependency[Pool]) -> RunView:
    """The latest run."""
    return RunView.of(pool.row("sync_status", request.user.user_id))


@get(
    "/api/gmail/sync/history",
    sync_to_thread=True,
    responses=error_responses(400, 401, 503),
)
def sync_history(
    request: UserRequest,
    pool: NamedDependency[Pool],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    before: AfterTaskId = None,
) -> History:
    """The runs, newest first, in pages."""
    # One row more than requested shows whether there is a next page.
    rows = pool.rows("sync_history", request.user.user_id, limit + 1, before)
    page = rows[:limit]
    return History([RunView.of(row) for row in page], page[-1]["task_id"] if rows[limit:] else None)


@get(
    "/api/gmail/sync/{task_id:str}",
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 503),
)
def sync_run(request: UserRequest, pool: NamedDependency[Pool], task_id: TaskId) -> RunView:
    """One run."""
    return RunView.of(own_run(pool, request.user.user_id, with_slashes(task_id)))


@post(
    "/api/gmail/sync/{task_id:str}/cancel",
    status_code=200,
    sync_to_thread=True,
    before_request=reject_request_body,
    after_response=notify_own_streams,
    responses=error_responses(400, 401, 404, 503),
)
def cancel_sync(
    request: UserRequest,
    pool: NamedDependency[Pool],
    task_id: TaskId,
) -> RunView:
    """Cancel a run, or its successor."""
    user_id = request.user.user_id
    before = own_run(pool, user_id, with_slashes(task_id))
    cancelled = pool.value("cancel_sync", before["task_id"])
    run = RunView.of(own_run(pool, user_id, before["task_id"]), success=cancelled)
    if not cancelled:
        run.message = f"Nothing to cancel. {run.message}"
    elif not before["is_syncing"]:
        run.message = "The successor of this sync was cancelled"
    return run


@post(
    "/api/gmail/sync/retry-failed",
    status_code=202,
    sync_to_thread=True,
    before_request=reject_request_body,
    after_response=notify_own_streams,
    responses=error_responses(400, 401, 409, 429, 503),
)
def retry_failed(request: UserRequest, pool: NamedDependency[Pool]) -> RetriedRun:
    """Fetch the failed messages again."""
    user_id = request.user.user_id
    retried = retry(pool, user_id)
    run = RetriedRun.of(pool.row("sync_status", user_id), retried=retried)
    run.message = f"Failed messages to retry: {retried:,}" if retried else "Nothing to retry"
    return run


@get(
    "/api/gmail/sync/failed-messages",
    sync_to_thread=True,
    responses=error_responses(400, 401, 503),
)
def list_failed_messages(
    request: UserRequest,
    pool: NamedDependency[Pool],
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    after: OptionalMessageId = None,
) -> FailedMessages:
    """The messages that could not be fetched, in pages."""
    # One row more than requested shows whether there is a next page.
    rows = pool.rows("list_failed_messages", request.user.user_id, limit + 1, after)
    page = msgspec.convert(rows[:limit], list[FailedMessage])
    return FailedMessages(page, page[-1].message_id if rows[limit:] else None)


def start(pool: Pool, user_id: str, force_full: bool) -> Row:
    """The run that `start_sync` started or found. Raises 409 without an account, and TooOften."""
    _require_account(pool, user_id)
    return pool.rows("start_sync", user_id, force_full, "api")[0]


def retry(pool: Pool, user_id: str) -> int:
    """How many failed messages are fetched again. Raises as start() does."""
    _require_account(pool, user_id)
    retried: int = pool.value("retry_failed_messages", user_id, "api")
    return retried


def own_run(pool: Pool, user_id: str, task_id: str) -> Row:
    """Raises the same 404 for another user's run and for one that does not exist."""
    row = pool.row("sync_run", task_id)
    if row is None or row["user_id"] != user_id:
        raise problem(404, "no_such_sync", "You have no sync with this task_id.")
    return row


def _require_account(pool: Pool, user_id: str) -> None:
    """Raises 409 unless Google allows access (DESIGN.md, section 5: start does not check)."""
    account = get_account(pool, user_id)
    if account and account.status in USABLE:
        # Only a sync can find out that Google allows a suspended account again.
        return
    if account is None or account.status == "disconnected":
        detail = "No Gmail account is connected. Connect one, then sync."
    else:
        detail = f"Google no longer allows access to {account.email}. Connect it again, then sync."
    if account and account.status_reason:
        detail += f" Google said: {account.status_reason}"
    raise problem(409, "account_not_connected", detail)


ROUTES = [
    start_sync,
    sync_status,
    sync_history,
    sync_run,
    cancel_sync,
    retry_failed,
    list_failed_messages,
]
