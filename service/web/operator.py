"""The operators' page: the state of syncs, problems, and buttons for what a DBA can do in psql.

Without scripts each button is a form whose response is the whole page. forms.js replaces parts
of the page by it, and refreshes the page only when the user comes back to it.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.plugins.problem_details import ProblemDetailsException
from msgspec import Struct

from service.api.auth.tokens import UserRequest
from service.api.operator import ACTIONS, operators_only, perform
from service.api.operator_access import OperatorAccessLog
from service.api.operator_lists import Page, page_of, running_syncs
from service.api.reader import time_zone_of, translator_of
from service.api.running import zombies_first
from service.postgres.calls import FunctionCaller, Row
from service.postgres.pool import Pool
from service.postgres.user_id import CONTROLS
from service.web.activity import OUTCOMES, RATES, WAITS, ages, figures
from service.web.pages import Pages

# The users, or workers, that a page of a table shows.
MAX_ROWS = 50
CAUSES = ("zombie", "silent", "stalled", "clock_skew")
COLUMNS = (*OUTCOMES, *WAITS, *RATES)


class ActionForm(Struct, forbid_unknown_fields=True):
    """A button's form."""

    action: str
    user_id: str = ""
    confirmed: bool = False


@dataclass(frozen=True)
class View:
    """What the tables show: those of a user, a cause, or a worker, after the last user of a page.

    An unknown cause is none.
    """

    user_id: str = ""
    cause: str = ""
    worker: str = ""
    runs_after: str = ""
    accounts_after: str = ""
    dead_letters_after: str = ""
    workers_after: str = ""

    @classmethod
    def of(cls, request: UserRequest) -> "View":
        given = {name: _line(request.query_params.get(name, "")) for name in asdict(cls())}
        return cls(**given | {"cause": given["cause"] if given["cause"] in CAUSES else ""})

    @property
    def is_filtered(self) -> bool:
        return bool(self.user_id or self.cause or self.worker)

    def query(self, **changes: str) -> str:
        """The query of the address that shows this, with these changes."""
        given = {name: value for name, value in asdict(replace(self, **changes)).items() if value}
        return f"?{urlencode(given)}" if given else ""


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
    language, view = translator_of(request), View.of(request)
    lists = {
        "runs": _runs(functions, view),
        "accounts": _list(functions, "list_accounts_to_reconnect", view, view.accounts_after),
        "dead_letters": _list(functions, "list_dead_letters", view, view.dead_letters_after),
        "workers": page_of(functions, "list_workers", MAX_ROWS, view.workers_after or None),
    }
    activity = functions.rows("sync_activity")
    return pages.page(
        request,
        "operator/operator.html",
        result=result,
        health=functions.value("sync_health"),
        view=view,
        causes=CAUSES,
        runs=lists["runs"].rows,
        accounts=lists["accounts"].rows,
        dead_letters=lists["dead_letters"].rows,
        workers=lists["workers"].rows,
        next_pages={name: page.next for name, page in lists.items()},
        jobs=functions.rows("scheduler_status"),
        busy=[row for row in activity if any(row[name] for name in COLUMNS)],
        columns=COLUMNS,
        figures=figures(language, time_zone_of(request), activity),
        actions=ACTIONS,
        max_rows=MAX_ROWS,
        age=ages(language),
        when=datetime.fromisoformat,
    )


def _runs(functions: FunctionCaller, view: View) -> Page:
    page = running_syncs(
        functions,
        MAX_ROWS,
        view.runs_after or None,
        view.user_id or None,
        view.cause or None,
        view.worker or None,
    )
    if view.is_filtered or view.runs_after:
        return page
    return Page(zombies_first(functions, page.rows, MAX_ROWS), page.next)


def _list(functions: FunctionCaller, function: str, view: View, after: str) -> Page:
    return page_of(functions, function, MAX_ROWS, after or None, p_user_id=view.user_id or None)


def _line(text: str) -> str:
    """Input as one line: control characters become spaces."""
    return " ".join(re.sub(f"[{CONTROLS}]", " ", text).split())


ROUTES = [show, perform_action]
