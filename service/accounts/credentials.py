"""An account's credentials in use: opened from the vault, and saved as soon as Google renews them.

Google may rotate a refresh token when it renews an access token, so what it gave is kept at once,
whoever asked: a run, an audit, or a request for an attachment.
"""

import threading
from contextlib import suppress
from typing import Any

import psycopg
from google.oauth2.credentials import Credentials
from structlog.typing import FilteringBoundLogger

from service.gmail.client import GmailClient
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.credentials import refreshed
from service.postgres.calls import FunctionCaller


class AccountCredentials:
    """`sealed` is as the database keeps it. Raises WrongKey and UnusableCredentials.

    `caller` is called from the threads of the account's clients.
    """

    def __init__(
        self,
        caller: FunctionCaller,
        google: Google,
        user_id: str,
        sealed: bytes,
        log: FilteringBoundLogger,
    ) -> None:
        self._caller = caller
        self._google = google
        self._user_id = user_id
        self._log = log
        self._stored = google.cipher.decrypt(sealed)
        self._unsaved = False
        # What the database has, and so the version of the credentials a verdict is about.
        self.sealed = sealed
        # One for all clients: what one renews, all use.
        self._credentials = google.credentials(self._stored)
        self._renewing = threading.Lock()

    def new_client(self) -> GmailClient:
        """A client for one thread."""
        return GmailClient(
            self._google.api,
            self._credentials,
            timeout=self._google.timeout,
            on_refresh=self._save,
            renewing=self._renewing,
        )

    def refuse(self, status: str, reason: str) -> None:
        """Note that Google refused these credentials, unless the account has others by now."""
        self._caller.value("mark_credentials_rejected", self._user_id, self.sealed, status, reason)

    def save_unsaved(self) -> None:
        """Try once more to keep what the database could not take when it was renewed."""
        if self._unsaved:
            self._save(self._credentials)

    def _save(self, credentials: Credentials) -> None:
        self._unsaved = True
        renewed = refreshed(self._stored, credentials)
        try:
            kept = self._replace(renewed) or (self._sealed_anew() and self._replace(renewed))
        except psycopg.Error as error:
            self._log.warning("renewed credentials not saved yet", error=str(error))
            return
        self._unsaved = False
        if kept:
            self._stored = renewed

    def _replace(self, renewed: dict[str, Any]) -> bool:
        sealed = self._google.cipher.encrypt(renewed)
        kept: bool = self._caller.value("replace_credentials", self._user_id, self.sealed, sealed)
        if kept:
            self.sealed = sealed
        return kept

    def _sealed_anew(self) -> bool:
        """Whether what the database has by now is what we had, under another key."""
        row = self._caller.row("get_account_credentials", self._user_id)
        if row is None or row["credentials"] is None:
            return False
        with suppress(WrongKey):
            if self._google.cipher.decrypt(row["credentials"]) == self._stored:
                self.sealed = row["credentials"]
                return True
        return False
