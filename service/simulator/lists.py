"""The two lists that come in pages: messages.list and history.list."""

from typing import Any

from service.simulator import encoding, resources
from service.simulator.errors import ApiError, invalid_value
from service.simulator.http_types import Request, Response, json_response
from service.simulator.mailbox import Mailbox

_DEFAULT_PAGE, _MAX_PAGE = 100, 500
# The query of lieer; no mailbox here has chats.
_NO_CHATS = "-in:chats"


def list_messages(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    if request.one("q") not in ("", _NO_CHATS):
        raise ApiError(400, "The simulator does not search: q must be empty.")
    after = None
    if position := _position("messages", request):
        date, _, last_id = position.partition(" ")
        after = (int(date), last_id)
    found, position_after = mailbox.page(
        after, _page_size(request), request.many("labelIds"), request.flag("includeSpamTrash")
    )
    # The estimate ignores the filters: as at Google, it is not a reliable count.
    page: dict[str, Any] = {"resultSizeEstimate": mailbox.totals()[0]}
    if found:
        page["messages"] = [resources.reference(message) for message in found]
    if position_after:
        page["nextPageToken"] = encoding.page_token("messages", "{} {}".format(*position_after))
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
