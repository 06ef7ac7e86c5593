"""Connections to the database: the URL as libpq reads it, and errors in words."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

UNREADABLE = (
    "is not a libpq URL such as postgresql://user:password@host:port/database; percent-encode"
    " special characters of user and password (@ as %40, / as %2F), and remove parameters that"
    " libpq does not know"
)

_UNMIGRATED = (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName)


def parse_url(url: str) -> dict[str, Any]:
    """The parameters of a libpq URL or connection string.

    Raises ValueError, which goes on after the name of the setting and quotes nothing of its value:
    any part may be a password's.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise ValueError(UNREADABLE) from None
    # Where a password has a bare @ or /, libpq takes a piece of it for a host or a port.
    ports = str(given.get("port", "")).split(",")
    if "@" in str(given.get("host", "")) or not all(port.isdigit() or not port for port in ports):
        raise ValueError(UNREADABLE)
    return given


def with_options(url: str, options: str, **defaults: Any) -> dict[str, Any]:
    """The parameters of a URL, with our options and defaults; what the URL says itself wins."""
    given = parse_url(url)
    merged = f"{options} {given.pop('options', '')}".strip()
    return {**defaults, **given, "options": merged}


def is_read_only(error: psycopg.Error) -> bool:
    """Whether the server can be read but not written: a standby, or closed for writing."""
    # The words are libpq's, which gives no SQLSTATE to what target_session_attrs refuses.
    return error.sqlstate == "25006" or "session is read-only" in str(error)


def is_not_ready(error: psycopg.Error) -> bool:
    """Whether an administrator must migrate the database first, or grant its user a role."""
    return isinstance(error, (*_UNMIGRATED, psycopg.errors.InsufficientPrivilege))


def in_words(error: psycopg.Error) -> str:
    """One sentence that quotes no row and no argument."""
    reason = error.diag.message_primary or " ".join(str(error).split())
    if is_read_only(error):
        return f"the database cannot be written: {reason}"
    match error:
        case psycopg.OperationalError() if (error.sqlstate or "08")[:2] in ("08", "57"):
            return f"the database does not answer: {reason}"
        case psycopg.errors.InsufficientPrivilege():
            return f"the database user may not do this: {reason}"
        case _ if isinstance(error, _UNMIGRATED):
            return "the database has no gmail_sync schema of this version: run gmail-sync migrate"
    return f"the database refused: {reason}"
