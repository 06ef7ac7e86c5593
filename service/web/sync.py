"""The home page: the sync, what to do about problems, and earlier runs."""

import shlex
from functools import partial
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from service.accounts.connect import OAuthConnector
from service.accounts.rows import get_account
from service.api import run_text
from service.api.auth.tokens import UserRequest
from service.api.fields import AfterTaskId
from service.api.reader import time_zone_of, translator_of
from service.api.runs import RunEvent, RunView
from service.i18n.translator import Translator
from service.postgres.calls import Row
from service.postgres.errors import InvalidArgument
from service.postgres.pool import Pool
from service.web.charts import Series, columns
from service.web.pages import Pages

RUNS_A_PAGE = 10
FAILED_SHOWN = 20
DAYS = 30
ConnectError = Annotated[str | None, QueryParameter(max_length=60, pattern=r"^[a-z_]+$")]


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
        connect_error=_connect_error(connect_error, language),
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


def _connect_error(code: str | None, language: Translator) -> str | None:
    """The error of connecting to Google, if there was one."""
    if code is None:
        return None
    key = f"sync.connect_error.{code}"
    return language.translate(key if key in language.messages else "sync.connect_error.again")


def _days(pool: Pool, user_id: str, zone: str) -> list[Row]:
    try:
        return pool.rows("messages_per_day", user_id, DAYS, zone)
    except InvalidArgument:  # Python knows the zone, but Postgres does not
        return pool.rows("messages_per_day", user_id, DAYS)


ROUTES = [show]
