"""Google, as the environment says how to reach it."""

from service.cli.account import cipher
from service.config import Config
from service.gmail.api import GmailApi
from service.google.configuration import Google


def make_google(config: Config) -> Google:
    """Raises ConfigError without keys for the credentials."""
    return Google(
        api=GmailApi(config.gmail_endpoint),
        token_uri=f"{config.oauth_endpoint}/token",
        client_id=config.google_client_id,
        client_secret=config.google_client_secret,
        cipher=cipher(config),
        topic=config.pubsub_topic,
    )
