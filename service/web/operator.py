"""The operators' page: how syncs are, what is wrong, and buttons for what a DBA can do from psql.

Without scripts each button is a form that is answered with the whole page; operator.js puts the
parts of that into their places, and asks for nothing by itself but when one comes back to the page.
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
from service.api.operator import ACTS, operators_only, perform
from service.api.operator_access import OperatorAccessLog
from service.postgres.calls import FunctionCaller, Pool, Row
from service.web.activity import OUTCOMES, RATES, WAITS, ages, figures
from service.web.pages import Pages, time_zone

BUCKET = timedelta(minutes=30)
# As many lines as a table shows; of more it says how many.
MOST_LINES = 50
COLUMNS = (*OUTCOMES, *WAITS, *RATES)


class ActionForm(Struct, forbid_unknown_fields=True):
    """A button's form."""

    act: str
    user_id: str = ""
    confirmed: bool = False


@dataclass(frozen=True)
class ActionResult:
    """What became of an order: what its function returned, or the code of a problem; or nothing
    yet, for it is to be confirmed first."""

    order: ActionForm
    rows: Sequence[Row] | None = None
    problem: str | None = None

    @property
    def is_known(self) -> bool:
        return self.order.act in ACTS

    @property
    def is_question(self) -> bool:
        return self.rows is None and self.problem is None


@get("/operator", sync_to_thread=True, guards=[operators_only])
def show(
    request: UserRequest,
    pool: NamedDependency[Pool],
    pages: NamedDependency[Pages],
    operator_reads: NamedDependency[OperatorAccessLog],
) -> Response[str]:
    operator_reads.note(request.user.user_id, "operator")
    return _page(request, pages, pool, None)


@post("/operator", status_code=200, sync_to_thread=True, guards=[operators_only])
def act(
    request: UserRequest,
    data: URLEncodedBody[ActionForm],
    pool: NamedDependency[Pool],
    pages: NamedDependency[Pages],
    operator_reads: NamedDependency[OperatorAccessLog],
) -> Response[str]:
    operator_reads.note(request.user.user_id, "operator")
    return _page(request, pages, pool, _carry_out(pool, request.user.user_id, data))


def _carry_out(functions: FunctionCaller, actor: str, order: ActionForm) -> ActionResult:
    known = ACTS.get(order.act)
    if known and known.destructive and not order.confirmed:
        return ActionResult(order)
    try:
        return ActionResult(order, perform(functions, actor, order.act, order.user_id.strip()))
    except ProblemDetailsException as error:
        if not isinstance(error.extra, dict):
            raise
        return ActionResult(order, problem=error.extra["code"])


def _page(
    request: UserRequest, pages: Pages, functions: FunctionCaller, outcome: ActionResult | None
) -> Response[str]:
    language = pages.language(request)
    activity = functions.rows("sync_activity", p_bucket=BUCKET)
    return pages.page(
        request,
        "operator/operator.html",
        outcome=outcome,
        health=functions.value("sync_health"),
        runs=functions.rows("list_running_syncs", MOST_LINES),
        jobs=functions.rows("scheduler_status"),
        workers=functions.rows("list_workers", MOST_LINES),
        accounts=functions.rows("list_accounts_to_reconnect", MOST_LINES),
        dead_letters=functions.rows("list_dead_letters", MOST_LINES),
        busy=[row for row in activity if any(row[name] for name in COLUMNS)],
        columns=COLUMNS,
        figures=figures(language, time_zone(request), activity),
        acts=ACTS,
        most_lines=MOST_LINES,
        age=ages(language),
        when=datetime.fromisoformat,
    )


ROUTES = [show, act]
