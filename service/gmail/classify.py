"""Maps Google's answers to our errors, by status and reason.

Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, NamedTuple

import google.auth.exceptions
import urllib3.exceptions
from googleapiclient.errors import HttpError

from service.gmail.errors import (
    AccountBlocked,
    BadRequest,
    DailyLimit,
    Forbidden,
    GmailError,
    Gone,
    HistoryExpired,
    MalformedResponse,
    RateLimited,
    ReauthRequired,
    TooManyConcurrent,
    Transient,
    WatchedElsewhere,
)

# (HTTP status, reason) to class. A reason is errors[].reason, ErrorInfo's reason or error.status.
CLASSES: dict[tuple[int, str], type[GmailError]] = {
    (400, "failedPrecondition"): Transient,
    (400, "FAILED_PRECONDITION"): Transient,
    (403, "rateLimitExceeded"): RateLimited,
    (403, "userRateLimitExceeded"): RateLimited,
    (403, "RATE_LIMIT_EXCEEDED"): RateLimited,
    (403, "dailyLimitExceeded"): DailyLimit,
    (403, "insufficientPermissions"): ReauthRequired,
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): ReauthRequired,
    (403, "domainPolicy"): AccountBlocked,
}

# For a reason the table above does not name. 5xx is Transient whatever it says.
CLASSES_BY_STATUS: dict[int, type[GmailError]] = {
    401: ReauthRequired,
    403: Forbidden,
    408: Transient,
    409: Transient,
    429: RateLimited,
}

# A 404 depends on the method. The id of an attachment expires before its message, so there it
# means only that the message must be fetched again.
CLASSES_OF_404: dict[str, type[GmailError]] = {
    "gmail.users.messages.get": Gone,
    "gmail.users.history.list": HistoryExpired,
    "gmail.users.messages.attachments.get": Transient,
}

# Google gives both cases of each pair the same status and reason, so only the text differs.
# If the text changes, the general class applies. It is harmless: the sync retries, then gives up.
CLASSES_BY_MESSAGE_TEXT: dict[tuple[type[GmailError], str], type[GmailError]] = {
    (Transient, "Mail service not enabled"): AccountBlocked,
    (RateLimited, "Too many concurrent requests"): TooManyConcurrent,
    (BadRequest, "Only one user push notification client"): WatchedElsewhere,
}

# The token endpoint's `error`. The operator must correct any other, or it is temporary.
TOKEN_ERRORS: dict[str, type[GmailError]] = {
    "invalid_grant": ReauthRequired,
    "unauthorized_client": ReauthRequired,
    "invalid_scope": ReauthRequired,
    "invalid_client": Forbidden,
}

_RETRY_AFTER = re.compile(r"Retry after (\S+Z)")


class _Envelope(NamedTuple):
    """Google's error object: its text and all its reasons, the most exact first."""

    message: str
    reasons: list[str]


def classify(error: Exception, method: str = "") -> GmailError:
    """The GmailError for `error`, which a call of `method` raised.

    `method` is the discovery document's id, such as `gmail.users.history.list`.
    """
    if isinstance(error, GmailError):
        return error
    if isinstance(error, HttpError):
        return _classify_answer(error, method)
    if isinstance(error, google.auth.exceptions.RefreshError):
        return _classify_refusal(error)
    if isinstance(
        error,
        OSError
        | HTTPException
        | urllib3.exceptions.HTTPError
        | google.auth.exceptions.TransportError,
    ):
        cause = _cause(error)
        return Transient(str(cause) or type(cause).__name__)
    return MalformedResponse(f"{type(error).__name__}: {error}")


def _cause(error: BaseException) -> BaseException:
    """The innermost error: urllib3 wraps it, and writes its own objects into the text."""
    wrapped = (each for each in (error.__cause__, *error.args) if isinstance(each, Exception))
    inner = next(wrapped, None)
    return _cause(inner) if inner else error


def _classify_answer(error: HttpError, method: str) -> GmailError:
    status = int(error.resp.status)
    envelope = _envelope(error.content)
    if envelope is None:
        return _classify_without_envelope(error, status)
    kind = _table(status, envelope.reasons, method)
    for (general, text), exact in CLASSES_BY_MESSAGE_TEXT.items():
        if kind is general and text in envelope.message:
            kind = exact
    reason = next(iter(envelope.reasons), "")
    if issubclass(kind, RateLimited):
        retry_at = _retry_at(envelope.message, error.resp)
        return kind(envelope.message, reason=reason, status=status, retry_at=retry_at)
    return kind(envelope.message, reason=reason, status=status)


def _classify_without_envelope(error: HttpError, status: int) -> GmailError:
    """A proxy's page or a wrong server. It does not concern the account or the message."""
    detail = f"HTTP {status}, not in Gmail's format"
    if status == 429:
        return RateLimited(detail, status=status, retry_at=_retry_at("", error.resp))
    if status >= 500:
        return Transient(detail, status=status)
    return MalformedResponse(detail, status=status)


def _table(status: int, reasons: list[str], method: str) -> type[GmailError]:
    for reason in reasons:
        if (status, reason) in CLASSES:
            return CLASSES[status, reason]
    if status == 404:
        return CLASSES_OF_404.get(method, BadRequest)
    if status >= 500:
        return Transient
    return CLASSES_BY_STATUS.get(status, BadRequest)


def _envelope(content: bytes) -> _Envelope | None:
    try:
        error = json.loads(content)["error"]
        message, status = error.get("message", ""), error.get("status", "")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    reasons = [*_reasons(error.get("errors")), *_reasons(error.get("details")), status]
    return _Envelope(str(message), [reason for reason in reasons if isinstance(reason, str)])


def _reasons(details: Any) -> Iterator[Any]:
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            yield detail.get("reason")


def _retry_at(message: str, headers: dict[str, str]) -> datetime | None:
    """When Google allows the next request. The text of the message usually has the time."""
    found = _RETRY_AFTER.search(message)
    after = headers.get("retry-after", "")
    try:
        if found:
            return datetime.fromisoformat(found[1]).astimezone(UTC)
        if after.isdecimal():
            return datetime.now(UTC) + timedelta(seconds=int(after))
        return parsedate_to_datetime(after).astimezone(UTC) if after else None
    except (ValueError, TypeError, OverflowError):
        return None


def _classify_refusal(error: google.auth.exceptions.RefreshError) -> GmailError:
    """A refusal of the token endpoint. args are the text and, if it was JSON, the answer."""
    answer = error.args[1] if len(error.args) > 1 else None
    if error.retryable or not isinstance(answer, dict):
        return Transient(str(error.args[0]) if error.args else "")
    reason = str(answer.get("error", ""))
    kind = TOKEN_ERRORS.get(reason, BadRequest)
    return kind(str(answer.get("error_description", reason)), reason=reason)
