"""An account's credentials in use: decrypted, and saved as soon as Google renews them.

Google may rotate the refresh token when it renews an access token. So renewed credentials are saved
at once, in a run as well as in a request for an attachment.
"""

from contextlib import suppress
from typing import Any

import psycopg
from google.oauth2.credentials import Credentials
from structlog.typing import FilteringBoundLogger

from service.accounts.rows import get_credentials
from service.gmail.client import GmailClient
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.credentials import refreshed
from service.postgres.calls import FunctionCaller


class AccountCredentials:
    """`encrypted` is the stored value. Raises WrongKey and UnusableCredentials.

    `caller` is called from the threads of the account's clients.
    """

    def __init__(
        self,
        caller: FunctionCaller,
        google: Google,
        user_id: str,
        encrypted: bytes,
        log: FilteringBoundLogger,
    ) -> None:
        self._caller = caller
        self._google = google
        self._user_id = user_id
        self._log = log
        self._stored = google.cipher.decrypt(encrypted)
        self._unsaved = False
        # The stored value, which is also the version of the credentials.
        self.encrypted = encrypted
        # Shared by all clients, so that one renews for all.
        self._credentials = google.credentials(self._stored, self._save)

    def new_client(self) -> GmailClient:
        """A client for one thread."""
        return GmailClient(self._google.api, self._credentials, timeout=self._google.timeout)

    def mark_rejected(self, code: str, reason: str) -> None:
        """Record that Google rejected these credentials, unless the account has others now."""
        self._caller.value("mark_credentials_rejected", self._user_id, self.encrypted, code, reason)

    def save_unsaved(self) -> None:
        """Save renewed credentials that could not be saved at once."""
        if self._unsaved:
            self._save(self._credentials)

    def _save(self, credentials: Credentials) -> None:
        self._unsaved = True
        renewed = refreshed(self._stored, credentials)
        try:
            saved = self._replace(renewed) or (self._is_rotated() and self._replace(renewed))
        except psycopg.Error as error:
            self._log.warning("renewed credentials not saved yet", error=str(error))
            return
        self._unsaved = False
        if saved:
            self._stored = renewed

    def _replace(self, renewed: dict[str, Any]) -> bool:
        encrypted = self._google.cipher.encrypt(renewed)
        replaced: bool = self._caller.value(
            "replace_credentials", self._user_id, self.encrypted, encrypted
        )
        if replaced:
            self.encrypted = encrypted
        return replaced

    def _is_rotated(self) -> bool:
        """Whether the stored credentials are the same as ours, encrypted with another key."""
        row = get_credentials(self._caller, self._user_id)
        if row is None or row.credentials is None:
            return False
        with suppress(WrongKey):
            if self._google.cipher.decrypt(row.credentials) == self._stored:
                self.encrypted = row.credentials
                return True
        return False
