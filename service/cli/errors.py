"""Errors that the user can fix, as messages."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from service.config import ConfigError


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn an error that the user can fix into a ClickException with one clear message."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except ConfigError as error:
        raise click.ClickException("\n       ".join(error.errors)) from error
    except Exception as error:
        message = _database_message(error) or _google_message(error)
        if message is None:
            raise
        raise click.ClickException(message) from error


# Their classes are imported once there is an error: most commands end without one.


def _database_message(error: Exception) -> str | None:
    import psycopg

    from db.connection import in_words
    from service.postgres.errors import SyncError

    match error:
        case SyncError():
            return ". ".join(filter(None, [str(error), error.hint]))
        case psycopg.Error():
            return in_words(error)
    return None


def _google_message(error: Exception) -> str | None:
    from service.gmail.errors import GmailError
    from service.google.cipher import WrongKey
    from service.google.credentials import UnusableCredentials

    return str(error) if isinstance(error, GmailError | WrongKey | UnusableCredentials) else None
