"""What Google can answer instead of mail, sorted by what a run must make of it.

Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors, and what is seen
in the wild. tests/worker/test_errors.py sees to it that no entry of the tables in
service/gmail/classify.py is left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

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
from service.simulator.faults import Action, Fault


class Answer(NamedTuple):
    """One answer, the requests that get it, and the class of errors it belongs to."""

    name: str
    kind: type[GmailError]
    method: str
    status: int = 200
    reason: str = ""
    message: str = ""
    action: Action = "error"
    subtype: str = ""

    def fault(
        self,
        *,
        count: int | None = None,
        message_id: str | None = None,
        email: str | None = None,
        retry_after: str | None = None,
    ) -> Fault:
        """The simulator's fault that answers so."""
        return Fault(
            self.method,
            self.action,
            message_id,
            email,
            count=count,
            status=self.status,
            reason=self.reason,
            subtype=self.subtype,
            message=self.message,
            retry_after=retry_after,
        )


def of_token(
    error: str,
    kind: type[GmailError],
    description: str = "No",
    status: int = 400,
    subtype: str = "",
) -> Answer:
    """An error of the token endpoint."""
    name = f"token {status} {error} {subtype or description}"
    return Answer(name, kind, "token", status, error, description, subtype=subtype)


def of_api(reason: str, kind: type[GmailError], status: int = 403) -> Answer:
    """An error of every method, with a text of its own that says nothing."""
    return Answer(f"{status} {reason}", kind, "*", status, reason, "No")


