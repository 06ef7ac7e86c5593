"""The pages of webhooks: a user's own, and for operators those for all users.

As on the operators' page, each button is a form whose response is the whole page.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from msgspec import Meta, Struct

from service.api.auth.tokens import UserRequest
from service.api.operator import operators_only
from service.api.webhooks import AddedWebhook, Attempt, EventType, Url, Webhook, record_change
from service.postgres.calls import FunctionCaller
from service.postgres.errors import InvalidArgument
from service.postgres.pool import Pool
from service.web.pages import Pages
from service.webhooks.addresses import HTTPS_ONLY, NOT_PUBLIC

ATTEMPTS_SHOWN = 5
# Asked about before they are performed.
QUESTIONS = ("replay", "remove")
FUNCTIONS = {
    "test": "test_webhook",
    "replay": "replay_webhook",
    "rotate": "rotate_webhook_secret",
    "remove": "remove_webhook",
}
# Errors of an attempt that the page says in the reader's language.
REASONS = {NOT_PUBLIC: "webhooks.reason.not_public", HTTPS_ONLY: "webhooks.reason.https_only"}
CHANGE_NUMBER = re.compile(r"[0-9]{1,18}")


class WebhookForm(Struct, forbid_unknown_fields=True):
    """A button's form. `url` is the new webhook's, or names the webhook in the response."""

    action: Literal["add", "test", "replay", "rotate", "remove"]
    webhook_id: Annotated[str, Meta(pattern=r"^(wh_[0-9a-f]{1,64})?\Z")] = ""
    url: str = ""
    # A form with one event sends it as text.
    events: list[EventType] | EventType = []
    with_content: bool = False
    after: str = ""
    confirmed: bool = False


@dataclass(frozen=True)
class Result:
    """What became of a form. `problem` is the key of its message in webhooks.problem."""

    form: WebhookForm
    problem: str = ""
    secret: str = ""
    is_question: bool = False


class OwnWebhooks(Controller):
    path = "/webhooks"

    def _owner(self, request: UserRequest) -> str | None:
        return request.user.user_id

    @get(sync_to_thread=True)
    def show(
        self, request: UserRequest, pool: NamedDependency[Pool], pages: NamedDependency[Pages]
    ) -> Response[str]:
        return self._page(request, pool, pages, None)

    @post(status_code=200, sync_to_thread=True)
    def change(
        self,
        request: UserRequest,
        data: URLEncodedBody[WebhookForm],
        pool: NamedDependency[Pool],
        pages: NamedDependency[Pages],
    ) -> Response[str]:
        result = _perform(pool, request.user.user_id, self._owner(request), data)
        return self._page(request, pool, pages, result)

    def _page(
        self, request: UserRequest, pool: Pool, pages: Pages, result: Result | None
    ) -> Response[str]:
        owner = self._owner(request)
        webhooks = pool.rows_as(Webhook, "list_webhooks", owner)
        attempts = {each.id: _attempts(pool, owner, each.id) for each in webhooks}
        return pages.page(
            request,
            "webhooks/webhooks.html",
            for_all=owner is None,
            address=self.path,
            result=result,
            webhooks=webhooks,
            attempts=attempts,
            event_types=pool.value("webhook_event_types"),
            reason_key=_reason_key,
        )


class WebhooksForAll(OwnWebhooks):
    path = "/operator/webhooks"
    guards = (operators_only,)

    def _owner(self, request: UserRequest) -> None:
        return None


def _attempts(functions: FunctionCaller, owner: str | None, webhook_id: str) -> list[Attempt]:
    return functions.rows_as(Attempt, "list_webhook_deliveries", owner, webhook_id, ATTEMPTS_SHOWN)


def _perform(functions: FunctionCaller, actor: str, owner: str | None, form: WebhookForm) -> Result:
    if form.action in QUESTIONS and not form.confirmed:
        return Result(form, is_question=True)
    if form.action == "add":
        return _add(functions, actor, owner, form)
    if form.after and not CHANGE_NUMBER.fullmatch(form.after):
        return Result(form, "bad_number")
    function = FUNCTIONS[form.action]
    after = [int(form.after)] if form.after else []
    record_change(functions, actor, owner, function)
    try:
        returned = functions.value(function, owner, form.webhook_id, *after)
    except InvalidArgument:
        return Result(form, "disabled")
    if not returned:
        return Result(form, "gone")
    return Result(form, secret=returned if form.action == "rotate" else "")


def _add(functions: FunctionCaller, actor: str, owner: str | None, form: WebhookForm) -> Result:
    known = functions.value("webhook_event_types")
    chosen = [form.events] if isinstance(form.events, str) else form.events
    events = [event for event in chosen if event in known]
    try:
        url = msgspec.convert(form.url.strip(), Url)
    except msgspec.ValidationError:
        return Result(form, "bad_url")
    if not events:
        return Result(form, "no_events")
    record_change(functions, actor, owner, "add_webhook")
    try:
        wanted = (url, events, form.with_content)
        (added,) = functions.rows_as(AddedWebhook, "add_webhook", owner, *wanted)
    except InvalidArgument:
        return Result(form, "too_many")
    return Result(form, secret=added.secret)


def _reason_key(error_message: str) -> str | None:
    """The key of the message that says this error, if there is one."""
    return REASONS.get(error_message.removeprefix("no answer: "))


ROUTES = [OwnWebhooks, WebhooksForAll]
