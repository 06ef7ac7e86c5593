"""Webhooks: a user's own, and for operators those that hear of all users."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from service.api.auth.tokens import UserRequest
from service.api.fields import reject_request_body
from service.api.operator import operators_only, record_act
from service.api.problems import error_responses, problem
from service.postgres.calls import FunctionCaller
from service.postgres.pool import Pool

# The database knows which there are.
EventType = Annotated[str, Meta(pattern=r"^[a-z]+\.[a-z_]+\Z", max_length=50)]
Url = Annotated[str, Meta(max_length=2000, pattern=r"^https?://[^\s@\x00-\x20\x7f]+\Z")]
WebhookId = Annotated[str, PathParameter(pattern=r"^wh_[0-9a-f]{1,64}$")]
# Litestar leaves a bound of 0 out of the document.
ChangeNumber = Annotated[int | None, QueryParameter(gt=-1, le=2**63 - 1)]
ERRORS = error_responses(400, 401, 403, 404, 503)


class NewWebhook(Struct, forbid_unknown_fields=True):
    """A webhook to add: it gets all events unless some are named.

    With `with_content` events of messages contain what a list of messages shows.
    """

    url: Url
    events: Annotated[list[EventType], Meta(min_length=1, max_length=50)] | None = None
    with_content: bool = False


class AddedWebhook(Struct):
    """Its id, and the secret that signs its events. No other answer has the secret."""

    id: str
    secret: str


class Webhook(Struct):
    """A webhook; it accepts nothing since `failing_since`, and gets nothing since `disabled_at`.

    `waiting` counts the users of whom something is still to be sent, up to 1,000.
    """

    id: str
    url: str
    events: list[str]
    with_content: bool
    created_at: datetime
    failing_since: datetime | None
    last_error: str | None
    disabled_at: datetime | None
    disabled_reason: str | None
    waiting: int


class Webhooks(Struct):
    """Webhooks, oldest first; `event_types` are those that a webhook can get."""

    webhooks: list[Webhook]
    event_types: list[str]


class Attempt(Struct):
    """An attempt to deliver an event; without `error_message` the event was accepted."""

    event_id: str
    type: str
    attempt: int
    ended_at: datetime
    duration_seconds: float
    http_status: int | None
    error_message: str | None


class Attempts(Struct):
    """The last attempts, newest first."""

    attempts: list[Attempt]


class TestEvent(Struct):
    """The id of the event; the list of attempts says what became of it."""

    event_id: str


class Secret(Struct):
    """The new secret. Events are signed with the old one too, for a day."""

    secret: str


class OwnWebhooks(Controller):
    path = "/api/webhooks"

    def _owner(self, request: UserRequest) -> str | None:
        return request.user.user_id

    def _prepare(self, request: UserRequest, pool: Pool, action: str) -> str | None:
        """The owner of the webhook that is about to be changed."""
        owner = self._owner(request)
        record_change(pool, request.user.user_id, owner, action)
        return owner

    @get(sync_to_thread=True, responses=ERRORS)
    def list_webhooks(self, request: UserRequest, pool: NamedDependency[Pool]) -> Webhooks:
        """The webhooks."""
        webhooks = pool.rows_as(Webhook, "list_webhooks", self._owner(request))
        return Webhooks(webhooks, pool.value("webhook_event_types"))

    @post(sync_to_thread=True, responses=ERRORS)
    def add_webhook(
        self, request: UserRequest, pool: NamedDependency[Pool], data: JSONBody[NewWebhook]
    ) -> AddedWebhook:
        """Add a webhook. It hears of what happens from now on; a replay sends earlier changes."""
        owner = self._prepare(request, pool, "add_webhook")
        wanted = (data.url, data.events, data.with_content)
        (added,) = pool.rows_as(AddedWebhook, "add_webhook", owner, *wanted)
        return added

    @delete(
        "/{webhook_id:str}", sync_to_thread=True, before_request=reject_request_body,
        responses=ERRORS,
    )  # fmt: skip
    def remove_webhook(
        self, request: UserRequest, pool: NamedDependency[Pool], webhook_id: WebhookId
    ) -> None:
        """Remove a webhook with all that was to be sent to it."""
        owner = self._prepare(request, pool, "remove_webhook")
        _found(pool.value("remove_webhook", owner, webhook_id))

    @get("/{webhook_id:str}/deliveries", sync_to_thread=True, responses=ERRORS)
    def list_deliveries(
        self,
        request: UserRequest,
        pool: NamedDependency[Pool],
        webhook_id: WebhookId,
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 20,
    ) -> Attempts:
        """The last attempts to deliver events."""
        owner = self._owner(request)
        rows = pool.rows_as(Attempt, "list_webhook_deliveries", owner, webhook_id, limit)
        return Attempts(rows)

    @post(
        "/{webhook_id:str}/test", status_code=202, sync_to_thread=True,
        before_request=reject_request_body, responses=ERRORS,
    )  # fmt: skip
    def test_webhook(
        self, request: UserRequest, pool: NamedDependency[Pool], webhook_id: WebhookId
    ) -> TestEvent:
        """Send an event `webhook.test`."""
        owner = self._prepare(request, pool, "test_webhook")
        return TestEvent(_found(pool.value("test_webhook", owner, webhook_id)))

    @post(
        "/{webhook_id:str}/replay", status_code=202, sync_to_thread=True,
        before_request=reject_request_body, responses=ERRORS,
    )  # fmt: skip
    def replay_webhook(
        self,
        request: UserRequest,
        pool: NamedDependency[Pool],
        webhook_id: WebhookId,
        after: ChangeNumber = None,
    ) -> None:
        """Send the changes after a number again. Without one, go on where it stopped."""
        owner = self._prepare(request, pool, "replay_webhook")
        _found(pool.value("replay_webhook", owner, webhook_id, after))

    @post(
        "/{webhook_id:str}/secret", status_code=200, sync_to_thread=True,
        before_request=reject_request_body, responses=ERRORS,
    )  # fmt: skip
    def rotate_secret(
        self, request: UserRequest, pool: NamedDependency[Pool], webhook_id: WebhookId
    ) -> Secret:
        """Give a webhook a new secret."""
        owner = self._prepare(request, pool, "rotate_webhook_secret")
        return Secret(_found(pool.value("rotate_webhook_secret", owner, webhook_id)))


class WebhooksForAll(OwnWebhooks):
    """Those of the installation."""

    path = "/api/operator/webhooks"
    guards = (operators_only,)
    opt = {"operation_suffix": "_for_all"}  # noqa: RUF012  # an instance variable of Controller

    def _owner(self, request: UserRequest) -> None:
        return None


def record_change(functions: FunctionCaller, actor: str, owner: str | None, action: str) -> None:
    """A change for all users is recorded before it is made."""
    if owner is None:
        record_act(functions, actor, action)


def _found(result: Any) -> Any:
    """What a function returned. Raises 404 if it found no webhook."""
    if not result:
        raise problem(404, "no_such_webhook", "There is no webhook with this id.")
    return result


ROUTES = [OwnWebhooks]
FOR_ALL = [WebhooksForAll]