def each(answers: Sequence[Answer]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("answer", answers, ids=[answer.name for answer in answers])


LIST, GET, HISTORY, ATTACHMENT = (
    "messages.list",
    "messages.get",
    "history.list",
    "messages.attachments.get",
)
EXCEEDED = (
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
    "'gmail.googleapis.com' for consumer 'project_number:1'."
)

# The same request is sent again a moment later.
PASSING = (
    Answer("500 Backend Error", Transient, LIST, 500, "backendError"),
    Answer("502", Transient, LIST, 502, "badGateway", "Bad Gateway"),
    Answer("503 UNAVAILABLE", Transient, LIST, 503, "backendError", "Service unavailable"),
    Answer("504", Transient, LIST, 504, "deadlineExceeded", "Deadline exceeded"),
    Answer("408", Transient, LIST, 408, "requestTimeout", "Request timeout"),
    Answer("409 ABORTED", Transient, LIST, 409),
    Answer("400 Precondition check failed", Transient, LIST, 400, "failedPrecondition"),
    Answer(
        "400 FAILED_PRECONDITION alone",
        Transient,
        LIST,
        400,
        "FAILED_PRECONDITION",
        "Precondition check failed.",
    ),
    Answer("200 in HTML", MalformedResponse, LIST, 200, action="html"),
    Answer("400 in HTML", MalformedResponse, LIST, 400, action="html"),
    Answer("403 in HTML", MalformedResponse, LIST, 403, action="html"),
    Answer("404 in HTML", MalformedResponse, LIST, 404, action="html"),
    Answer("502 in HTML", Transient, LIST, 502, action="html"),
    Answer("200 cut short", MalformedResponse, LIST, action="cut"),
    Answer("a broken connection", Transient, LIST, action="truncate"),
    Answer("no answer", Transient, LIST, action="drop"),
)

# The token endpoint fails for a moment, or says nothing at all.
TOKEN_PASSING = (
    Answer("token 500", Transient, "token", 500, "internal_failure"),
    Answer("token 503", Transient, "token", 503, "temporarily_unavailable"),
    Answer("token 429", Transient, "token", 429, "rate_limit_exceeded"),
    Answer("token 403 of a limit", Transient, "token", 403, "rate_limit_exceeded"),
    Answer("token 400 of a failure", Transient, "token", 400, "internal_failure"),
    Answer("token 400 server_error", Transient, "token", 400, "server_error"),
    Answer("token 400 unavailable", Transient, "token", 400, "temporarily_unavailable"),
    Answer("token 502 in HTML", Transient, "token", 502, action="html"),
    Answer("token 200 in HTML", Transient, "token", 200, action="html"),
    Answer("token 400 in HTML", Transient, "token", 400, action="html"),
    Answer("token hangs", Transient, "token", action="hang"),
)

# The run waits, in sight.
LIMITS = (
    Answer("403 per-minute quota", RateLimited, LIST, 403, "rateLimitExceeded", EXCEEDED),
    Answer("403 userRateLimitExceeded", RateLimited, LIST, 403, "userRateLimitExceeded"),
    Answer("403 ErrorInfo", RateLimited, LIST, 403, "RATE_LIMIT_EXCEEDED", EXCEEDED),
    Answer("403 quotaExceeded", RateLimited, LIST, 403, "quotaExceeded", EXCEEDED),
    Answer("403 servingLimitExceeded", RateLimited, LIST, 403, "servingLimitExceeded", EXCEEDED),
    Answer("403 of a resource", RateLimited, LIST, 403, "RESOURCE_QUOTA_EXCEEDED", EXCEEDED),
    Answer("403 of calls", TooManyConcurrent, LIST, 403, "concurrentLimitExceeded", EXCEEDED),
    Answer("429 Resource has been exhausted", RateLimited, LIST, 429, "rateLimitExceeded"),
    Answer("429 of a new reason", RateLimited, LIST, 429, "bandwidth", "User-rate limit exceeded."),
    Answer("429 in HTML", RateLimited, LIST, 429, action="html"),
    Answer(
        "429 Too many concurrent requests",
        TooManyConcurrent,
        LIST,
        429,
        "rateLimitExceeded",
        "Too many concurrent requests for user.",
    ),
)

# The run is left to a successor that is not due for long.
DAILY_LIMIT = Answer("403 dailyLimitExceeded", DailyLimit, LIST, 403, "dailyLimitExceeded")

# The account must be connected again.
REAUTH = (
    Answer("401 Invalid Credentials", ReauthRequired, "*", 401),
    Answer("403 insufficientPermissions", ScopeMissing, "*", 403, "insufficientPermissions"),
    Answer(
        "403 ErrorInfo of scopes",
        ScopeMissing,
        "*",
        403,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "Request had insufficient authentication scopes.",
    ),
)
TOKEN_REAUTH = (
    of_token("invalid_grant", ReauthRequired, "Bad Request"),
    of_token("unauthorized_client", ReauthRequired, "Unauthorized", 401),
    of_token("invalid_scope", ScopeMissing, "Some requested scopes were invalid."),
    of_token(
        "invalid_grant", SessionEnded, "reauth related error (invalid_rapt)", 400, "invalid_rapt"
    ),
)
TOKEN_REAUTH_SELDOM = (
    of_token("invalid_grant", SessionEnded, "reauth related error", 400, "rapt_required"),
    of_token("consent_required", ReauthRequired),
    of_token("interaction_required", ReauthRequired),
    of_token("login_required", ReauthRequired),
)

# Google or an administrator keeps us away from the account.
BLOCKED = (
    Answer("403 domainPolicy", AdminRefused, "*", 403, "domainPolicy"),
    Answer(
        "400 Mail service not enabled",
        AccountBlocked,
        "*",
        400,
        "failedPrecondition",
        "Mail service not enabled",
    ),
)
BLOCKED_SELDOM = (
    of_api("lockedDomainForbidden", AdminRefused),
    of_api("ORG_RESTRICTION_VIOLATION", AdminRefused),
    of_api("SECURITY_POLICY_VIOLATED", AdminRefused),
    of_api("USER_BLOCKED_BY_ADMIN", AdminRefused),
    of_api("ACCOUNT_STATE_INVALID", AccountBlocked),
    of_api("ACCOUNT_STATE_INVALID", AccountBlocked, 401),
)
TOKEN_BLOCKED = (
    of_token("access_denied", AdminRefused, "Account restricted"),
    of_token("access_denied", AdminRefused, "Account restricted", 403),
    of_token("access_not_configured", AdminRefused),
    of_token("admin_policy_enforced", AdminRefused, "Access blocked by the administrator"),
    of_token("invalid_grant", AccountBlocked, "The account has been deleted."),
    of_token("invalid_grant", AccountBlocked, "Account has been disabled"),
    of_token("invalid_grant", AccountBlocked, "Account has been suspended"),
    of_token("invalid_grant", AccountBlocked, "Invalid grant: account not found"),
)

# The operator's OAuth client or Google Cloud project does not work.
SETUP = (
    of_api("accessNotConfigured", ApiDisabled),
    of_api("dailyLimitExceededUnreg", ApiDisabled),
    of_api("rateLimitExceededUnreg", ApiDisabled),
    of_api("userRateLimitExceededUnreg", ApiDisabled),
    of_api("BILLING_DISABLED", ApiDisabled),
    of_api("CONSUMER_INVALID", ApiDisabled),
    of_api("CONSUMER_SUSPENDED", ApiDisabled),
    of_api("SERVICE_DISABLED", ApiDisabled),
    of_api("USER_PROJECT_DENIED", ApiDisabled),
)
TOKEN_SETUP = (
    of_token("deleted_client", ClientGone, "The OAuth client was deleted.", 401),
    of_token("disabled_client", ClientGone, "The OAuth client was disabled.", 401),
    of_token("invalid_client", ClientInvalid, "Unauthorized", 401),
    of_token("invalid_request", ClientInvalid, "client_secret is missing."),
    of_token("org_internal", ClientRestricted, "Restricted to its organization", 403),
    of_token("restricted_client", ClientRestricted, "Unregistered scope", 403),
)
# All that ends in a state of the account.
REFUSALS = (
    *REAUTH, *TOKEN_REAUTH, *TOKEN_REAUTH_SELDOM, *BLOCKED, *BLOCKED_SELDOM, *TOKEN_BLOCKED,
    *SETUP, *TOKEN_SETUP,
)  # fmt: skip

# The run fails in words and the account stays as it is.
REFUSED = (
    Answer("403 of a new reason", Forbidden, "*", 403, "ofTomorrow", "Not today"),
    Answer("400 invalidArgument", BadRequest, LIST, 400, "invalidArgument"),
    Answer("400 badRequest", BadRequest, LIST, 400, "badRequest", "Bad Request"),
    Answer("404 of a method", BadRequest, "labels.list", 404),
    Answer(
        "400 too many in a batch",
        BadRequest,
        "batch",
        400,
        "invalidArgument",
        "Inner request count exceeds the limit. Received: 250, Limit: 100",
    ),
)
TOKEN_REFUSED = Answer("token error of tomorrow", Forbidden, "token", 400, "of_tomorrow", "No")

# One message waits for another try, and costs the others nothing.
OF_ONE_MESSAGE = (
    Answer("500 of a part", Transient, GET, 500, "backendError"),
    Answer("503 of a part", Transient, GET, 503),
    Answer("408 of a part", Transient, GET, 408, "requestTimeout", "Request timeout"),
    Answer("400 Precondition of a part", Transient, GET, 400, "failedPrecondition"),
    Answer("502 in HTML as a part", Transient, GET, 502, action="html"),
    Answer("200 in HTML as a part", MalformedResponse, GET, 200, action="html"),
    Answer("403 in HTML as a part", MalformedResponse, GET, 403, action="html"),
    Answer("no such part", MalformedResponse, GET, action="drop"),
)
WATCHED = Answer(
    "400 of a watch",
    WatchedElsewhere,
    "watch",
    400,
    "badRequest",
    "Only one user push notification client allowed per developer (call /stop then try again)",
)
# No run asks for attachments; who asks for one fetches its message again.
ATTACHMENT_GONE = Answer("404 of an attachment", Transient, ATTACHMENT, 404)
GONE = Answer("404 of a message", Gone, GET, 404)
EXPIRED = Answer("404 of the history", HistoryExpired, HISTORY, 404)
GARBAGE = Answer(
    "400 of the history",
    BadRequest,
    HISTORY,
    400,
    "invalid",
    "Invalid value at 'start_history_id' (TYPE_UINT64), \"abc\"",
)

ALL = (
    *PASSING,
    *TOKEN_PASSING,
    *LIMITS,
    DAILY_LIMIT,
    *REFUSALS,
    *REFUSED,
    TOKEN_REFUSED,
    *OF_ONE_MESSAGE,
    GONE,
    EXPIRED,
    GARBAGE,
    ATTACHMENT_GONE,
    WATCHED,
)
