"""The operators' page: the state of syncs, problems, and buttons for what a DBA can do in psql.

Without scripts each button is a form whose response is the whole page. operator.js replaces parts
of the page by it, and refreshes the page only when the user comes back to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.plugins.problem_details import ProblemDetailsException
from msgspec import Struct

from service.api.auth.tokens import UserRequest
from service.api.operator import ACTIONS, operators_only, perform
from service.api.operator_access import OperatorAccessLog
from service.api.reader import time_zone_of, translator_of
from service.postgres.calls import FunctionCaller, Row
from service.postgres.pool import Pool
from service.web.activity import OUTCOMES, RATES, WAITS, ages, figures
from service.web.pages import Pages

BUCKET = timedelta(minutes=30)
# The rows that a table shows; it counts the others.
MAX_ROWS = 50
COLUMNS = (*OUTCOMES, *WAITS, *RATES)


class ActionForm(Struct, forbid_unknown_fields=True):
    """A button's form."""

    action: str
    user_id: str = ""
    confirmed: bool = False


@dataclass(frozen=True)
class ActionResult:
    """The rows that the action's function returned, or the code of a problem. With neither, the
    action has to be confirmed first."""

    form: ActionForm
    rows: Sequence[Row] | None = None
    problem: str | None = None

    @property
    def is_known(self) -> bool:
        return self.form.action in ACTIONS

    @property
    def is_question(self) -> bool:
        return self.rows is None and self.problem is None


@get("/operator", sync_to_thread=True, guards=[operators_only])
def show(
    request: UserRequest,
    pool: NamedDependency[Pool],
    pages: NamedDependency[Pages],
    access_log: NamedDependency[OperatorAccessLog],
) -> Response[str]:
    access_log.record(request.user.user_id, "operator")
    return _page(request, pages, pool, None)


@post("/operator", status_code=200, sync_to_thread=True, guards=[operators_only])
def perform_action(
    request: UserRequest,
    data: URLEncodedBody[ActionForm],
    pool: NamedDependency[Pool],
    pages: NamedDependency[Pages],
    access_log: NamedDependency[OperatorAccessLog],
) -> Response[str]:
    access_log.record(request.user.user_id, "operator")
    return _page(request, pages, pool, _perform(pool, request.user.user_id, data))


def _perform(functions: FunctionCaller, actor: str, form: ActionForm) -> ActionResult:
    known = ACTIONS.get(form.action)
    if known and known.destructive and not form.confirmed:
        return ActionResult(form)
    try:
        return ActionResult(form, perform(functions, actor, form.action, form.user_id.strip()))
    except ProblemDetailsException as error:
        if not isinstance(error.extra, dict):
            raise
        return ActionResult(form, problem=error.extra["code"])


def _page(
    request: UserRequest, pages: Pages, functions: FunctionCaller, result: ActionResult | None
) -> Response[str]:
    language = translator_of(request)
    activity = functions.rows("sync_activity", p_bucket=BUCKET)
    return pages.page(
        request,
        "operator/operator.html",
        result=result,
        health=functions.value("sync_health"),
        runs=functions.rows("list_running_syncs", MAX_ROWS),
        jobs=functions.rows("scheduler_status"),
        workers=functions.rows("list_workers", MAX_ROWS),
        accounts=functions.rows("list_accounts_to_reconnect", MAX_ROWS),
        dead_letters=functions.rows("list_dead_letters", MAX_ROWS),
        busy=[row for row in activity if any(row[name] for name in COLUMNS)],
        columns=COLUMNS,
        figures=figures(language, time_zone_of(request), activity),
        actions=ACTIONS,
        max_rows=MAX_ROWS,
        age=ages(language),
        when=datetime.fromisoformat,
    )


ROUTES = [show, perform_action]
