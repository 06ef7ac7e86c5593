"""Connecting a Gmail account through Google's consent page: the way there, and the way back.

What must be remembered between the two is sealed into a cookie, so no process keeps a session and
any process takes the answer. A callback without the cookie of the browser that set out is
nobody's: an answer cannot be slipped in, nor a person's consent be taken to another user.
"""

import hmac
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from structlog.typing import FilteringBoundLogger

from service.gmail.client import GmailClient
from service.gmail.errors import GmailError
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.consent import Consent, ConsentFailed
from service.postgres.calls import FunctionCaller
from service.postgres.errors import AccountNotConnected, InvalidArgument, SyncError, TooOften

# How long a person may take on Google's pages.
PATIENCE = timedelta(minutes=10)
# Seconds for each socket operation of the one question to Gmail.
TIMEOUT = 10.0
# What the database may refuse, as the person's browser is told.
CODES: dict[type[SyncError], str] = {
    AccountNotConnected: "another_mailbox",
    TooOften: "too_many_requests",
    InvalidArgument: "invalid_argument",
}


class OAuthAttempt(msgspec.Struct, frozen=True):
    """Who set out to Google, and what an answer must match; `return_to` is a path of ours."""

    user_id: str
    state: str
    verifier: str
    return_to: str


class OAuthConnector:
    """`quota_profile` is that of accounts which are new."""

    def __init__(
        self, google: Google, consent: Consent, quota_profile: str, log: FilteringBoundLogger
    ) -> None:
        self._google = google
        self._consent = consent
        self._quota_profile = quota_profile
        self._log = log

    def begin(self, caller: FunctionCaller, user_id: str, return_to: str) -> tuple[str, str, str]:
        """The address of Google's page, the state, and the sealed errand for the cookie.

        Raises TooOften.
        """
        caller.value("record_connect_attempt", user_id, "connect_begun")
        account = caller.row("list_accounts", user_id)
        # 32 and 64 random bytes; RFC 7636 wants 43 to 128 characters in a verifier.
        errand = OAuthAttempt(
            user_id, secrets.token_urlsafe(32), secrets.token_urlsafe(64), return_to
        )
        email = account["email"] if account else None
        sealed = self._google.cipher.encrypt(msgspec.to_builtins(errand))
        url = self._consent.ask(errand.state, errand.verifier, email)
        return url, errand.state, sealed.decode()

    def errand(self, sealed: str, state: str) -> OAuthAttempt | None:
        """What a cookie holds; None when it is not one of ours, older than PATIENCE, or not that
        of an answer with this state."""
        try:
            errand = msgspec.convert(
                self._google.cipher.decrypt(sealed.encode(), PATIENCE), OAuthAttempt
            )
        except (WrongKey, msgspec.ValidationError):
            return None
        return errand if hmac.compare_digest(state.encode(), errand.state.encode()) else None

    def complete(
        self, caller: FunctionCaller, errand: OAuthAttempt, code: str, refusal: str
    ) -> None:
        """Connect the account of Google's answer and start its sync.

        Raises ConsentFailed and psycopg.Error; then nothing has changed.
        """
        try:
            self._connect(caller, errand, code, refusal)
        except ConsentFailed as failure:
            reason = {"code": failure.code, "reason": str(failure)}
            self._log.warning("no account connected", user_id=errand.user_id, **reason)
            raise
        # Only now is there an account that the question for its address can be charged to.
        with suppress(SyncError):
            caller.value("reserve_account_quota", errand.user_id, "getProfile")
        # Where runs were made too often it is connected all the same, and a click syncs it later.
        with suppress(TooOften):
            # As a push, for a run that is under way may have the credentials of before.
            caller.rows("start_sync", errand.user_id, False, "push")
            caller.rows("start_sync", errand.user_id, False, "api")

    def _connect(
        self, caller: FunctionCaller, errand: OAuthAttempt, code: str, refusal: str
    ) -> None:
        user_id = errand.user_id
        try:
            # Before anything is asked of Google, or codes could be guessed through us.
            caller.value("record_connect_attempt", user_id, "connect_answered")
            stored = self._redeemed(errand, code, refusal)
            email, sealed = self._email(stored), self._google.cipher.encrypt(stored)
            profile = None if caller.row("list_accounts", user_id) else self._quota_profile
            caller.value("connect_account", user_id, email, sealed, profile)
        except SyncError as error:
            raise ConsentFailed(CODES[type(error)], str(error)) from error

    def _redeemed(self, errand: OAuthAttempt, code: str, refusal: str) -> dict[str, Any]:
        """What the vault is to keep for Google's answer."""
        if refusal == "access_denied":
            raise ConsentFailed(refusal, "the person refused")
        if refusal or not code:
            raise ConsentFailed("consent_failed", f"Google said {refusal or 'nothing'}")
        return self._consent.redeem(code, errand.verifier)

    def _email(self, stored: dict[str, Any]) -> str:
        """The address of the mailbox these credentials open."""
        google = self._google
        credentials = google.credentials(stored)
        try:
            with GmailClient(google.api, credentials, timeout=TIMEOUT) as client:
                return client.profile().email
        except GmailError as error:
            raise ConsentFailed(error.code, str(error)) from error
