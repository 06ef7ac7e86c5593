"""Maps Google's answers to our errors, by status and reason.

Sources: https://developers.google.com/workspace/gmail/api/guides/handle-errors,
google/api/error_reason.proto of googleapis for the reasons in capitals, and
https://support.google.com/accounts/answer/16668185 for the errors of the token endpoint.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, NamedTuple, TypedDict

import google.auth.exceptions
import urllib3.exceptions
from googleapiclient.errors import HttpError

from service.gmail.errors import (
    AccountBlocked,
    AdminRefused,
    ApiDisabled,
    BadRequest,
    ClientGone,
    ClientInvalid,
    ClientRestricted,
    DailyLimit,
    Forbidden,
    GmailError,
    Gone,
    HistoryExpired,
    MalformedResponse,
    RateLimited,
    ReauthRequired,
    ScopeMissing,
    SessionEnded,
    TooManyConcurrent,
    Transient,
    WatchedElsewhere,
)

# (HTTP status, reason) to class. A reason is errors[].reason, ErrorInfo's reason or error.status.
CLASSES: dict[tuple[int, str], type[GmailError]] = {
    (400, "failedPrecondition"): Transient,
    (400, "FAILED_PRECONDITION"): Transient,
    (401, "ACCOUNT_STATE_INVALID"): AccountBlocked,
    (403, "rateLimitExceeded"): RateLimited,
    (403, "userRateLimitExceeded"): RateLimited,
    (403, "quotaExceeded"): RateLimited,
    (403, "servingLimitExceeded"): RateLimited,
    (403, "RATE_LIMIT_EXCEEDED"): RateLimited,
    (403, "RESOURCE_QUOTA_EXCEEDED"): RateLimited,
    (403, "concurrentLimitExceeded"): TooManyConcurrent,
    (403, "dailyLimitExceeded"): DailyLimit,
    (403, "insufficientPermissions"): ScopeMissing,
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): ScopeMissing,
    (403, "ACCOUNT_STATE_INVALID"): AccountBlocked,
    (403, "domainPolicy"): AdminRefused,
    (403, "lockedDomainForbidden"): AdminRefused,
    (403, "ORG_RESTRICTION_VIOLATION"): AdminRefused,
    (403, "SECURITY_POLICY_VIOLATED"): AdminRefused,
    (403, "USER_BLOCKED_BY_ADMIN"): AdminRefused,
    (403, "accessNotConfigured"): ApiDisabled,
    # A limit of requests that belong to no project.
    (403, "dailyLimitExceededUnreg"): ApiDisabled,
    (403, "rateLimitExceededUnreg"): ApiDisabled,
    (403, "userRateLimitExceededUnreg"): ApiDisabled,
    (403, "BILLING_DISABLED"): ApiDisabled,
    (403, "CONSUMER_INVALID"): ApiDisabled,
    (403, "CONSUMER_SUSPENDED"): ApiDisabled,
    (403, "SERVICE_DISABLED"): ApiDisabled,
    (403, "USER_PROJECT_DENIED"): ApiDisabled,
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

# The token endpoint's (error, error_subtype). An unknown error is Forbidden.
TOKEN_ERRORS: dict[tuple[str, str], type[GmailError]] = {
    ("invalid_grant", ""): ReauthRequired,
    ("invalid_grant", "invalid_rapt"): SessionEnded,
    ("invalid_grant", "rapt_required"): SessionEnded,
    ("consent_required", ""): ReauthRequired,
    ("interaction_required", ""): ReauthRequired,
    ("login_required", ""): ReauthRequired,
    # The refresh token belongs to another client.
    ("unauthorized_client", ""): ReauthRequired,
    ("invalid_scope", ""): ScopeMissing,
    ("access_denied", ""): AdminRefused,
    ("admin_policy_enforced", ""): AdminRefused,
    ("access_not_configured", ""): AdminRefused,
    ("deleted_client", ""): ClientGone,
    ("disabled_client", ""): ClientGone,
    ("invalid_client", ""): ClientInvalid,
    # What is invalid in our request is a client without its secret.
    ("invalid_request", ""): ClientInvalid,
    ("org_internal", ""): ClientRestricted,
    ("restricted_client", ""): ClientRestricted,
    ("internal_failure", ""): Transient,
    ("rate_limit_exceeded", ""): Transient,
    ("server_error", ""): Transient,
    ("temporarily_unavailable", ""): Transient,
}

# Only the description, in lower case, distinguishes these from a grant that has ended.
# If the text changes, the general class applies: the account must be connected again.
TOKEN_ERRORS_BY_DESCRIPTION: dict[tuple[str, str], type[GmailError]] = {
    ("invalid_grant", "account has been deleted"): AccountBlocked,
    ("invalid_grant", "account has been disabled"): AccountBlocked,
    ("invalid_grant", "account has been suspended"): AccountBlocked,
    ("invalid_grant", "account not found"): AccountBlocked,
}

_RETRY_AFTER = re.compile(r"Retry after (\S+Z)")
# The database stores no longer wait.
_LONGEST_WAIT_SECONDS = 24 * 3600


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
    return _classify_envelope(status, envelope, method, error.resp)


def _classify_envelope(
    status: int, envelope: _Envelope, method: str, headers: dict[str, str]
) -> GmailError:
    kind = _table(status, envelope.reasons, method)
    for (general, text), exact in CLASSES_BY_MESSAGE_TEXT.items():
        if kind is general and text in envelope.message:
            kind = exact
    reason = next(iter(envelope.reasons), "")
    if issubclass(kind, RateLimited):
        retry = _retry(envelope.message, headers)
        return kind(envelope.message, reason=reason, status=status, **retry)
    return kind(envelope.message, reason=reason, status=status)


def _classify_without_envelope(error: HttpError, status: int) -> GmailError:
    """A proxy's page or a wrong server. It does not concern the account or the message."""
    detail = f"HTTP {status}, not in Gmail's format"
    if status == 429:
        return RateLimited(detail, status=status, **_retry("", error.resp))
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
        return _envelope_of(json.loads(content))
    except (ValueError, RecursionError):
        return None


