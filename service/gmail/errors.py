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
├── ReauthRequired            the account must be connected again
├── AccountBlocked            Google or an administrator refuses this account
├── Forbidden                 refused for a reason that does not concern the account
└── BadRequest                a retry will not help: broken state or setup
    └── WatchedElsewhere      changes go to another topic: stop() first

Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

from datetime import datetime
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
    """retry_at has a time zone and is in Google's time, so cap the wait."""

    code = "rate_limited"
    advice = "Gmail's quota is used up; the sync continues when Google allows it."

    def __init__(
        self,
        detail: str = "",
        *,
        reason: str = "",
        status: int | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(detail, reason=reason, status=status)
        self.retry_at = retry_at


class TooManyConcurrent(RateLimited):
    code = "too_many_concurrent"
    advice = "Too many requests ran at once for this mailbox; the sync continues with fewer."


class DailyLimit(GmailError):
    code = "daily_limit"
    advice = (
        "The Google Cloud project has reached its daily limit; wait until it is reset, "
        "or raise the limit in the Google Cloud console."
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


class ReauthRequired(GmailError):
    code = "reauth_required"
    advice = "Google no longer accepts the stored sign-in; connect the Gmail account again."


class AccountBlocked(GmailError):
    code = "account_blocked"
    advice = (
        "Google refuses access to this mailbox; check that Gmail is on for the account "
        "and that its administrator allows this application."
    )


class Forbidden(GmailError):
    code = "forbidden"
    advice = (
        "Google refused the request; check that the Gmail API is enabled for the Google Cloud "
        "project and that GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are its own, then sync again."
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
    ReauthRequired,
    AccountBlocked,
    Forbidden,
)
