"""The two lists that come in pages: messages.list and history.list."""

from collections.abc import Sequence
from typing import Any

from service.simulator import encoding, resources
from service.simulator.errors import ApiError, invalid_value
from service.simulator.history import Message
from service.simulator.http_types import Request, Response, json_response
from service.simulator.mailbox import HIDDEN, Mailbox
from service.simulator.search import search

_DEFAULT_PAGE, _MAX_PAGE = 100, 500
# The query of lieer; no mailbox here has chats.
_NO_CHATS = "-in:chats"


def list_messages(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    if (query := request.one("q")) not in ("", _NO_CHATS):
        found = search(query, mailbox.with_header)
        if not request.flag("includeSpamTrash"):
            found = [message for message in found if not HIDDEN.intersection(message.label_ids)]
        return _message_page(mailbox, found)
    after = None
    if position := _position("messages", request):
        date, _, last_id = position.partition(" ")
        after = (int(date), last_id)
    found, position_after = mailbox.page(
        after, _page_size(request), request.many("labelIds"), request.flag("includeSpamTrash")
    )
    token = None
    if position_after:
        token = encoding.page_token("messages", "{} {}".format(*position_after))
    return _message_page(mailbox, found, token)


def _message_page(
    mailbox: Mailbox, found: Sequence[Message], next_page_token: str | None = None
) -> Response:
    # The estimate ignores the filters: as at Google, it is not a reliable count.
    page: dict[str, Any] = {"resultSizeEstimate": mailbox.totals()[0]}
    if found:
        page["messages"] = [resources.reference(message) for message in found]
    if next_page_token:
        page["nextPageToken"] = next_page_token
    return json_response(page)


def list_history(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    start = request.number("startHistoryId", "start_history_id", "TYPE_UINT64")
    if start is None:
        raise ApiError(400, "Missing required parameter: startHistoryId")
    types = request.many("historyTypes") or resources.HISTORY_TYPES
    for wanted in types:
        if wanted not in resources.HISTORY_TYPES:
            raise invalid_value("history_types", "HistoryType", wanted)
    # Later pages end at the id that the first page saw, though they return the current one.
    after, _, last = _position("history", request).partition(" ")
    changes, more, current = mailbox.changes(
        start, int(after or start), _page_size(request), int(last) if last else None
    )
    shaped = (resources.history(change, types, request.one("labelId")) for change in changes)
    records = [record for record in shaped if record]
    page: dict[str, Any] = {"historyId": str(current)}
    if records:
        page["history"] = records
    if more:
        # Filtered after the cut, so a page can be empty and still have a next one, as at Google.
        page["nextPageToken"] = encoding.page_token(
            "history", f"{changes[-1].id} {last or current}"
        )
    return json_response(page)


def _page_size(request: Request) -> int:
    size = request.number("maxResults", "max_results", "TYPE_UINT32")
    return min(size or _DEFAULT_PAGE, _MAX_PAGE)


def _position(kind: str, request: Request) -> str:
    """The page's position, which its token holds; empty for the first page."""
    token = request.one("pageToken")
    try:
        return encoding.page_position(kind, token) if token else ""
    except ValueError as error:
        raise ApiError(400, "Invalid pageToken") from error
