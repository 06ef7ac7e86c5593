"""Operators' lists, in pages: what the operators' page shows, for programs too."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from service.accounts.rows import AccountStatus, ContentMode
from service.api.auth.tokens import UserRequest
from service.api.fields import UserIdFilter
from service.api.operator import in_seconds, operators_only
from service.api.operator_access import OperatorAccessLog
from service.api.problems import error_responses
from service.postgres.calls import FunctionCaller, Row
from service.postgres.pool import Pool

T = TypeVar("T")
Cause = FromQuery[Literal["zombie", "silent", "stalled", "clock_skew"] | None]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
WorkerId = Annotated[str | None, QueryParameter(pattern="^[0-9A-Fa-f-]{1,36}$")]

operators_get = partial(
    get,
    sync_to_thread=True,
    guards=[operators_only],
    responses=error_responses(400, 401, 403, 503),
)


class RunningSync(Struct):
    """A run that is queued or claimed. A run with a `cause` is a zombie, which the reaper ends."""

    user_id: str
    task_id: str
    phase: str
    progress: int
    done: int
    found: int
    silent_for: float
    worker: str | None
    cause: str | None


class ListedAccount(Struct):
    """An account; `sync_interval` is that of the account, if it has one."""

    user_id: str
    email: str
    status: AccountStatus
    status_code: str | None
    status_reason: str | None
    content_mode: ContentMode
    quota_profile: str
    sync_interval: float | None
    connected_at: datetime


class AccountToReconnect(Struct):
    """An account that Google rejects, since `refused_at`."""

    user_id: str
    email: str
    status: AccountStatus
    status_code: str | None
    status_reason: str | None
    refused_at: datetime | None


class DeadLetters(Struct):
    """Messages of a user that were given up for the same reason, with the id of one of them.

    If `is_estimate`, there may be more.
    """

    user_id: str
    error_code: str | None
    error_message: str | None
    messages: int
    is_estimate: bool
    example: str


class Worker(Struct):
    """A worker; `living_slots` of its `capacity` work, and `busy` have a run."""

    worker: str
    version: str
    started_at: datetime
    seen_for: float
    alive: bool
    busy: int
    capacity: int
    living_slots: int
    dropped_log_lines: int


class RunningSyncs(Struct):
    """A page; `next` is the `after` of the next page. Lengths of time are in seconds."""

    rows: list[RunningSync]
    next: str | None


class Accounts(Struct):
    """A page; `next` is the `after` of the next page. Lengths of time are in seconds."""

    rows: list[ListedAccount]
    next: str | None


class AccountsToReconnect(Struct):
    """A page; `next` is the `after` of the next page."""

    rows: list[AccountToReconnect]
    next: str | None


class DeadLettersByUser(Struct):
    """A page; `next` is the `after` of the next page."""

    rows: list[DeadLetters]
    next: str | None


class Workers(Struct):
    """A page; `next` is the `after` of the next page."""

    rows: list[Worker]
    next: str | None


class Page(NamedTuple):
    """Rows of a function, and the `after` of the next page."""

    rows: list[Row]
    next: str | None


def page_of(
    functions: FunctionCaller, function: str, limit: int, after: str | None, **filters: str | None
) -> Page:
    """The rows of `limit` users, or of as many workers."""
    # One user more than requested shows whether there is a next page.
    rows = functions.rows(function, p_limit=limit + 1, p_after=after, **filters)
    key = "worker" if function == "list_workers" else "user_id"
    keys = list(dict.fromkeys(row[key] for row in rows))
    if len(keys) <= limit:
        return Page(rows, None)
    return Page([row for row in rows if row[key] != keys[-1]], keys[-2])


def running_syncs(
    functions: FunctionCaller,
    limit: int,
    after: str | None,
    user_id: str | None,
    cause: str | None,
    worker: str | None,
) -> Page:
    """A page by cause may have few rows, or none, and a next page nevertheless."""
    page = page_of(
        functions,
        "list_running_syncs",
        limit,
        after,
        p_user_id=user_id,
        p_cause=cause,
        p_worker=worker,
    )
    if page.next or not cause or user_id or worker:
        return page
    return Page(page.rows, functions.value("running_syncs_read_to", limit + 1, after))


@operators_get("/api/operator/running-syncs")
def list_running_syncs(
    request: UserRequest,
    pool: NamedDependency[Pool],
    access_log: NamedDependency[OperatorAccessLog],
    limit: Limit = 50,
    after: UserIdFilter = None,
    user_id: UserIdFilter = None,
    cause: Cause = None,
    worker: WorkerId = None,
) -> RunningSyncs:
    """The runs of all users that are queued or claimed, by user id.

    By cause, a page reads 3,000 runs, so it may have no rows and a next page.
    """
    access_log.record(request.user.user_id, "running_syncs")
    return _listed(RunningSyncs, running_syncs(pool, limit, after, user_id, cause, worker))


@operators_get("/api/operator/accounts")
def list_accounts(
    request: UserRequest,
    pool: NamedDependency[Pool],
    access_log: NamedDependency[OperatorAccessLog],
    limit: Limit = 50,
    after: UserIdFilter = None,
    user_id: UserIdFilter = None,
) -> Accounts:
    """The accounts of all users, by user id."""
    access_log.record(request.user.user_id, "accounts")
    return _listed(Accounts, page_of(pool, "list_accounts", limit, after, p_user_id=user_id))


@operators_get("/api/operator/accounts-to-reconnect")
def list_accounts_to_reconnect(
    request: UserRequest,
    pool: NamedDependency[Pool],
    access_log: NamedDependency[OperatorAccessLog],
    limit: Limit = 50,
    after: UserIdFilter = None,
    user_id: UserIdFilter = None,
) -> AccountsToReconnect:
    """The accounts that Google rejects, by user id."""
    access_log.record(request.user.user_id, "accounts_to_reconnect")
    return _listed(
        AccountsToReconnect,
        page_of(pool, "list_accounts_to_reconnect", limit, after, p_user_id=user_id),
    )


@operators_get("/api/operator/dead-letters")
def list_dead_letters(
    request: UserRequest,
    pool: NamedDependency[Pool],
    access_log: NamedDependency[OperatorAccessLog],
    limit: Limit = 50,
    after: UserIdFilter = None,
    user_id: UserIdFilter = None,
) -> DeadLettersByUser:
    """The messages that were given up, by user id and reason. `limit` is a number of users."""
    access_log.record(request.user.user_id, "dead_letters")
    return _listed(
        DeadLettersByUser, page_of(pool, "list_dead_letters", limit, after, p_user_id=user_id)
    )


@operators_get("/api/operator/workers")
def list_workers(
    pool: NamedDependency[Pool],
    limit: Limit = 50,
    after: WorkerId = None,
) -> Workers:
    """The workers with a heartbeat within the last day, by id. This names no users."""
    return _listed(Workers, page_of(pool, "list_workers", limit, after))


def _listed(kind: type[T], page: Page) -> T:
    return msgspec.convert(
        {"rows": [in_seconds(row) for row in page.rows], "next": page.next}, kind
    )


ROUTES = [
    list_running_syncs,
    list_accounts,
    list_accounts_to_reconnect,
    list_dead_letters,
    list_workers,
]
