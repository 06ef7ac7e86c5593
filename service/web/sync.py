"""The home page: the sync, what to do about problems, and earlier runs.

As on the operators' page, each button sends a form whose response is the whole page.
"""

import shlex
from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, URLEncodedBody
from litestar.plugins.problem_details import ProblemDetailsException
from msgspec import Struct

from service.accounts.connect import OAuthConnector
from service.accounts.rows import get_account
from service.api import run_text, sync
from service.api.auth.tokens import UserRequest
from service.api.events import notify_own_streams
from service.api.fields import AfterTaskId, TaskIdOfForm
from service.api.reader import time_zone_of, translator_of
from service.api.runs import RunEvent, RunView
from service.i18n.translator import Translator
from service.postgres.calls import Row
from service.postgres.errors import InvalidArgument, TooOften
from service.postgres.pool import Pool
from service.web.charts import Series, columns
from service.web.pages import Pages

RUNS_A_PAGE = 10
FAILED_SHOWN = 20
DAYS = 30
ConnectError = Annotated[str | None, QueryParameter(max_length=60, pattern=r"^[a-z_]+$")]


class SyncForm(Struct, forbid_unknown_fields=True):
    """A button's form. `task_id` is the run that the page shows, which "cancel" ends."""

    action: Literal["start", "full", "cancel", "retry"]
    task_id: TaskIdOfForm = ""


ACTIONS: dict[str, Callable[[Pool, str, str], object]] = {
    "start": lambda pool, user_id, _: sync.start(pool, user_id, force_full=False),
    "full": lambda pool, user_id, _: sync.start(pool, user_id, force_full=True),
    "cancel": lambda pool, user_id, task_id: pool.value(
        "cancel_sync", sync.own_run(pool, user_id, task_id)["task_id"]
    ),
    "retry": lambda pool, user_id, _: sync.retry(pool, user_id),
}


@get("/", sync_to_thread=True)
def show(
    request: UserRequest,
    pages: NamedDependency[Pages],
    pool: NamedDependency[Pool],
    connector: NamedDependency[OAuthConnector | None],
    before: AfterTaskId = None,
    connect_error: ConnectError = None,
) -> Response[str]:
    """The state now; sync.js keeps it current."""
    return _page(request, pages, pool, connector, before, connect_error=connect_error)


@post("/", status_code=200, sync_to_thread=True, after_response=notify_own_streams)
def act(
    request: UserRequest,
    data: URLEncodedBody[SyncForm],
    pages: NamedDependency[Pages],
    pool: NamedDependency[Pool],
    connector: NamedDependency[OAuthConnector | None],
    before: AfterTaskId = None,
) -> Response[str]:
    trouble = _perform(pool, request.user.user_id, data, translator_of(request))
    return _page(request, pages, pool, connector, before, trouble=trouble)


def _perform(pool: Pool, user_id: str, form: SyncForm, language: Translator) -> str:
    """What went wrong, in the reader's language, or nothing."""
    try:
        ACTIONS[form.action](pool, user_id, form.task_id)
    except TooOften as error:
        count = int(error.detail or 1)
        return language.translate("sync.trouble.too_many_requests", count=count)
    except ProblemDetailsException as error:
        code = error.extra["code"] if isinstance(error.extra, dict) else ""
        return _translate_code(language, "sync.trouble.", code, "other")
    return ""


def _page(
    request: UserRequest,
    pages: Pages,
    pool: Pool,
    connector: OAuthConnector | None,
    before: str | None,
    *,
    connect_error: str | None = None,
    trouble: str = "",
) -> Response[str]:
    user_id = request.user.user_id
    language, zone = translator_of(request), time_zone_of(request)
    run = RunEvent.for_reader(pool.row("sync_status", user_id), language, zone)
    # One row more than shown says whether there are more.
    runs = [RunView.of(row) for row in pool.rows("sync_history", user_id, RUNS_A_PAGE + 1, before)]
    failed = pool.rows("list_failed_messages", user_id, FAILED_SHOWN + 1)
    days = _days(pool, user_id, str(zone))
    return pages.page(
        request,
        "sync/sync.html",
        run=run,
        run_data=msgspec.to_builtins(run),
        counts=run_text.COUNTS,
        took=partial(run_text.took, language=language),
        changes=partial(run_text.changes, language=language),
        reason=partial(run_text.reason, language=language),
        account=get_account(pool, user_id),
        shell_user=shlex.quote(user_id),
        can_connect=connector is not None,
        connect_error=connect_error
        and _translate_code(language, "sync.connect_error.", connect_error, "again"),
        trouble=trouble,
        failed=failed[:FAILED_SHOWN],
        more_failed=len(failed) > FAILED_SHOWN,
        days=days,
        chart=columns([Series("messages", [each["messages"] for each in days])]),
        chart_tips=[
            f"{language.day(each['day'])}: {language.format(each['messages'])}" for each in days
        ],
        ended_runs=[each for each in runs[:RUNS_A_PAGE] if not each.in_progress],
        older=runs[RUNS_A_PAGE - 1].task_id if runs[RUNS_A_PAGE:] else None,
        is_first_page=before is None,
    )


def _translate_code(language: Translator, section: str, code: str, default: str) -> str:
    """The section's message for the code of a problem, else for `default`."""
    key = section + code
    return language.translate(key if key in language.messages else section + default)


def _days(pool: Pool, user_id: str, zone: str) -> list[Row]:
    try:
        return pool.rows("messages_per_day", user_id, DAYS, zone)
    except InvalidArgument:  # Python knows the zone, but Postgres does not
        return pool.rows("messages_per_day", user_id, DAYS)


ROUTES = [show, act]
