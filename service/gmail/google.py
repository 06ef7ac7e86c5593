"""How to reach Google, as one process is configured to."""

from dataclasses import dataclass

from service.gmail.api import GmailApi
from service.gmail.credentials import Vault


@dataclass(frozen=True)
class Google:
    """timeout is seconds for each socket operation; topic is the Pub/Sub topic to which Gmail
    publishes changes, None where nobody listens to them."""

    api: GmailApi
    token_uri: str
    client_id: str | None
    client_secret: str | None
    vault: Vault
    timeout: float = 30.0
    topic: str | None = None
