"""The end of an account: closed to all first, then its grant at Google, then what is kept here.

Closed first, so that no run and no request meets the dead grant and takes it for Google's word. Who
connects the account again meanwhile brings another grant, which is ended as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service.google import consent
from service.google.cipher import WrongKey
from service.google.configuration import Google
from service.google.credentials import UnusableCredentials
from service.postgres.calls import FunctionCaller


@dataclass(frozen=True)
class DisconnectResult:
    """`done` says whether there was anything to end, `revoked` whether Google ended a grant;
    `warning`, for a person, why it may hold one still."""

    done: bool
    revoked: bool
    warning: str | None


class RevocationFailed(Exception):
    """The text says why, for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The grant may live on at Google: {why}.")


def disconnect(
    caller: FunctionCaller, google: Google | None, user_id: str, delete_mail: bool
) -> DisconnectResult:
    """Disconnect a user's account; the mail stays unless it is to go. Raises psycopg.Error."""
    forget = partial(caller.value, "disconnect_account", user_id, delete_mail)
    return _end(caller, google, user_id, forget)


def delete(caller: FunctionCaller, google: Google | None, user_id: str) -> DisconnectResult:
    """Delete everything there is of a user. Raises psycopg.Error."""
    return _end(caller, google, user_id, partial(caller.value, "delete_account", user_id))


def _end(
    caller: FunctionCaller,
    google: Google | None,
    user_id: str,
    forget: Callable[[bytes], bool | None],
) -> DisconnectResult:
    """What Google does not do is no reason to stay."""
    revoked, warning = False, None
    while True:
        opened: bytes | None = caller.value("begin_disconnect", user_id)
        try:
            if opened is not None:
                _withdraw(google, opened)
                revoked = True
        except RevocationFailed as error:
            warning = str(error)
        done = forget(opened or b"")
        if done is not None:
            return DisconnectResult(done, revoked, warning)


def _withdraw(google: Google | None, sealed: bytes) -> None:
    """End a grant at Google. Raises NotWithdrawn.

    Google ends it for the whole mailbox, whichever of our users it is connected for.
    """
    if google is None:
        raise RevocationFailed("GMAIL_SYNC_CREDENTIALS_KEYS is not set")
    try:
        credentials = google.credentials(google.cipher.decrypt(sealed))
    except (WrongKey, UnusableCredentials) as error:
        raise RevocationFailed(str(error)) from error
    if reason := consent.revoke(credentials):
        raise RevocationFailed(reason)