def _envelope_of(answer: Any) -> _Envelope | None:
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return None
    reasons = [
        *_reasons(error.get("errors")),
        *_reasons(error.get("details")),
        error.get("status", ""),
    ]
    message = str(error.get("message", ""))
    return _Envelope(message, [reason for reason in reasons if isinstance(reason, str)])


def _reasons(details: Any) -> Iterator[Any]:
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            yield detail.get("reason")


class _Retry(TypedDict, total=False):
    """When or after how long Google allows the next request, if it says so."""

    retry_at: datetime
    retry_after: timedelta


def _retry(message: str, headers: dict[str, str]) -> _Retry:
    """The text of the message usually has the time."""
    found = _RETRY_AFTER.search(message)
    after = headers.get("retry-after", "")
    try:
        if found:
            return _Retry(retry_at=datetime.fromisoformat(found[1]).astimezone(UTC))
        if after.isdecimal():
            return _Retry(retry_after=timedelta(seconds=min(int(after), _LONGEST_WAIT_SECONDS)))
        return _Retry(retry_at=parsedate_to_datetime(after).astimezone(UTC)) if after else _Retry()
    except (ValueError, TypeError, OverflowError):
        return _Retry()


def _classify_refusal(error: google.auth.exceptions.RefreshError) -> GmailError:
    """A refusal of the token endpoint. args are the text and the answer, or None if not JSON.

    google-auth itself refuses to send a request without a client: then there is only a text.
    """
    text, answer = (*error.args, "", None)[:2]
    if len(error.args) == 1 and not error.retryable:
        return ClientInvalid(str(text))
    if error.retryable or not isinstance(answer, dict):
        return Transient(str(text))
    if envelope := _envelope_of(answer):
        # As the API answers. The endpoint has no method that a status could depend on.
        code = answer["error"].get("code")
        return _classify_envelope(code if isinstance(code, int) else 403, envelope, "", {})
    reason, subtype, description = (
        str(answer.get(name) or "") for name in ("error", "error_subtype", "error_description")
    )
    if not reason:
        return MalformedResponse("the token endpoint's answer names no error")
    detail = f"{reason}: {description}" if description else reason
    return token_error(reason, subtype, description)(detail, reason=reason)


def token_error(reason: str, subtype: str = "", description: str = "") -> type[GmailError]:
    """The class of an error of the token endpoint."""
    for (error, text), kind in TOKEN_ERRORS_BY_DESCRIPTION.items():
        if reason == error and text in description.lower():
            return kind
    general = TOKEN_ERRORS.get((reason, ""), Forbidden)
    return TOKEN_ERRORS.get((reason, subtype), general)
