"""What the faults that strike a request do to its answer."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from service.simulator import multipart
from service.simulator.encoding import page_position, page_token
from service.simulator.errors import ApiError
from service.simulator.faults import Action, ArmedFault, Fault
from service.simulator.http_types import Request, Response, error_response

_WAITS: tuple[Action, ...] = ("hang", "latency")
_DELIVERIES: tuple[Action, ...] = ("drip", "truncate", "drop")
# Lists that never end: which variant of the first page's token the n-th page names.
_ENDLESS: dict[Action, Callable[[int], int]] = {
    "stuck_token": lambda n: 1,
    "alternating_tokens": lambda n: n % 2,
    "repeated_page": lambda n: n,
    "renumbered_page": lambda n: n,
}
_PAGES: tuple[Action, ...] = (
    *("empty_page", "duplicate", "invalid_page_token", "wrong_estimate"),
    *_ENDLESS,
)
# More than a page has records.
_RENUMBERED = 1000
_ITEMS = ("messages", "history")
_ESTIMATE = 201  # what Gmail answers to most requests


def delivery(struck: Sequence[ArmedFault]) -> ArmedFault | None:
    """The fault in how the response is to be sent, if any."""
    return next((armed for armed in struck if armed.fault.action in _DELIVERIES), None)


def refusal(
    struck: Sequence[ArmedFault], shape: Callable[[ApiError], Response] = error_response
) -> Response | None:
    """Waits as the faults require. Returns the answer that replaces the request, if any."""
    for armed in struck:
        if armed.fault.action in _WAITS:
            armed.pause()
    for armed in struck:
        if armed.fault.action == "error":
            return shape(_error(armed.fault))
        if armed.fault.action == "html":
            page = f"<!DOCTYPE html><html><title>Error {armed.fault.status}</title></html>"
            return Response(armed.fault.status, page.encode(), "text/html; charset=UTF-8")
    return None


def apply_faults(struck: Sequence[ArmedFault], request: Request, response: Response) -> Response:
    """The response with the faults that change its content."""
    for armed in struck:
        action = armed.fault.action
        if action == "cut":
            cut(response)
        elif action == "reorder":
            multipart.reverse(response)
        elif action == "stale_parts" and response.status == 200:
            _answer_as_first(armed, response)
        elif action == "mangle" and response.status == 200:
            response.body = armed.fault.body.encode()
        elif action in _PAGES and response.status == 200:
            page = msgspec.json.decode(response.body)
            _alter_page(armed, request, page)
            response.body = msgspec.json.encode(page)
    return response


def _answer_as_first(armed: ArmedFault, response: Response) -> None:
    if armed.first_batch is None:
        armed.first_batch = (response.body, response.content_type)
    else:
        response.body, response.content_type = armed.first_batch
        response.fetched = ()


def cut(response: Response) -> None:
    response.body = response.body[: len(response.body) // 2]
    response.fetched = ()


def _error(fault: Fault) -> ApiError:
    error = ApiError(fault.status, fault.message, fault.reason, fault.subtype)
    if fault.retry_after is not None:
        error.message += f"  Retry after {_time(fault.retry_after)}"
    return error


def _time(retry_after: str | float) -> str:
    if isinstance(retry_after, str):
        return retry_after
    moment = datetime.now(UTC) + timedelta(seconds=retry_after)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alter_page(armed: ArmedFault, request: Request, page: dict[str, Any]) -> None:
    key = next((name for name in _ITEMS if name in page), "")
    kind = "history" if request.path.endswith("history") else "messages"
    action = armed.fault.action
    if action == "invalid_page_token" and "nextPageToken" in page:
        page["nextPageToken"] = "expired"
    elif action == "empty_page":
        page.pop(key, None)
        asked = request.one("pageToken")
        position = page_position(kind, asked) if asked else ""
        page["nextPageToken"] = page_token(kind, position, armed.struck)
    elif action in _ENDLESS:
        page["nextPageToken"] = page_token(kind, "", _ENDLESS[action](armed.struck))
        if action == "renumbered_page":
            for record in page.get("history", []):
                record["id"] = str(int(record["id"]) + _RENUMBERED * armed.struck)
    elif action == "wrong_estimate":
        page["resultSizeEstimate"] = _ESTIMATE
    elif action == "duplicate" and key:
        before = [armed.last_id] if armed.last_id else []
        items = page[key]
        armed.last_id = items[-1]
        page[key] = before + items + items[:1]
