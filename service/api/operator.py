"""What operators may do: what a DBA can from psql, each act noted before it is done."""

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

from service.api.auth.cookies import Connection
from service.api.auth.tokens import UserRequest
from service.api.fields import reject_request_body
from service.api.problems import error_responses, problem
from service.postgres.calls import FunctionCaller, Pool, Row
from service.postgres.user_id import USER_ID


@dataclass(frozen=True)
class OperatorAction:
    """`do` is given the user's id, which is empty for an act upon nobody in particular. What ends
    or deletes something, is destructive."""

    do: Callable[[FunctionCaller, str], list[Row]]
    of_user: bool = False
    destructive: bool = False


class Done(Struct):
    """What an act did: the rows that its function returned. Intervals are in seconds."""

    act: str
    rows: list[dict[str, Any]]


def operators_only(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: raises 403 for whoever is no operator."""
    if not connection.user.is_operator:
        raise problem(403, "operators_only", "This needs a token with the scope `operator`.")


def perform(functions: FunctionCaller, actor: str, name: str, user_id: str = "") -> list[Row]:
    """Do an act and tell what it did. Raises 404 when there is no such act or user, and 400 when it
    needs a user, or none; SyncError; psycopg.Error. What cannot be noted is not done.
    """
    act = ACTS.get(name)
    if act is None:
        raise problem(404, "no_such_act", f"It is one of {', '.join(ACTS)}.")
    if act.of_user and not USER_ID.fullmatch(user_id):
        raise problem(400, "user_id_needed", "This needs the id of a user in `user_id`.")
    if user_id and not act.of_user:
        raise problem(400, "no_user_id_needed", "This is about all users: leave `user_id` out.")
    functions.value(
        "record_audit_event",
        "operator_act",
        actor,
        Jsonb({"act": name}),
        user_id if act.of_user else None,
    )
    return act.do(functions, user_id)


def _start(functions: FunctionCaller, user_id: str) -> list[Row]:
    if functions.row("list_accounts", user_id) is None:
        raise problem(404, "no_such_user", "No account has this user id.")
    return functions.rows("start_sync", user_id, False, "sql")


def _cancel(functions: FunctionCaller, user_id: str) -> list[Row]:
    run = functions.row("sync_status", user_id)
    if run is None or not run["is_syncing"]:
        return []
    # Should it have been taken over meanwhile, this ends the run that did.
    return [
        {"task_id": run["task_id"], "cancelled": functions.value("cancel_sync", run["task_id"])}
    ]


ACTS = {
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
    "start_sync": OperatorAction(_start, of_user=True),
    "cancel_sync": OperatorAction(_cancel, of_user=True, destructive=True),
    "retry_failed_messages": OperatorAction(
        lambda functions, user_id: functions.rows("retry_failed_messages", user_id), of_user=True
    ),
}


@post(
    "/api/operator/{act:str}",
    status_code=200,
    sync_to_thread=True,
    before_request=reject_request_body,
    guards=[operators_only],
    responses=error_responses(400, 401, 403, 404, 503),
)
def do_act(
    request: UserRequest,
    pool: NamedDependency[Pool],
    act: FromPath[str],
    user_id: FromQuery[str] = "",
) -> Done:
    """Do what a DBA can from psql, under the name of its function."""
    rows = perform(pool, request.user.user_id, act, user_id)
    return Done(act, [_in_seconds(row) for row in rows])


def _in_seconds(row: Row) -> dict[str, Any]:
    return {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in row.items()
    }


ROUTES = [do_act]
