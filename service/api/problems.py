"""Every error as problem details (RFC 9457): `code` is stable, `detail` says what to do."""

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import jwt
import psycopg
from litestar.exceptions import HTTPException, NotAuthorizedException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins.problem_details import ProblemDetailsException
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from db.connection import is_not_ready, is_read_only
from service.api.auth.keys import PAUSE_SECONDS, KeysUnavailable
from service.api.fields import TEXT_RULE
from service.gmail.errors import (
    GmailError,
    Gone,
    Refused,
    Transient,
)
from service.mailbox.access import CredentialsKeysMissing, QuotaUsedUp
from service.mailbox.content import NoSuchMessage
from service.postgres.errors import (
    AccountNotConnected,
    ChangesUnknown,
    InvalidArgument,
    LeaseLost,
    RunEnded,
    SyncError,
    TooOften,
    UserElsewhere,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5


class FieldError(Struct, kw_only=True, omit_defaults=True):
    """One error in a request."""

    message: str
    key: str | None = None
    source: str | None = None


class Problem(Struct, kw_only=True, omit_defaults=True):
    """An error in the format of RFC 9457."""

    status: int
    title: str
    detail: str
    code: str
    errors: list[FieldError] | None = None


def error_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """These errors for a route's OpenAPI; 500 is added to all."""
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            media_type=MEDIA_TYPE,
            description=HTTPStatus(status).description or HTTPStatus(status).phrase,
        )
        for status in (*statuses, 500)
    }


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> ProblemDetailsException:
    """The exception that answers with these details."""
    return ProblemDetailsException(
        detail=detail,
        status_code=status,
        title=HTTPStatus(status).phrase,
        headers=headers,
        extra={"code": code} | ({"errors": errors} if errors else {}),
    )


def no_such_message() -> ProblemDetailsException:
    return problem(404, "no_such_message", "You have no message with this id.")


def no_such_thread() -> ProblemDetailsException:
    return problem(404, "no_such_thread", "You have no thread with this id.")


Conversions = dict[type[Exception], Callable[[Any], ProblemDetailsException]]


def conversions(log: FilteringBoundLogger) -> Conversions:
    """The problem for each exception; unexpected ones are logged."""

    def unexpected(error: Exception) -> ProblemDetailsException:
        log.error("request failed unexpectedly", exc_info=error)
        return problem(
            500, "internal_error", "An unexpected error occurred. Please try again later."
        )

    def by_status(error: HTTPException) -> ProblemDetailsException:
        return unexpected(error) if error.status_code >= 500 else _http_problem(error)

    return {
        ValidationException: _validation_problem,
        NotAuthorizedException: _authentication_problem,
        HTTPException: by_status,
        KeysUnavailable: _keys_problem,
        SyncError: _sync_problem,
        UserElsewhere: lambda _: _retry_problem(
            "user_moving", "Your data moves to another server."
        ),
        GmailError: _gmail_problem,
        QuotaUsedUp: _quota_problem,
        CredentialsKeysMissing: lambda _: problem(
            503,
            "gmail_not_configured",
            "This server has no keys to decrypt credentials of Gmail with.",
        ),
        NoSuchMessage: lambda _: no_such_message(),
        psycopg.OperationalError: lambda error: _database_problem(log, error),
        psycopg.errors.ReadOnlySqlTransaction: lambda error: _database_problem(log, error),
        psycopg.ProgrammingError: lambda error: (
            _not_ready_problem(log, error) if is_not_ready(error) else unexpected(error)
        ),
        Exception: unexpected,
    }


_HTTP_PROBLEMS = {
    400: ("invalid_request", ""),
    403: ("forbidden", "This token does not permit the request."),
    404: ("not_found", "There is nothing at this address; /schema lists all addresses."),
    405: ("method_not_allowed", "This address does not support the method; see the header Allow."),
    413: ("request_too_large", "The request's body is too large."),
}


