"""Read the user's own mail thread by thread."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct

from service.api.asgi import with_slashes
from service.api.auth.tokens import UserRequest
from service.api.etags import NOT_MODIFIED, unless_known
from service.api.fields import MessageId, OptionalMessageId
from service.api.mail import Attachment
from service.api.problems import error_responses, no_such_thread
from service.postgres.pool import Pool


class Thread(Struct):
    """A thread in a list, by its newest message.

    `message_count` and `label_ids` are of its newest 100 messages.
    """

    thread_id: str
    message_id: str
    internal_date: datetime
    label_ids: list[str]
    subject: str | None
    sender: str | None
    snippet: str
    message_count: int


class Threads(Struct):
    """A page of threads, newest first; `next` is the `before` of the next page.

    A page may hold fewer than `limit` although there is a next one: it looks at 2,000 messages at
    most.
    """

    threads: list[Thread]
    next: str | None


class ThreadMessage(Struct):
    """A message of a thread. If `is_cut`, `body_text` is the first 20,000 characters."""

    message_id: str
    internal_date: datetime
    label_ids: list[str]
    subject: str | None
    sender: str | None
    recipients: str | None
    cc: str | None
    snippet: str
    body_text: str | None
    is_cut: bool
    attachments: list[Attachment]


class ThreadDetail(Struct):
    """A page of a thread, newest first; `next` is the `upto` of the next page."""

    thread_id: str
    messages: list[ThreadMessage]
    next: str | None


@get(
    "/api/gmail/threads",
    sync_to_thread=True,
    responses=error_responses(400, 401, 503) | NOT_MODIFIED,
)
def list_threads(
    request: UserRequest,
    pool: NamedDependency[Pool],
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    before: OptionalMessageId = None,
) -> Response[Threads]:
    """The threads, newest first, in pages. Trash and spam are left out."""
    # One row more than requested shows whether there is a next page.
    found = pool.rows("list_threads", request.user.user_id, limit + 1, before)
    stopped = found.pop() if found and not found[-1]["is_found"] else None
    rows = found[:limit]
    last = rows[-1] if found[limit:] else stopped
    page = Threads(msgspec.convert(rows, list[Thread]), last["message_id"] if last else None)
    return unless_known(request, page)


@get(
    "/api/gmail/threads/{thread_id:str}",
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 503) | NOT_MODIFIED,
)
def get_thread(
    request: UserRequest,
    pool: NamedDependency[Pool],
    thread_id: MessageId,
    limit: Annotated[int, QueryParameter(ge=1, le=99)] = 50,
    upto: OptionalMessageId = None,
) -> Response[ThreadDetail]:
    """One thread, newest message first, in pages.

    `upto` is the first message of the page.
    """
    thread_id = with_slashes(thread_id)
    found = pool.rows("list_thread", request.user.user_id, thread_id, limit + 1, upto)
    if not found:
        raise no_such_thread()
    messages = msgspec.convert(found[:limit], list[ThreadMessage])
    following = found[limit]["message_id"] if found[limit:] else None
    return unless_known(request, ThreadDetail(thread_id, messages, following))


ROUTES = [list_threads, get_thread]
