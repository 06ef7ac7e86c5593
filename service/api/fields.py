"""Rules for the fields of requests: no NUL (Postgres has none), no U+FFFD (invalid UTF-8)."""

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from service.postgres.user_id import CONTROLS

_TEXT = rf"[^{CONTROLS}\ufffd]"
_NOT_BLANK = rf"^{_TEXT}*[^\s{CONTROLS}\ufffd]{_TEXT}*$"

# A task_id is sync_{user id of up to 255 characters}_{8 hex}_{epoch seconds}.
TaskId = Annotated[str, PathParameter(max_length=300, pattern=_NOT_BLANK)]
TaskIdOfForm = Annotated[str, Meta(max_length=300, pattern=rf"^{_TEXT}*$")]
AfterTaskId = Annotated[str | None, QueryParameter(max_length=300, pattern=_NOT_BLANK)]
# Ids of mail are opaque, and short on every server.
MessageId = Annotated[str, PathParameter(max_length=200, pattern=_NOT_BLANK)]
PartId = Annotated[str, PathParameter(max_length=200, pattern=_NOT_BLANK)]
OptionalMessageId = Annotated[str | None, QueryParameter(max_length=200, pattern=_NOT_BLANK)]
UserIdFilter = Annotated[str | None, QueryParameter(max_length=255, pattern=_NOT_BLANK)]
SearchQuery = Annotated[str | None, QueryParameter(max_length=1000, pattern=_NOT_BLANK)]
TEXT_RULE = "must not be blank and must be UTF-8 without control characters"


class NoFields(Struct, forbid_unknown_fields=True):
    """The only body that is allowed."""


async def reject_request_body(request: Request[Any, Any, Any]) -> None:
    """For requests without a body: a field in it is an error and is not ignored."""
    body = await request.body()
    try:
        msgspec.json.decode(body or b"{}", type=NoFields)
    except msgspec.DecodeError as error:
        raise ClientException(f"This request takes no fields in its body: {error}") from error