def _http_problem(error: HTTPException) -> ProblemDetailsException:
    code, detail = _HTTP_PROBLEMS.get(error.status_code, ("request_refused", ""))
    return problem(error.status_code, code, detail or f"{error.detail}.", headers=error.headers)


def _validation_problem(error: ValidationException) -> ProblemDetailsException:
    errors = error.extra if isinstance(error.extra, list) else []
    for each in errors:
        if "matching regex" in each["message"]:
            each["message"] = TEXT_RULE
    detail = "; ".join(
        f"{each['key']}: {each['message']}" if "key" in each else each["message"] for each in errors
    )
    return problem(400, "invalid_request", detail or error.detail, errors=errors)


_TOKEN_ERRORS = {
    jwt.ExpiredSignatureError: "The token has expired: get a new one.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is from another issuer.",
}


def _authentication_problem(error: NotAuthorizedException) -> ProblemDetailsException:
    detail = next(
        (text for kind, text in _TOKEN_ERRORS.items() if isinstance(error.__cause__, kind)),
        "Send a valid token in the header `Authorization: Bearer TOKEN`.",
    )
    return problem(401, "not_authenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def _keys_problem(_error: KeysUnavailable) -> ProblemDetailsException:
    return problem(
        503,
        "issuer_unavailable",
        "The keys of the token issuer are not available. "
        f"Please try again in {PAUSE_SECONDS} seconds.",
        headers={"Retry-After": str(PAUSE_SECONDS)},
    )


_SYNC_PROBLEMS = {
    InvalidArgument: (400, "invalid_argument"),
    AccountNotConnected: (409, "account_not_connected"),
    LeaseLost: (409, "lease_lost"),
    RunEnded: (409, "run_ended"),
    TooOften: (429, "too_many_requests"),
    ChangesUnknown: (410, "cursor_expired"),
}


def _sync_problem(error: SyncError) -> ProblemDetailsException:
    status, code = _SYNC_PROBLEMS[type(error)]
    headers = (
        {"Retry-After": error.detail} if isinstance(error, TooOften) and error.detail else None
    )
    detail = f"{error}. {error.hint}" if error.hint else str(error)
    return problem(status, code, detail, headers=headers)


# Status and code; the first match counts.
_GMAIL_PROBLEMS: dict[type[GmailError], tuple[int, str]] = {
    Gone: (404, "gone_from_gmail"),
    Refused: (409, "account_not_connected"),
    Transient: (503, "gmail_unavailable"),
    GmailError: (502, "gmail_unavailable"),
}


def _gmail_problem(error: GmailError) -> ProblemDetailsException:
    kind = next(kind for kind in _GMAIL_PROBLEMS if isinstance(error, kind))
    status, code = _GMAIL_PROBLEMS[kind]
    if kind is Transient:
        return _retry_problem(code, "Gmail does not respond.")
    return problem(status, code, str(error))


def _quota_problem(error: QuotaUsedUp) -> ProblemDetailsException:
    seconds = math.ceil(max(error.wait.total_seconds(), 1))
    return problem(503, "gmail_quota", str(error), headers={"Retry-After": str(seconds)})


def _database_problem(log: FilteringBoundLogger, error: psycopg.Error) -> ProblemDetailsException:
    log.warning("database query failed", error=str(error))
    code, reason = (
        ("database_read_only", "The database cannot be written: it is a standby or read-only.")
        if is_read_only(error)
        else ("database_unavailable", "The database does not respond.")
    )
    return _retry_problem(code, reason)


def _not_ready_problem(log: FilteringBoundLogger, error: psycopg.Error) -> ProblemDetailsException:
    log.error("database not ready", exc_info=error)
    return _retry_problem("not_ready", "The database is not ready; /readyz says why.")


def _retry_problem(code: str, reason: str) -> ProblemDetailsException:
    return problem(
        503,
        code,
        f"{reason} Please try again in {RETRY_SECONDS} seconds.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
