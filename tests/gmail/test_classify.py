"""Each row of the error table, and what only the text shows."""

import json
import socket
from datetime import UTC, datetime, timedelta
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any

import pytest
import urllib3
from google.auth.exceptions import RefreshError, TransportError
from googleapiclient.errors import HttpError

from service.gmail import errors
from service.gmail.backoff import retry_at
from service.gmail.classify import CLASSES, CLASSES_BY_STATUS, TOKEN_ERRORS, classify
from service.gmail.transport import Response

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
GET, HISTORY = "gmail.users.messages.get", "gmail.users.history.list"


def answer(status: int, content: object, **headers: str) -> HttpError:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HttpError(Response(status, headers=headers), body)


def google(status: int, reason: str = "", message: str = "no", **error: Any) -> HttpError:
    listed = [{"message": message, "domain": "global", "reason": reason}]
    return answer(
        status, {"error": {"code": status, "message": message, "errors": listed, **error}}
    )


def refused(content: object, **options: bool) -> RefreshError:
    return RefreshError("HTTP 400", content, **options)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("status", "reason", "kind"), [(*key, v) for key, v in CLASSES.items()])
def test_status_and_reason_decide(status: int, reason: str, kind: type[errors.GmailError]) -> None:
    error = classify(google(status, reason), GET)
    assert type(error) is kind
    assert (error.status, error.reason) == (status, reason)


@pytest.mark.parametrize(("status", "kind"), CLASSES_BY_STATUS.items())
def test_the_status_decides_for_an_unknown_reason(
    status: int, kind: type[errors.GmailError]
) -> None:
    assert type(classify(google(status, "somethingNew"), GET)) is kind


@pytest.mark.parametrize(
    ("status", "reason", "method", "message", "kind"),
    [
        (400, "invalid", HISTORY, "Invalid value at 'start_history_id'", errors.BadRequest),
        (400, "invalidArgument", GET, "Invalid pageToken", errors.BadRequest),
        (400, "failedPrecondition", GET, "Precondition check failed.", errors.Transient),
        (400, "failedPrecondition", GET, "Mail service not enabled", errors.AccountBlocked),
        (
            400,
            "invalidArgument",
            "gmail.users.watch",
            "Only one user push notification client allowed per developer (call /stop then try "
            "again)",
            errors.WatchedElsewhere,
        ),
        (404, "notFound", GET, "Requested entity was not found.", errors.Gone),
        (404, "notFound", HISTORY, "Requested entity was not found.", errors.HistoryExpired),
        (404, "notFound", "gmail.users.messages.attachments.get", "", errors.Transient),
        (404, "notFound", "gmail.users.getProfile", "", errors.BadRequest),
        (
            429,
            "rateLimitExceeded",
            GET,
            "Too many concurrent requests for user.",
            errors.TooManyConcurrent,
        ),
        (429, "rateLimitExceeded", GET, "Resource has been exhausted", errors.RateLimited),
        (500, "backendError", GET, "Backend Error", errors.Transient),
        (503, "rateLimitExceeded", GET, "404 notFound in the text", errors.Transient),
    ],
)
def test_distinguishes_the_meanings_of_one_status(
    status: int, reason: str, method: str, message: str, kind: type[errors.GmailError]
) -> None:
    assert type(classify(google(status, reason, message), method)) is kind


def test_reads_the_reason_of_error_info_details() -> None:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    }
    error = classify(google(403, "forbidden", details=[info]))
    assert type(error) is errors.ScopeMissing


def test_reads_the_time_from_the_message_text() -> None:
    text = "User-rate limit exceeded.  Retry after 2026-09-11T20:00:00.000Z"
    error = classify(google(403, "userRateLimitExceeded", text))
    assert isinstance(error, errors.RateLimited)
    assert error.retry_at == datetime(2026, 9, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize("text", ["Retry after soonZ", "Retry after 2026-99-11T20:00:00Z", ""])
def test_a_missing_or_broken_time_is_none(text: str) -> None:
    error = classify(google(429, "rateLimitExceeded", text))
    assert isinstance(error, errors.RateLimited)
    assert error.retry_at is None


def test_reads_the_retry_after_header_where_there_is_one() -> None:
    error = classify(answer(429, b"busy", **{"retry-after": "30"}))
    assert isinstance(error, errors.RateLimited)
    assert (error.retry_at, error.retry_after) == (None, timedelta(seconds=30))


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 500, 502])
@pytest.mark.parametrize("content", [b"<html>404</html>", b"", b'"error"', b"[]", b"\xff"])
def test_an_answer_of_another_server_concerns_neither_account_nor_message(
    status: int, content: bytes
) -> None:
    assert isinstance(classify(answer(status, content), GET), errors.Transient)


