"""Connecting a Gmail account through Google's consent page: the way there, and the way back.

The state of an attempt is an encrypted cookie, so any process can handle the callback. A callback
without the cookie of the browser that began the attempt is rejected. So an attacker cannot inject
an authorization code, nor redirect a person's consent to another user.
"""

import hmac
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from structlog.typing import FilteringBoundLogger

from service.accounts.rows import get_account
from service.gmail.backoff import to_reserve
from service.gmail.client import GmailClient
from service.gmail.errors import GmailError
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.consent import Consent, ConsentFailed, refusal_code
from service.postgres.calls import FunctionCaller
from service.postgres.errors import (
    AccountNotConnected,
    InvalidArgument,
    SyncError,
    TooOften,
    UserElsewhere,
)

# How long a person may take on Google's pages.
ATTEMPT_LIFETIME = timedelta(minutes=10)
# Seconds for each socket operation of the call for the mailbox's address.
PROFILE_TIMEOUT = 10.0
# The code in the browser's address for each refusal of the database.
CODES: dict[type[SyncError], str] = {
    AccountNotConnected: "another_mailbox",
    TooOften: "too_many_requests",
    InvalidArgument: "invalid_argument",
    UserElsewhere: "user_moving",
}


class OAuthAttempt(msgspec.Struct, frozen=True):
    """What a callback must match. `return_to` is a path of this service."""

    user_id: str
    state: str
    verifier: str
    return_to: str


class ConsentRequest(NamedTuple):
    """Google's page, the state in its address, and the encrypted attempt for the cookie."""

    url: str
    state: str
    encrypted_attempt: str


class OAuthConnector:
    """`quota_profile` is used for new accounts."""

    def __init__(
        self, google: Google, consent: Consent, quota_profile: str, log: FilteringBoundLogger
    ) -> None:
        self._google = google
        self._consent = consent
        self._quota_profile = quota_profile
        self._log = log

    def begin(self, caller: FunctionCaller, user_id: str, return_to: str) -> ConsentRequest:
        """Begin an attempt. Raises TooOften."""
        caller.value("record_connect_attempt", user_id, "connect_begun")
        account = get_account(caller, user_id)
        # 32 and 64 random bytes; RFC 7636 wants 43 to 128 characters in a verifier.
        attempt = OAuthAttempt(
            user_id, secrets.token_urlsafe(32), secrets.token_urlsafe(64), return_to
        )
        email = account.email if account else None
        encrypted = self._google.cipher.encrypt(msgspec.to_builtins(attempt))
        url = self._consent.authorization_url(attempt.state, attempt.verifier, email)
        return ConsentRequest(url, attempt.state, encrypted.decode())

    def find_attempt(self, encrypted: str, state: str) -> OAuthAttempt | None:
        """The attempt in a cookie; None if it is invalid, expired or of another state."""
        try:
            attempt = msgspec.convert(
                self._google.cipher.decrypt(encrypted.encode(), ATTEMPT_LIFETIME), OAuthAttempt
            )
        except (WrongKey, msgspec.ValidationError):
            return None
        return attempt if hmac.compare_digest(state.encode(), attempt.state.encode()) else None

    def complete(
        self, caller: FunctionCaller, attempt: OAuthAttempt, code: str, refusal: str
    ) -> None:
        """Connect the account of a callback and start its sync.

        Raises ConsentFailed and psycopg.Error, and then nothing has changed.
        """
        try:
            self._connect(caller, attempt, code, refusal)
        except ConsentFailed as failure:
            reason = {"code": failure.code, "reason": str(failure)}
            self._log.warning("no account connected", user_id=attempt.user_id, **reason)
            raise
        # The call for the mailbox's address: there was no account to charge it to before.
        with suppress(SyncError):
            profile_call = to_reserve({("getProfile", ""): 1})
            caller.value("reserve_account_quota", attempt.user_id, profile_call)
        # Too many runs of late do not undo the connection; the user can start a sync later.
        with suppress(TooOften):
            # An active run may hold the credentials from before, and a push queues one after it.
            caller.rows("start_sync", attempt.user_id, False, "push")
            caller.rows("start_sync", attempt.user_id, False, "api")

    def _connect(
        self, caller: FunctionCaller, attempt: OAuthAttempt, code: str, refusal: str
    ) -> None:
        user_id = attempt.user_id
        try:
            # Before any request to Google: otherwise codes could be guessed through this service.
            caller.value("record_connect_attempt", user_id, "connect_answered")
            stored = self._exchange(attempt, code, refusal)
            email, encrypted = self._email(stored), self._google.cipher.encrypt(stored)
            profile = None if get_account(caller, user_id) else self._quota_profile
            caller.value("connect_account", user_id, email, encrypted, profile)
        except SyncError as error:
            raise ConsentFailed(CODES[type(error)], str(error)) from error

    def _exchange(self, attempt: OAuthAttempt, code: str, refusal: str) -> dict[str, Any]:
        """The credentials to store, in exchange for the code."""
        if refusal == "access_denied":
            raise ConsentFailed(refusal, "the person refused")
        if refusal or not code:
            code = refusal_code(refusal, "consent_failed")
            raise ConsentFailed(code, f"Google said {refusal or 'nothing'}")
        return self._consent.exchange(code, attempt.verifier)

    def _email(self, stored: dict[str, Any]) -> str:
        """The address of the mailbox that these credentials give access to."""
        google = self._google
        credentials = google.credentials(stored)
        try:
            with GmailClient(google.api, credentials, timeout=PROFILE_TIMEOUT) as client:
                return client.profile().email
        except GmailError as error:
            raise ConsentFailed(error.code, str(error)) from error
