"""Google and the cipher of its credentials, as the environment configures them."""

from service.config import Config, ConfigError
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google


def make_google(config: Config) -> Google:
    """Raises ConfigError without keys for the credentials."""
    return Google(
        api=GmailApi(config.gmail_endpoint),
        token_uri=f"{config.oauth_endpoint}/token",
        client_id=config.google_client_id,
        client_secret=config.google_client_secret,
        cipher=make_cipher(config),
        topic=config.pubsub_topic,
    )


def make_cipher(config: Config) -> CredentialCipher:
    """Raises ConfigError without keys."""
    if not config.credentials_keys:
        raise ConfigError(
            [
                "GMAIL_SYNC_CREDENTIALS_KEYS is not set: make a key with "
                "openssl rand -base64 32 | tr '+/' '-_'"
            ]
        )
    return CredentialCipher(config.credentials_keys)
