"""Errors of Gmail, one class for each way in which the sync must react.

GmailError                    what happened and what to do, in words for people
├── Gone                      the message does not exist any more
├── HistoryExpired            the cursor has expired: a full sync is needed
├── RateLimited               wait, not before retry_at if Google gives a time
│   └── TooManyConcurrent     and send fewer requests at once
├── DailyLimit                the project's own cap for the day
├── TokenExpired              the access token was renewed: send the request again
├── TooLarge                  ask for fewer messages at once
├── Transient                 try again later
│   ├── MalformedResponse     an answer, but not one of Gmail's
│   └── EndlessPages          the pages of a list do not end
├── Refused                   the account's state: nothing is sent until somebody acts
│   ├── ReauthRequired        a person must connect the account again
│   │   ├── ScopeMissing      and allow reading mail
│   │   └── SessionEnded      because the administrator limits how long a sign-in lasts
│   ├── AccountBlocked        the Google account is closed, or Gmail is off for it
│   │   └── AdminRefused      the account's administrator does not allow this application
│   └── SetupRefused          the operator must correct the Google Cloud project
│       ├── ClientGone        the OAuth client was deleted or disabled
│       ├── ClientInvalid     Google does not know the client or its secret
│       ├── ClientRestricted  the client is not open to this account
│       └── ApiDisabled       the Gmail API is off in the project
├── Forbidden                 refused for a reason that is not known here
└── BadRequest                a retry will not help: broken state or setup
    └── WatchedElsewhere      changes go to another topic: stop() first

Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

from datetime import datetime, timedelta
from typing import ClassVar

from service.mime.text import storable


class GmailError(Exception):
    """Base class. `code` is stable. `detail` is what happened, without the advice. `reason` and
    `status` (HTTP) are Google's, for the log."""

    code: ClassVar[str] = "gmail_error"
    advice: ClassVar[str] = "Gmail did not answer as expected."

    def __init__(self, detail: str = "", *, reason: str = "", status: int | None = None) -> None:
        detail = storable(detail).strip()[:300]
        self.detail = detail
        self.reason = storable(reason)[:100]
        self.status = status
        self.message = f"{self.advice} ({detail})" if detail else self.advice
        super().__init__(self.message)


class Gone(GmailError):
    code = "gone"
    advice = "The message no longer exists in Gmail."


class HistoryExpired(GmailError):
    code = "history_expired"
    advice = "Gmail no longer has the changes since the last sync; all mail is compared again."


class RateLimited(GmailError):
    """Google names a time (retry_at, by its own clock, so cap the wait) or a length, or neither."""

    code = "rate_limited"
    advice = "Gmail's quota is used up; the sync continues when Google allows it."

    def __init__(
        self,
        detail: str = "",
        *,
        reason: str = "",
        status: int | None = None,
        retry_at: datetime | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(detail, reason=reason, status=status)
        self.retry_at = retry_at
        self.retry_after = retry_after


class TooManyConcurrent(RateLimited):
    code = "too_many_concurrent"
    advice = "Too many requests ran at once for this mailbox; the sync continues with fewer."


class DailyLimit(GmailError):
    code = "daily_limit"
    advice = (
        "The Google Cloud project has reached its daily limit; the sync continues when it is reset "
        "at midnight Pacific time, or when you raise the limit in the Google Cloud console."
    )


class TokenExpired(GmailError):
    code = "token_expired"
    advice = "The access token had expired and was renewed; the sync continues."


class TooLarge(GmailError):
    code = "too_large"
    advice = "The answer was too large; the sync continues with fewer messages at once."


class Transient(GmailError):
    code = "transient"
    advice = "Gmail could not be reached or failed temporarily; the sync tries again."


class MalformedResponse(Transient):
    code = "malformed_response"
    advice = "The answer was incomplete or not Gmail's; the sync tries again."


class EndlessPages(Transient):
    code = "endless_pages"
    advice = (
        "The pages of Gmail's list do not end, so the list is read again later. If that does not "
        "help, check the proxies between this service and Gmail."
    )


class Refused(GmailError):
    """Somebody must act. The table gmail_sync.refusal has the account's status for each `code`."""


class ReauthRequired(Refused):
    code = "reauth_required"
    advice = "Google no longer accepts the stored sign-in; connect the Gmail account again."


class ScopeMissing(ReauthRequired):
    code = "scope_missing"
    advice = (
        "The permission to read mail is missing; connect the Gmail account again and select it."
    )


class SessionEnded(ReauthRequired):
    code = "session_ended"
    advice = (
        "The administrator of the account limits how long a sign-in lasts; connect the Gmail "
        "account again, and ask the administrator to trust this application."
    )


class AccountBlocked(Refused):
    code = "account_blocked"
    advice = (
        "Google refuses access to this mailbox; check that the Google account is active "
        "and that Gmail is on for it, then sync again."
    )


class AdminRefused(AccountBlocked):
    code = "admin_refused"
    advice = (
        "Google or the administrator of the account does not allow this application; "
        "ask the administrator to allow it, then sync again."
    )


class SetupRefused(Refused):
    """The base of what only the operator can correct."""


class ClientGone(SetupRefused):
    code = "client_gone"
    advice = (
        "The OAuth client of this server was deleted or disabled at Google; the operator must "
        "restore it and then sync again, or set another client and have the accounts connected "
        "again."
    )


class ClientInvalid(SetupRefused):
    code = "client_invalid"
    advice = (
        "Google rejects the OAuth client of this server; the operator must check "
        "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, then sync again."
    )


class ClientRestricted(SetupRefused):
    code = "client_restricted"
    advice = (
        "The OAuth client of this server is not open to this account; the operator must add the "
        "account to the client's audience in the Google Cloud console, then sync again."
    )


class ApiDisabled(SetupRefused):
    code = "api_disabled"
    advice = (
        "The Gmail API is off in the Google Cloud project of this server; the operator must "
        "enable it, then sync again."
    )


class Forbidden(GmailError):
    code = "forbidden"
    advice = (
        "Google refused the request for a reason that is not known here; correct what Google "
        "says, then sync again. Until then, the sync tries again ever less often."
    )


class BadRequest(GmailError):
    code = "bad_request"
    advice = "Gmail rejected the request; a retry will not help."


class WatchedElsewhere(BadRequest):
    code = "watched_elsewhere"
    advice = "Gmail pushes this mailbox's changes to another topic of the project."


# Errors that concern every message: they stop a batch, and no message caused them.
ACCOUNT_WIDE_ERRORS = (
    RateLimited,
    DailyLimit,
    TokenExpired,
    TooLarge,
    Refused,
    Forbidden,
)
