"""Errors that the user can fix, as messages."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from service.config import ConfigError

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


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
def safe_output() -> Iterator[None]:
    """Print to any stdout: to one that is closed, that lacks a character, or whose disk is full."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        # Python flushes stdout once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(f"Error: the output cannot be written: {os.strerror(error.errno)}.")


@contextmanager
def listening_at(host: str, port: int, setting: str) -> Iterator[None]:
    """Say what to change if the block cannot listen there. `setting` is what chooses the port."""
    try:
        yield
    except OSError as error:
        # socket.create_server() adds the address to strerror, and hides a gaierror, whose numbers
        # are below 0.
        number = error.errno or 0
        reason = os.strerror(number) if number >= 0 else "this host has no such address"
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
