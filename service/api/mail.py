"""Read the user's own mail."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct

from service.api.asgi import with_slashes
from service.api.auth.tokens import UserRequest
from service.api.etags import NOT_MODIFIED, unless_known
from service.api.fields import MessageId, OptionalMessageId, SearchQuery
from service.api.problems import error_responses, no_such_message
from service.mailbox.search import search_page
from service.postgres.pool import Pool


class Summary(Struct, kw_only=True):
    """A message in a list."""

    message_id: str
    thread_id: str
    internal_date: datetime
    label_ids: list[str]
    subject: str | None
    sender: str | None
    recipients: str | None
    snippet: str
    size_estimate: int


class Messages(Struct):
    """A page of messages, newest first; `next` is the `before` of the next page.

    A page may hold fewer than `limit` although there is a next one: a search that would take long
    stops early. `not_understood` has the operators of the search that were searched as words.
    """

    messages: list[Summary]
    next: str | None
    not_understood: list[str]


class Attachment(Struct, kw_only=True):
    """An attachment, without its bytes."""

    part_id: str
    filename: str | None
    mime_type: str
    size: int
    content_id: str | None
    inline: bool


class MessageDetail(Summary, kw_only=True):
    """A whole message; headers in their order, as Gmail has them."""

    cc: str | None
    bcc: str | None
    reply_to: str | None
    sent_at: datetime | None
    rfc822_message_id: str | None
    headers: list[dict[str, Any]]
    body_text: str | None
    body_html: str | None
    defects: list[str]
    attachments: list[Attachment]


class Label(Struct):
    """A label; `type` is system or user."""

    label_id: str
    name: str
    type: str


class Labels(Struct):
    labels: list[Label]


@get(
    "/api/gmail/messages",
    sync_to_thread=True,
    responses=error_responses(400, 401, 503) | NOT_MODIFIED,
)
def list_messages(
    request: UserRequest,
    pool: NamedDependency[Pool],
    q: SearchQuery = None,
    label: OptionalMessageId = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    before: OptionalMessageId = None,
    time_zone: Annotated[str, QueryParameter(max_length=100)] = "UTC",
) -> Response[Messages]:
    """The mail, newest first, in pages, optionally by search or label.

    `q` takes Gmail's search operators. Trash and spam are left out unless asked for. Dates in `q`
    are of `time_zone`.
    """
    page = search_page(pool, request.user.user_id, q, label, limit, before, time_zone)
    messages = msgspec.convert(page.rows, list[Summary])
    return unless_known(request, Messages(messages, page.next, page.not_understood))


@get(
    "/api/gmail/messages/{message_id:str}",
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 503) | NOT_MODIFIED,
)
def get_message(
    request: UserRequest, pool: NamedDependency[Pool], message_id: MessageId
) -> Response[MessageDetail]:
    """One message."""
    row = pool.row("get_message", request.user.user_id, with_slashes(message_id))
    if row is None:
        raise no_such_message()
    return unless_known(request, msgspec.convert(row, MessageDetail))


@get("/api/gmail/labels", sync_to_thread=True, responses=error_responses(401, 503) | NOT_MODIFIED)
def list_labels(request: UserRequest, pool: NamedDependency[Pool]) -> Response[Labels]:
    """The labels."""
    labels = {"labels": pool.rows("list_labels", request.user.user_id)}
    return unless_known(request, msgspec.convert(labels, Labels))


ROUTES = [list_messages, get_message, list_labels]
