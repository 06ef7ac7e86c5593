"""What commands begin with: configuration, database session and actor."""

import os
import pwd
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from service import telemetry
from service.config import Config
from service.postgres.calls import FunctionCaller, Session

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


@contextmanager
def open_session(command: str, *, traced: bool = True) -> Iterator[tuple[Config, Session]]:
    """The configuration, and a session that the end of the block closes. Raises ConfigError.

    The block is one span, in the trace that TRACEPARENT names, unless it polls: then not `traced`.

    The audit trail takes the actor from the session's application name, so no command can forget
    it. A name in DATABASE_URL is therefore overwritten.
    """
    config = Config.from_environment(os.environ)
    name = f"gmail-sync {command} by {actor()}"
    url = make_conninfo(config.database_url, application_name=name)
    if traced:
        telemetry.start(os.environ, _log)
    with (
        telemetry.command(f"gmail-sync {command}", os.environ.get("TRACEPARENT")),
        closing(Session(url, name)) as session,
    ):
        yield config, session


def _log() -> "FilteringBoundLogger":
    from service import logs

    return logs.configure("warning")


def actor() -> str:
    """The actor of the audit trail: `os:` and the name of the operating system's user."""
    number = os.getuid()
    try:
        return f"os:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        # In a container the user may have no name.
        return f"os:{number}"


def record_operator_read(caller: FunctionCaller, view: str, user: str | None = None) -> None:
    """Record that data of one user, or of all, is about to be shown.

    Raises psycopg.Error and SyncError. Without the record, the data must not be shown.
    """
    caller.value("record_audit_event", "operator_read", actor(), Jsonb({"view": view}), user)
