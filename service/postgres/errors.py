"""The errors our functions raise, one class for each SQLSTATE of class SY.

SyncError
├── LeaseLost            SY001  the task was reaped, cancelled, superseded or released
├── AccountNotConnected  SY002  Gmail must be connected, or connected again
├── InvalidArgument      SY003
├── RunEnded             SY004  ended runs are immutable
├── TooOften             SY005  too many requests of a user within a minute
├── UserElsewhere        SY006  the user lives on another node
└── ChangesUnknown       SY007  mail was deleted as a whole since the change number
"""

from typing import ClassVar

import psycopg


class SyncError(Exception):
    """Refused by the database; `hint` says what to do about it."""

    sqlstate: ClassVar[str]

    def __init__(self, message: str, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.detail = detail


class LeaseLost(SyncError):
    sqlstate = "SY001"


class AccountNotConnected(SyncError):
    sqlstate = "SY002"


class InvalidArgument(SyncError):
    sqlstate = "SY003"


class RunEnded(SyncError):
    sqlstate = "SY004"


class TooOften(SyncError):
    """`detail` is the number of seconds to wait."""

    sqlstate = "SY005"


class UserElsewhere(SyncError):
    """A node says so, for instance while the user moves. Soon the same call reaches the other."""

    sqlstate = "SY006"


class ChangesUnknown(SyncError):
    sqlstate = "SY007"


_BY_SQLSTATE = {
    kind.sqlstate: kind
    for kind in (
        LeaseLost, AccountNotConnected, InvalidArgument, RunEnded, TooOften, UserElsewhere,
        ChangesUnknown,
    )
}  # fmt: skip


def sync_error(error: psycopg.Error) -> SyncError | None:
    """The SyncError for a database error of class SY; None for any other error."""
    kind = _BY_SQLSTATE.get(error.sqlstate or "")
    if kind is None:
        return None
    diagnostics = error.diag
    message = diagnostics.message_primary or str(error)
    return kind(message, diagnostics.message_hint, diagnostics.message_detail)
