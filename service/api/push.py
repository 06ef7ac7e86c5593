"""Receives Pub/Sub's pushes: Gmail reports that a mailbox has changed, which starts a run.

A push is a hint: the run reads the history from our own cursor. So duplicates, late and reordered
pushes are harmless, and a lost one costs only time (GMAIL.md, 2.7).

Pub/Sub repeats a push for days until the status is 2xx, and slows down all other pushes of the
subscription. So a push that can never be understood is acknowledged, with a warning in the log. A
push that may succeed later (no database, no keys of Google) is refused.
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
from service.postgres.pool import Pool

# The envelope of Pub/Sub holds an address and a number.
LARGEST_BODY = 64 * 1024
RETRY_SECONDS = 10


class Envelope(Struct):
    """The envelope of Pub/Sub: `data` is base64 of Gmail's JSON."""

    class Message(Struct):
        data: Annotated[str, Meta(max_length=LARGEST_BODY)]

    message: Message


class Change(Struct, rename="camel"):
    """Gmail's JSON: history_id is documented as a string and sent as a number."""

    email_address: Annotated[str, Meta(max_length=320, pattern=r"^[^\s\x00-\x1f\x7f]+\Z")]
    history_id: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^[0-9]{1,40}\Z")]


class Subscription:
    """Our subscription of Pub/Sub: authenticates its pushes and reads them."""

    def __init__(self, tokens: PushTokens, log: FilteringBoundLogger) -> None:
        self._tokens = tokens
        self._log = log

    def authenticate(self, authorization: str) -> None:
        """Raises 401, and 503 if Google's keys are not available."""
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
                "Google's keys are not available. Please send this again.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from error

    def read(self, body: bytes) -> Change | None:
        """The change that a push reports; None, with a warning in the log, if it is malformed."""
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
    """Only for Pub/Sub, which sends a token of its service account."""
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
