"""What a command begins with: the configuration, and a session that says who sits there."""

import os
import pwd
from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from service.config import Config
from service.postgres.calls import FunctionCaller, Session


@contextmanager
def open_session(command: str) -> Iterator[tuple[Config, Session]]:
    """The configuration, and a session for as long as the block lasts. Raises ConfigError.

    The audit trail takes the actor from the session's name (db/functions/_audit.sql), so that no
    command can forget to tell, and no name in DATABASE_URL may stand in its place.
    """
    config = Config.from_environment(os.environ)
    name = f"gmail-sync {command} by {actor()}"
    url = make_conninfo(config.database_url, application_name=name)
    with closing(Session(url, name)) as session:
        yield config, session


def actor() -> str:
    """Who sits at the command line, as the audit trail names them: `os:` and the system's user."""
    number = os.getuid()
    try:
        return f"os:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        # A container's user needs no name.
        return f"os:{number}"


def record_operator_read(caller: FunctionCaller, view: str, user: str | None = None) -> None:
    """Note what of other people's data is about to be shown, of one user or of all.

    Raises psycopg.Error and SyncError: what is not noted is not shown.
    """
    caller.value("record_audit_event", "operator_read", actor(), Jsonb({"view": view}), user)
