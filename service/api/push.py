"""Pub/Sub's pushes: Gmail's word that a mailbox has changed, which starts a run.

A push is a hint. What it says is looked up in the history from our own cursor, so duplicates, old
news and reordering are harmless, and a lost one costs time alone (GMAIL.md, 2.7).

Whatever is no 2xx is sent again for days, and slows down all other pushes of the subscription. So
what our subscription sent and nobody can ever understand is acknowledged, with a warning in the
log; what may go better later (no database, no keys of Google's) is refused.
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import RawBody
from msgspec import Meta, Struct
from structlog.typing import FilteringBoundLogger

from service.api.auth.keys import KeysUnavailable
from service.api.auth.push_tokens import PushTokens, Refused
from service.api.auth.tokens import OPEN
from service.api.problems import error_responses, problem
from service.mime.text import exact_base64
from service.postgres.calls import Pool

# Of Pub/Sub's envelope around an address and a number.
LARGEST_BODY = 64 * 1024
RETRY_SECONDS = 10


class Envelope(Struct):
    """Pub/Sub's: `data` is base64 of what Gmail said."""

    class Message(Struct):
        data: Annotated[str, Meta(max_length=LARGEST_BODY)]

    message: Message


class Change(Struct, rename="camel"):
    """What Gmail says: documented with a string, sent with a number."""

    email_address: Annotated[str, Meta(max_length=320, pattern=r"^[^\s\x00-\x1f\x7f]+\Z")]
    history_id: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^[0-9]{1,40}\Z")]


class Subscription:
    """Pub/Sub's subscription that pushes to us: whether a push is of it, and what it says."""

    def __init__(self, tokens: PushTokens, log: FilteringBoundLogger) -> None:
        self._tokens = tokens
        self._log = log

    def authenticate(self, authorization: str) -> None:
        """Raises 401, and 503 when nobody can be told from anybody."""
        try:
            self._tokens.check(authorization)
        except Refused as error:
            self._log.warning("push refused", error=str(error))
            raise problem(
                401,
                "not_authenticated",
                "This is for Pub/Sub: send a token of the subscription's service account.",
                headers={"WWW-Authenticate": "Bearer"},
            ) from error
        except KeysUnavailable as error:
            self._log.warning("push not checked", error=str(error))
            raise problem(
                503,
                "google_unreachable",
                "Google's keys cannot be had just now. Please send this again.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from error

    def read(self, body: bytes) -> Change | None:
        """What a push says; None, and a line in the log, when that is nothing Gmail says."""
        try:
            said = msgspec.json.decode(body, type=Envelope).message.data
            return msgspec.json.decode(exact_base64(said), type=Change)
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            self._log.warning("push not understood", error=str(error))
            return None


@post(
    "/api/gmail/push",
    opt=OPEN,
    security=[{}],
    status_code=204,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
    responses=error_responses(401, 404, 503),
)
def receive_push(
    request: Request[Any, Any, Any],
    body: RawBody,
    pool: NamedDependency[Pool],
    subscription: NamedDependency[Subscription | None],
) -> None:
    """For Pub/Sub alone, which shows a token of its service account."""
    if subscription is None:
        raise problem(
            404,
            "push_not_configured",
            "Set GMAIL_SYNC_PUSH_AUDIENCE and GMAIL_SYNC_PUSH_SERVICE_ACCOUNT to receive pushes.",
        )
    subscription.authenticate(request.headers.get("Authorization", ""))
    if change := subscription.read(body):
        pool.rows("receive_push", change.email_address, int(change.history_id))


ROUTES = [receive_push]
