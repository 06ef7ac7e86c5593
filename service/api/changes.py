"""What changed in the user's mail, in order, for programs that keep a copy of it."""

import base64
import hashlib
import time
from datetime import UTC, datetime
from typing import Annotated

import anyio
import msgspec
from litestar import get
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct

from service.api.auth.tokens import UserRequest
from service.api.feed import LATEST_CHANGE, ProgressBroadcaster, Subscriber
from service.api.problems import error_responses, problem
from service.postgres.calls import Row
from service.postgres.pool import Pool

NOW = "now"
NUMBER_BYTES = 8
CHECK_BYTES = 8
LONGEST_WAIT = 30
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=100,
        description="`next` of the page before. `now` skips all changes so far. Without it, the "
        "page is the first one.",
    ),
]
Wait = Annotated[
    float,
    QueryParameter(
        ge=0,
        le=LONGEST_WAIT,
        description="If there is no change yet, wait for one for so many seconds.",
    ),
]


class Change(Struct):
    """A message that is new, has changed or was deleted."""

    message_id: str
    deleted: bool


class Changes(Struct):
    """A page of changes, oldest first; `next` is the `after` of the next page.

    If `more`, the next page holds changes already.
    """

    changes: list[Change]
    next: str
    more: bool


@get("/api/gmail/changes", responses=error_responses(400, 401, 410, 503))
async def list_changes(
    request: UserRequest,
    pool: NamedDependency[Pool],
    broadcaster: NamedDependency[ProgressBroadcaster],
    after: Cursor = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
    wait: Wait = 0,
) -> Changes:
    """What changed in the mail after a cursor, in order.

    A message has one entry, at the place of its last change. A page without changes has a cursor
    too.
    """
    user_id = request.user.user_id
    number = (
        await sync_to_thread(_latest, pool, user_id) if after == NOW else _number(after, user_id)
    )

    def read() -> list[Row]:
        # One row more than requested shows whether there is a next page.
        return pool.rows("changes_since", user_id, number, limit + 1)

    found = await sync_to_thread(read)
    if wait and not found:
        valid_for = (request.user.expires_at - datetime.now(UTC)).total_seconds()
        ends = time.monotonic() + min(wait, valid_for)
        known = {"user_id": user_id, "change_number": number}
        with broadcaster.subscribe(LATEST_CHANGE, user_id, known) as subscriber:
            while not (found or broadcaster.ended) and await _changes(request, subscriber, ends):
                found = await sync_to_thread(read)
    rows = found[:limit]
    last = rows[-1]["change_number"] if rows else number
    changes = msgspec.convert(rows, list[Change])
    return Changes(changes, _cursor(last, user_id), len(found) > limit)


async def _changes(request: UserRequest, subscriber: Subscriber, ends: float) -> bool:
    """Wait for a change; False if there was none in time, or the client has gone away."""
    changed = False
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, request, group.cancel_scope)
        changed = await subscriber.wait_for_change(ends - time.monotonic())
        group.cancel_scope.cancel()
    return changed


async def _cancel_when_gone(request: UserRequest, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _latest(pool: Pool, user_id: str) -> int:
    row = LATEST_CHANGE.of_user(pool, user_id)
    return row["change_number"] if row else 0


def _cursor(number: int, user_id: str) -> str:
    """Opaque, so that clients do not compute with it. Its check finds mistakes."""
    position = number.to_bytes(NUMBER_BYTES)
    return base64.urlsafe_b64encode(position + _check(position, user_id)).decode().rstrip("=")


def _number(cursor: str | None, user_id: str) -> int:
    """The change number of a cursor. Raises 400 unless this user got it here."""
    if cursor is None:
        return 0
    try:
        content = base64.b64decode(f"{cursor}==", b"-_", validate=True)
    except ValueError:
        content = b""
    position, check = content[:NUMBER_BYTES], content[NUMBER_BYTES:]
    if check != _check(position, user_id):
        raise problem(
            400,
            "invalid_cursor",
            "`after` is not a cursor of yours: pass `next` of the page before, unchanged.",
        )
    return int.from_bytes(position)


def _check(position: bytes, user_id: str) -> bytes:
    return hashlib.blake2b(position + user_id.encode(), digest_size=CHECK_BYTES).digest()


ROUTES = [list_changes]
