"""Mail: the list and search, a thread, a message, and its HTML in a frame."""

import re
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from markupsafe import Markup
from msgspec import Struct

from service.api.asgi import with_slashes
from service.api.auth.security import PAGE_CSP
from service.api.auth.tokens import UserRequest
from service.api.download import safe_name
from service.api.fields import MessageId, OptionalMessageId
from service.api.problems import no_such_message, no_such_thread
from service.api.reader import time_zone_of
from service.mailbox.access import MailboxOpener
from service.mailbox.search import SearchPage, search_page
from service.postgres.calls import FunctionCaller, Row
from service.postgres.errors import InvalidArgument
from service.postgres.pool import Pool
from service.postgres.user_id import CONTROLS
from service.web import cid_images, mail_search, mail_text, sanitize
from service.web.pages import Pages

PAGE_SIZE = 30
THREAD_SIZE = 50
# What a browser can lay out quickly; the raw message has the rest.
LONGEST_TEXT = 300_000
LONGEST_FIELD = 2000
# In the order of the menu. Other labels of Gmail are not useful there.
SYSTEM_LABELS = (
    "INBOX", "UNREAD", "STARRED", "IMPORTANT", "SENT", "DRAFT", "SPAM", "TRASH",
    "CATEGORY_PERSONAL", "CATEGORY_SOCIAL", "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
)  # fmt: skip
# System labels that the list shows on a message, besides the user's own labels.
BADGE_LABELS = {"STARRED", "IMPORTANT", "SENT", "DRAFT", "SPAM", "TRASH"}

FRAMING_CSP = f"{PAGE_CSP}; frame-src 'self'"
# For untrusted HTML. The frame has the sandbox too; here it also holds in a tab.
_BODY_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:{images}; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
BODY_CSP = _BODY_CSP.format(images="")
BODY_WITH_IMAGES_CSP = _BODY_CSP.format(images=" https:")


class AttachmentLink(Struct):
    name: str
    size: int
    type: str
    path: str


class MessageView(Struct, kw_only=True):
    """A message as message_body.html shows it.

    `frame` is the size of the frame for its HTML, None if its text is shown. Only the page of a
    single message has headers and defects.
    """

    message_id: str
    thread_id: str
    internal_date: datetime
    label_ids: list[str]
    subject: str
    sender: str
    sender_name: str
    recipients: str
    cc: str
    snippet: str
    is_unread: bool
    is_open: bool = True
    text: str
    is_cut: bool
    frame: str | None = None
    has_hidden_images: bool = False
    has_text_and_html: bool
    attachments: list[AttachmentLink]
    headers: list[dict[str, Any]] = []
    defects: list[str] = []


@get("/mail", sync_to_thread=True)
def show_list(
    request: UserRequest,
    pages: NamedDependency[Pages],
    pool: NamedDependency[Pool],
    q: FromQuery[str] = "",
    label: FromQuery[str] = "",
    before: OptionalMessageId = None,
) -> Response[str]:
    """Newest first, optionally by search or label."""
    user_id, query, label = request.user.user_id, _line(q), _line(label)
    page, refusal = _search(pool, user_id, query, label, before, str(time_zone_of(request)))
    return pages.page(
        request,
        "mail/list.html",
        status_code=400 if refusal else 200,
        rows=[_listed(row) for row in _highlighted(pool, user_id, page.rows, query)],
        next=page.next,
        searched_back_to=page.searched_back_to,
        not_understood=page.not_understood,
        refusal=refusal,
        narrowed="" if refusal else mail_search.narrowed(query),
        hides_trash=mail_search.hides_trash(query, label),
        terms=mail_search.TERMS,
        refinements=mail_search.REFINEMENTS,
        query=query,
        label=label,
        before=before,
        **_labels(pool, user_id),
        **_TOOLS,
    )


