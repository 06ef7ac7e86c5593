"""What a user can mend, in words."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import psycopg
from alembic.util import CommandError

from service.config import ConfigError
from service.gmail.errors import GmailError
from service.google.cipher import WrongKey
from service.google.credentials import UnusableCredentials
from service.postgres.errors import SyncError


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn an error that a user can mend into a ClickException with one clear message."""
    try:
        yield
    except Exception as error:
        words = _words(error)
        if words is None:
            raise
        raise click.ClickException(words) from error


def _words(error: Exception) -> str | None:
    match error:
        case ConfigError():
            return "\n       ".join(error.mistakes)
        case SyncError():
            return ". ".join(filter(None, [str(error), error.hint]))
        case psycopg.OperationalError():
            return f"the database does not answer: {error}"
        case psycopg.errors.InsufficientPrivilege():
            return f"the database user may not do this: {error}"
        case psycopg.errors.UndefinedFunction() | psycopg.errors.InvalidSchemaName():
            return "the database has no gmail_sync schema of this version: run gmail-sync migrate"
        case psycopg.Error():
            return f"the database refused: {error}"
        case CommandError() | GmailError() | WrongKey() | UnusableCredentials():
            return str(error)
    return None
