"""The bytes of the user's mail: attachments, raw messages, and all of it as an mbox."""

from collections.abc import AsyncIterator

from litestar import get
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery
from litestar.response import Response, Stream

from service.api.asgi import with_slashes
from service.api.auth.tokens import UserRequest
from service.api.download import BINARY, download, safe_name, streamed
from service.api.fields import MessageId, PartId
from service.api.problems import error_responses, problem
from service.mailbox import export
from service.mailbox.access import MailboxOpener
from service.mailbox.content import attachment_bytes, raw_message
from service.postgres.pool import Pool

RFC822 = "message/rfc822"
MBOX = "application/mbox"
OF_ANY_TYPE = {
    200: ResponseSpec(
        bytes,
        generate_examples=False,
        media_type="*/*",
        description="The bytes, with the type that the sender gave",
    )
}


@get(
    "/api/gmail/messages/{message_id:str}/attachments/{part_id:str}",
    media_type=BINARY,
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 409, 502, 503) | OF_ANY_TYPE,
)
def get_attachment(
    request: UserRequest,
    pool: NamedDependency[Pool],
    mailboxes: NamedDependency[MailboxOpener],
    message_id: MessageId,
    part_id: PartId,
) -> Response[bytes]:
    """An attachment's bytes, from Gmail unless the raw message is kept."""
    user_id = request.user.user_id
    return _attachment(pool, mailboxes, user_id, with_slashes(message_id), with_slashes(part_id))


@get(
    "/api/gmail/messages/{message_id:str}/attachments",
    media_type=BINARY,
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 409, 502, 503) | OF_ANY_TYPE,
)
def get_only_attachment(
    request: UserRequest,
    pool: NamedDependency[Pool],
    mailboxes: NamedDependency[MailboxOpener],
    message_id: MessageId,
) -> Response[bytes]:
    """The bytes of a message that is only an attachment: its part_id is empty."""
    return _attachment(pool, mailboxes, request.user.user_id, with_slashes(message_id), "")


def _attachment(
    pool: Pool, mailboxes: MailboxOpener, user_id: str, message_id: str, part_id: str
) -> Response[bytes]:
    known = pool.row("get_attachment", user_id, message_id, part_id)
    if known is None:
        raise problem(404, "no_such_attachment", "You have no message with this attachment.")
    content = attachment_bytes(pool, mailboxes, user_id, message_id, part_id, known["size"])
    name = safe_name(known["filename"] or "", f"attachment-{part_id or 0}", known["mime_type"])
    return download(content, known["mime_type"], name)


@get(
    "/api/gmail/messages/{message_id:str}/raw",
    media_type=RFC822,
    sync_to_thread=True,
    responses=error_responses(400, 401, 404, 409, 502, 503),
)
def get_raw(
    request: UserRequest,
    pool: NamedDependency[Pool],
    mailboxes: NamedDependency[MailboxOpener],
    message_id: MessageId,
) -> Response[bytes]:
    """The whole message, byte for byte as Gmail has it, from Gmail unless it is kept."""
    message_id = with_slashes(message_id)
    content = raw_message(pool, mailboxes, request.user.user_id, message_id)
    return download(content, RFC822, export.eml_name(message_id))


@get(
    "/api/gmail/export.mbox",
    media_type=MBOX,
    sync_to_thread=True,
    responses=error_responses(400, 401, 409, 503),
)
def get_mbox(
    request: UserRequest, pool: NamedDependency[Pool], exact: FromQuery[bool] = False
) -> Stream:
    """All mail that is kept raw as an mbox (mboxrd, CRLF), oldest first. Labels and read state are
    in the headers of Google Takeout, unless `exact` asks for the bytes that Gmail delivered.
    Messages without a raw copy are left out: X-Messages-Without-Raw says how many."""
    user_id = request.user.user_id
    size = export.size_of(pool, user_id)
    if size.without_raw and not size.messages:
        raise problem(
            409,
            "no_raw_copies",
            "No message is kept raw. Switch the account's content mode to raw, then sync.",
        )
    answer = streamed(_mbox(pool, user_id, exact), MBOX, "gmail.mbox")
    answer.headers["X-Messages-Without-Raw"] = str(size.without_raw)
    return answer


async def _mbox(pool: Pool, user_id: str, exact: bool) -> AsyncIterator[bytes]:
    """A page of messages at a time, made in a thread; no connection is held between two.

    Litestar would do so with a plain generator too, but takes a ValueError in it for its end.
    """
    pages = export.mbox_pages(pool, user_id, exact)
    while page := await sync_to_thread(next, pages, None):
        yield page


ROUTES = [get_attachment, get_only_attachment, get_raw, get_mbox]
