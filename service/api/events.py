"""Progress as server-sent events: the state on connect, then each change of the latest run.

Litestar's ChannelsPlugin could fan out. It would still need the feed, the set of users, the
snapshot and the end of the streams.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import msgspec
from litestar import get
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.response import ServerSentEvent, ServerSentEventMessage

from service.api.auth.tokens import UserRequest
from service.api.feed import LATEST_RUN, ProgressBroadcaster
from service.api.problems import error_responses
from service.api.reader import time_zone_of, translator_of
from service.api.runs import RunEvent
from service.postgres.calls import Row
from service.postgres.pool import Pool

# Proxies drop connections that are silent for about a minute.
KEEPALIVE_SECONDS = 15
RECONNECT_MILLISECONDS = 2000
KEEPALIVE = ServerSentEventMessage(comment="still here", data=None)


async def _stream(
    broadcaster: ProgressBroadcaster,
    user_id: str,
    row: Row | None,
    event_of: Callable[[Row | None], RunEvent],
    expires_at: datetime,
) -> AsyncIterator[ServerSentEventMessage]:
    event = event_of(row)
    yield _message(event)
    with broadcaster.subscribe(LATEST_RUN, user_id, row) as subscriber:
        while not broadcaster.ended:
            now = datetime.now(UTC)
            if expires_at <= now:
                return
            times = filter(None, (expires_at, event.text.valid_until))
            seconds = min((time - now).total_seconds() for time in times)
            await subscriber.wait_for_change(min(KEEPALIVE_SECONDS, max(0, seconds)))
            previous, event = event, event_of(subscriber.row)
            if broadcaster.ended:
                return
            yield _message(event) if event != previous else KEEPALIVE


def _message(run: RunEvent) -> ServerSentEventMessage:
    return ServerSentEventMessage(
        data=msgspec.json.encode(run),
        event="sync",
        # Each event is the whole state, so a client that reconnects needs only the newest.
        id=f"{run.updated_at.timestamp():.6f}" if run.updated_at else "0",
        retry=RECONNECT_MILLISECONDS,
    )


async def notify_own_streams(request: UserRequest) -> None:
    """Send the user's streams in this process the event of a start or a cancellation at once.

    Routes call it after the response, since the database does not announce every start.
    """
    broadcaster: ProgressBroadcaster = request.app.state.broadcaster
    broadcaster.notify_user(request.user.user_id)


@get(
    "/api/gmail/sync/events",
    media_type="text/event-stream",
    responses=error_responses(401, 503),
)
async def sync_events(
    request: UserRequest,
    pool: NamedDependency[Pool],
    broadcaster: NamedDependency[ProgressBroadcaster],
) -> ServerSentEvent:
    """The latest run now and at each change, as events `sync`.

    An event is the object of /status, and `text` in the language of the request.
    """
    user_id = request.user.user_id
    row = await sync_to_thread(lambda: pool.row("sync_status", user_id))
    language, zone = translator_of(request), time_zone_of(request)

    def event_of(row: Row | None) -> RunEvent:
        return RunEvent.for_reader(row, language, zone)

    return ServerSentEvent(_stream(broadcaster, user_id, row, event_of, request.user.expires_at))


ROUTES = [sync_events]
