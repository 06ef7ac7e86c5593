"""Errors that the user can fix, as messages."""

import os
import socket
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


@contextmanager
def listening_at(host: str, port: int, setting: str) -> Iterator[None]:
    """Say what to change if the block cannot listen there. `setting` is what chooses the port."""
    try:
        yield
    except OSError as error:
        # socket.create_server() adds the address to strerror. The numbers of gaierror are its own.
        is_name = isinstance(error, socket.gaierror)
        reason = error.strerror if is_name else os.strerror(error.errno or 0)
        raise click.ClickException(
            f"cannot listen at {host}, port {port}: {reason}."
            f" Choose another with {setting} or --host."
        ) from error


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