@get("/mail/threads/{thread_id:str}", sync_to_thread=True)
def show_thread(
    request: UserRequest,
    pages: NamedDependency[Pages],
    pool: NamedDependency[Pool],
    thread_id: MessageId,
    message: OptionalMessageId = None,
    upto: OptionalMessageId = None,
) -> Response[str]:
    """A thread; its newest, its unread and the requested message are open."""
    user_id, thread_id = request.user.user_id, with_slashes(thread_id)
    found = pool.rows("list_thread", user_id, thread_id, THREAD_SIZE + 1, upto)
    if message and message not in [row["message_id"] for row in found[:THREAD_SIZE]]:
        upto = message
        found = pool.rows("list_thread", user_id, thread_id, THREAD_SIZE + 1, upto) or found
    if not found:
        raise no_such_thread()
    rows = [row | {"thread_id": thread_id} for row in reversed(found[:THREAD_SIZE])]
    views = [_message_view(row, row["is_cut"]) for row in rows]
    for view in views:
        view.is_open = view is views[-1] or view.is_unread or view.message_id == message
    return pages.page(
        request,
        "mail/thread.html",
        policy=FRAMING_CSP,
        messages=views,
        thread_id=thread_id,
        single=False,
        earlier=found[THREAD_SIZE]["message_id"] if found[THREAD_SIZE:] else None,
        upto=upto,
        came_from=_list_address(request),
        **_labels(pool, user_id),
        **_TOOLS,
    )


@get("/mail/messages/{message_id:str}", sync_to_thread=True)
def show_message(
    request: UserRequest,
    pages: NamedDependency[Pages],
    pool: NamedDependency[Pool],
    message_id: MessageId,
    plain: FromQuery[bool] = False,
) -> Response[str]:
    """One message with all its details."""
    user_id = request.user.user_id
    row = _message(pool, user_id, message_id)
    return pages.page(
        request,
        "mail/message.html",
        policy=FRAMING_CSP,
        message=_message_view(row, len(row["body_text"] or "") > LONGEST_TEXT, plain),
        single=True,
        came_from=_list_address(request),
        **_labels(pool, user_id),
        **_TOOLS,
    )


@get("/mail/messages/{message_id:str}/body", sync_to_thread=True)
def show_body(
    request: UserRequest,
    pages: NamedDependency[Pages],
    pool: NamedDependency[Pool],
    mailboxes: NamedDependency[MailboxOpener],
    message_id: MessageId,
    images: FromQuery[bool] = False,
) -> Response[str]:
    """The HTML of a message for a frame, with remote images only on request."""
    user_id = request.user.user_id
    row = _message(pool, user_id, message_id)
    if row["body_html"] is None:
        raise no_such_message()
    content = _sanitized(pool, mailboxes, user_id, row, images)
    answer = pages.page(
        request,
        "mail/body.html",
        policy=BODY_WITH_IMAGES_CSP if images else BODY_CSP,
        content=content,
    )
    # Linked sites must not learn where the message was read.
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _sanitized(
    pool: FunctionCaller, mailboxes: MailboxOpener, user_id: str, row: Row, images: bool
) -> Markup | None:
    """The one place that takes a stranger's HTML for markup; None where it cannot be sanitized."""
    try:
        sanitized = sanitize.sanitize(row["body_html"], images)
    except sanitize.SanitizeTimeout:
        return None
    own = sanitize.content_ids(sanitized)
    found = cid_images.inline_images(pool, mailboxes, user_id, row, own, from_gmail=images)
    return Markup(sanitize.insert_images(sanitized, found))


def _search(
    pool: Pool, user_id: str, query: str, label: str, before: str | None, zone: str
) -> tuple[SearchPage, tuple[str, int] | None]:
    """A page of mail; an empty one where the search is too large, with what it has too many of."""
    asked = (pool, user_id, query or None, label or None, PAGE_SIZE, before)
    try:
        return search_page(*asked, zone), None
    except InvalidArgument:  # perhaps Python knows the zone, but Postgres does not
        pass
    try:
        return search_page(*asked, "UTC"), None
    except InvalidArgument as error:
        refusal = mail_search.refusal(str(error))
        if not refusal:
            raise
        return SearchPage([], None, None, []), refusal


