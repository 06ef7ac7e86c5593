"""How to reach Google, as one process is configured to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.credentials import SharedCredentials, load_credentials


@dataclass(frozen=True)
class Google:
    """`timeout` is seconds for each socket operation. `topic` is the Pub/Sub topic to which Gmail
    publishes changes; without one, changes are not pushed."""

    api: GmailApi
    token_uri: str
    client_id: str | None
    client_secret: str | None
    cipher: CredentialCipher
    timeout: float = 30.0
    topic: str | None = None

    def credentials(
        self,
        stored: Mapping[str, Any],
        on_refresh: Callable[[SharedCredentials], None] | None = None,
    ) -> SharedCredentials:
        """Decrypted credentials, ready for use. Raises UnusableCredentials."""
        return load_credentials(
            stored, self.token_uri, self.client_id, self.client_secret, on_refresh
        )