@pytest.mark.parametrize(
    "error", [{"errors": "x"}, {"message": None, "details": 3}, {"errors": [None, {}]}, "no"]
)
def test_survives_any_shape_of_the_envelope(error: object) -> None:
    assert isinstance(classify(answer(400, {"error": error}), GET), errors.GmailError)


@pytest.mark.parametrize(
    "raised",
    [
        TimeoutError("timed out"),
        socket.gaierror(-2, "unknown"),
        ConnectionResetError(),
        RemoteDisconnected("closed"),
        IncompleteRead(b""),
        urllib3.exceptions.ProtocolError("gone"),
        TransportError("no token"),  # type: ignore[no-untyped-call]
        refused(None, retryable=True),
        refused(None),
    ],
)
def test_a_broken_connection_passes(raised: Exception) -> None:
    assert type(classify(raised, GET)) is errors.Transient


@pytest.mark.parametrize(("answer", "kind"), TOKEN_ERRORS.items())
def test_error_and_subtype_of_the_token_endpoint_decide(
    answer: tuple[str, str], kind: type[errors.GmailError]
) -> None:
    error, subtype = answer
    raised = classify(refused({"error": error, "error_subtype": subtype}))
    assert type(raised) is kind
    assert raised.reason == error


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": "invalid_grant", "error_subtype": "of tomorrow"}, errors.ReauthRequired),
        (
            {"error": "invalid_grant", "error_description": "The account has been deleted."},
            errors.AccountBlocked,
        ),
        ({"error": "of tomorrow", "error_description": "No."}, errors.Forbidden),
        ({"error": {"code": 403, "status": "PERMISSION_DENIED"}}, errors.Forbidden),
        (
            {"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}},
            errors.RateLimited,
        ),
        ({}, errors.MalformedResponse),
        ({"error": None}, errors.MalformedResponse),
        ({"error": {"code": "x"}}, errors.Forbidden),
    ],
)
def test_distinguishes_the_refusals_of_the_token_endpoint(
    answer: dict[str, object], kind: type[errors.GmailError]
) -> None:
    assert type(classify(refused(answer))) is kind


def test_credentials_without_a_client_are_the_operators_to_correct() -> None:
    """google-auth sends no request for them."""
    error = classify(RefreshError("The credentials do not contain the necessary fields"))  # type: ignore[no-untyped-call]
    assert type(error) is errors.ClientInvalid


def test_an_unexpected_error_is_a_malformed_response_that_names_it() -> None:
    error = classify(KeyError("historyId"))
    assert type(error) is errors.MalformedResponse
    assert "KeyError" in error.message


def test_messages_are_for_people_and_storable() -> None:
    error = classify(google(403, "domainPolicy", "Gmail apps are \0 disabled."))
    assert "administrator" in error.message
    assert "Gmail apps are \ufffd disabled." in error.message
    assert str(error) == error.message


def test_every_class_has_its_own_code_and_advice() -> None:
    def family(kind: type[errors.GmailError]) -> list[type[errors.GmailError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in family(child))]

    bases = {errors.Refused, errors.SetupRefused}
    kinds = [kind for kind in family(errors.GmailError) if kind not in bases]
    assert len({kind.code for kind in kinds}) == len({kind.advice for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        (errors.RateLimited("limit"), 10),
        (errors.RateLimited("limit", retry_after=timedelta(seconds=90)), 90),
        (errors.RateLimited("limit", retry_after=timedelta(seconds=1)), 10),
        (errors.RateLimited("limit", retry_at=NOW + timedelta(seconds=90)), 90),
        (errors.RateLimited("limit", retry_at=NOW - timedelta(seconds=90)), 10),
    ],
)
def test_a_limit_is_waited_out_as_long_as_google_says(
    limit: errors.RateLimited, seconds: int
) -> None:
    """An immediate retry prolongs it."""
    assert retry_at(limit, NOW) == NOW + timedelta(seconds=seconds)
