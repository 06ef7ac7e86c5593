"""Operators' actions: what a DBA can do from psql. Each is recorded before it is performed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from litestar import post
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery
from msgspec import Struct
from psycopg.types.json import Jsonb

from service.accounts.rows import get_account
from service.api.auth.tokens import UserRequest
from service.api.fields import reject_request_body
from service.api.links import Connection
from service.api.problems import error_responses, problem
from service.postgres.calls import FunctionCaller, Row
from service.postgres.pool import Pool
from service.postgres.user_id import USER_ID


@dataclass(frozen=True)
class OperatorAction:
    """`run` gets the user id, which is empty unless the action is `for_one_user`.

    `destructive`: it ends or deletes something, so the page asks for confirmation.
    """

    run: Callable[[FunctionCaller, str], list[Row]]
    for_one_user: bool = False
    destructive: bool = False


class ActionResponse(Struct):
    """The rows that the action's function returned. Intervals are in seconds."""

    action: str
    rows: list[dict[str, Any]]


def operators_only(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: raises 403 unless the user is an operator. Anybody may ask for methods."""
    method = connection.scope["method"]  # type: ignore[typeddict-item]  # a request, no socket
    if method != "OPTIONS" and not connection.user.is_operator:
        raise problem(403, "operators_only", "This needs a token with the scope `operator`.")


def perform(functions: FunctionCaller, actor: str, name: str, user_id: str = "") -> list[Row]:
    """Record an action in the audit log, then perform it and return what its function returned.

    Raises 404 for an unknown action or user, and 400 for a user id that is missing or not wanted.
    Raises SyncError and psycopg.Error. If the record fails, the action is not performed.
    """
    action = ACTIONS.get(name)
    if action is None:
        raise problem(404, "no_such_action", f"It is one of {', '.join(ACTIONS)}.")
    if action.for_one_user and not USER_ID.fullmatch(user_id):
        raise problem(400, "user_id_needed", "This needs the id of a user in `user_id`.")
    if user_id and not action.for_one_user:
        raise problem(400, "no_user_id_needed", "This is about all users: leave `user_id` out.")
    record_act(functions, actor, name, user_id if action.for_one_user else None)
    return action.run(functions, user_id)


def record_act(
    functions: FunctionCaller, actor: str, name: str, user_id: str | None = None
) -> None:
    """Record what an operator is about to do, in the audit log."""
    functions.value("record_audit_event", "operator_act", actor, Jsonb({"action": name}), user_id)


def _start(functions: FunctionCaller, user_id: str) -> list[Row]:
    if get_account(functions, user_id) is None:
        raise problem(404, "no_such_user", "No account has this user id.")
    return functions.rows("start_sync", user_id, False, "sql")


def _cancel(functions: FunctionCaller, user_id: str) -> list[Row]:
    run = functions.row("sync_status", user_id)
    if run is None or not run["is_syncing"]:
        return []
    # If another run has taken it over meanwhile, this ends that one.
    return [
        {"task_id": run["task_id"], "cancelled": functions.value("cancel_sync", run["task_id"])}
    ]


ACTIONS = {
    "reap_zombie_syncs": OperatorAction(lambda functions, _: functions.rows("reap_zombie_syncs")),
    "enqueue_due_syncs": OperatorAction(lambda functions, _: functions.rows("enqueue_due_syncs")),
    "check_sync_consistency": OperatorAction(
        lambda functions, _: functions.rows("check_sync_consistency")
    ),
    "repair_sync_consistency": OperatorAction(
        lambda functions, _: functions.rows("repair_sync_consistency"), destructive=True
    ),
    "prune_sync_history": OperatorAction(
        lambda functions, _: functions.rows("prune_sync_history"), destructive=True
    ),
    "start_sync": OperatorAction(_start, for_one_user=True),
    "cancel_sync": OperatorAction(_cancel, for_one_user=True, destructive=True),
    "retry_failed_messages": OperatorAction(
        lambda functions, user_id: functions.rows("retry_failed_messages", user_id),
        for_one_user=True,
    ),
}


@post(
    "/api/operator/{action:str}",
    status_code=200,
    sync_to_thread=True,
    before_request=reject_request_body,
    guards=[operators_only],
    responses=error_responses(400, 401, 403, 404, 503),
)
def perform_action(
    request: UserRequest,
    pool: NamedDependency[Pool],
    action: FromPath[str],
    user_id: FromQuery[str] = "",
) -> ActionResponse:
    """Call a maintenance function. The action is the function's name."""
    rows = perform(pool, request.user.user_id, action, user_id)
    return ActionResponse(action, [in_seconds(row) for row in rows])


def in_seconds(row: Row) -> dict[str, Any]:
    """The row with its intervals as numbers."""
    return {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in row.items()
    }


ROUTES = [perform_action]
