"""The command line: one module a command, or a few that belong together."""

import importlib.metadata

import click
import psycopg
from sqlalchemy.exc import DBAPIError

from service.cli.account import account
from service.cli.adopt import adopt
from service.cli.demo import demo
from service.cli.errors import friendly_errors
from service.cli.export import export
from service.cli.monitor import monitor
from service.cli.processes import migrate, serve, worker
from service.cli.removal import delete, remove
from service.cli.rotate_keys import rotate_keys
from service.cli.simulate import simulate
from service.cli.token import token
from service.cli.verify import audit
from service.postgres.calls import redacted

CONFIGURATION = """
\b
Environment:
  DATABASE_URL                  a libpq URL: postgresql://user@host/database
  GMAIL_SYNC_LISTEN_URL         where to LISTEN when that is a pooler: the database itself
  PORT                          of the service (8000)
  GMAIL_SYNC_JWT_SECRET         signs the tokens of the API (HS256, 32 bytes or more); or else
  GMAIL_SYNC_JWT_JWKS_URL       where the issuer of the tokens publishes its keys (RS256)
  GMAIL_SYNC_JWT_ISSUER         the `iss` that tokens must have; needed with a JWKS
  GMAIL_SYNC_JWT_AUDIENCE       the `aud` that tokens must have; needed with a JWKS
  GMAIL_SYNC_CREDENTIALS_KEYS   Fernet keys, comma-separated: the first seals, all open
  GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET
  GMAIL_SYNC_PUBLIC_URL         where browsers reach the service, for Google's way back
  GMAIL_SYNC_DEMO_USER          whom a click on the page signs in, on this machine only
  GMAIL_SYNC_GMAIL_ENDPOINT     (https://gmail.googleapis.com)
  GMAIL_SYNC_OAUTH_ENDPOINT     (https://oauth2.googleapis.com)
  GMAIL_SYNC_PUBSUB_TOPIC       has Gmail push changes: projects/P/topics/T
  GMAIL_SYNC_PUSH_AUDIENCE, GMAIL_SYNC_PUSH_SERVICE_ACCOUNT
                                what the tokens of its pushes must name, both or neither
  GMAIL_SYNC_QUOTA_PROFILE      google-2026, google-legacy or unlimited (google-2026)
  GMAIL_SYNC_WORKER_CONCURRENCY runs at once in a process (4)
  GMAIL_SYNC_LOG_LEVEL          debug, info, warning or error (info)
"""


class Commands(click.Group):
    """Turns what a user can mend into one clear message and exit status 1."""

    def invoke(self, context: click.Context) -> object:
        with friendly_errors():
            try:
                return super().invoke(context)
            except DBAPIError as error:
                # Alembic meets database errors through SQLAlchemy, which wraps them.
                if not isinstance(error.orig, psycopg.Error):
                    raise
                raise redacted(error.orig) from None


@click.group(
    cls=Commands,
    epilog=CONFIGURATION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(importlib.metadata.version("gmail-sync"), prog_name="gmail-sync")
def main() -> None:
    """A self-hosted Gmail sync that lives in Postgres."""


account.add_command(remove)
account.add_command(delete)
for command in (
    serve, worker, migrate, demo, monitor, adopt, audit, export, token, account, rotate_keys,
    simulate,
):  # fmt: skip
    main.add_command(command)