def _line(text: str) -> str:
    """Input as one line: control characters become spaces."""
    return " ".join(re.sub(f"[{CONTROLS}]", " ", text).split())


def _message(pool: FunctionCaller, user_id: str, message_id: str) -> Row:
    row = pool.row("get_message", user_id, with_slashes(message_id))
    if row is None:
        raise no_such_message()
    return row


def _highlighted(pool: FunctionCaller, user_id: str, rows: list[Row], query: str) -> list[Row]:
    """The rows with the words that a search found marked; marks in the mail itself are removed."""
    texts = ("subject", "sender", "snippet")
    rows = [row | {name: mail_text.unmarked(row[name] or "") for name in texts} for row in rows]
    if not (query and rows):
        return rows
    ids = [row["message_id"] for row in rows]
    found = {
        each["message_id"]: {name: text for name, text in each.items() if text is not None}
        for each in pool.rows("highlight_messages", user_id, ids, query)
    }
    return [row | found.get(row["message_id"], {}) for row in rows]


def _listed(row: Row) -> dict[str, Any]:
    sender = (row["sender"] or "")[:300]
    name = mail_text.sender_name(sender)
    return row | {
        "subject": (row["subject"] or "")[:300],
        # The address, too, where only it has a found word.
        "sender": name
        if mail_text.FOUND in name
        else sender
        if mail_text.FOUND in sender
        else name,
        "sender_term": mail_search.sender_term(mail_text.unmarked(sender)),
        "snippet": row.get("excerpt") or mail_text.snippet(row["snippet"]),
        "is_unread": "UNREAD" in row["label_ids"],
    }


def _list_address(request: UserRequest) -> str:
    """The parameters of the list of mail that the reader came from."""
    found = re.fullmatch(r"[^?#]*/mail(\?[^#]+)", request.headers.get("referer", ""))
    return found[1] if found else ""


def _message_view(row: Row, is_cut: bool, plain: bool = False) -> MessageView:
    """Shows the HTML if the message has any, unless `plain` asks for its text."""
    body_html = None if plain and row["body_text"] is not None else row["body_html"]
    fields = ("subject", "sender", "recipients", "cc")
    derived = {
        "sender_name": mail_text.sender_name((row["sender"] or "")[:300]),
        "snippet": mail_text.snippet(row["snippet"]),
        "is_unread": "UNREAD" in row["label_ids"],
        "is_cut": is_cut and body_html is None,
        "text": (row["body_text"] or "")[:LONGEST_TEXT],
        "has_text_and_html": row["body_html"] is not None and row["body_text"] is not None,
        "attachments": [_attachment(row["message_id"], each) for each in row["attachments"]],
    }
    if body_html is not None:
        derived["frame"] = mail_text.frame_size(body_html[:LONGEST_TEXT])
        derived["has_hidden_images"] = sanitize.has_hidden_images(body_html)
    limited = {name: (row[name] or "")[:LONGEST_FIELD] for name in fields}
    return msgspec.convert(row | limited | derived, MessageView)


def _attachment(message_id: str, row: Row) -> AttachmentLink:
    part_id = row["part_id"]
    return AttachmentLink(
        name=safe_name(row["filename"] or "", f"attachment-{part_id or 0}", row["mime_type"]),
        size=row["size"],
        type=row["mime_type"][:100],
        path=mail_text.path(
            "api", "gmail", "messages", message_id, "attachments", *filter(None, [part_id])
        ),
    )


def _labels(pool: FunctionCaller, user_id: str) -> dict[str, Any]:
    """The labels of the menu, and the names of the user's own labels."""
    rows = pool.rows("list_labels", user_id)
    own = {row["label_id"]: row["name"] for row in rows if row["type"] == "user"}
    return {"system_labels": SYSTEM_LABELS, "badge_labels": BADGE_LABELS, "own_labels": own}


_TOOLS: dict[str, Any] = {
    "path": mail_text.path,
    "marked": mail_text.marked,
    "linked": mail_text.linked,
    "label_term": mail_search.label_term,
    "with_term": mail_search.with_term,
}

ROUTES = [show_list, show_thread, show_message, show_body]
