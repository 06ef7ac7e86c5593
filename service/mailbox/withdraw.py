"""The end of an account: closed to all first, then its grant at Google, then what is kept here.

Closed first, so that no run and no request meets the dead grant and takes it for Google's word. Who
connects the account again meanwhile brings another grant, which is ended as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service.database import Caller
from service.gmail import oauth
from service.gmail.credentials import UnusableCredentials, WrongKey
from service.gmail.google import Google


@dataclass(frozen=True)
class End:
    """`done` says whether there was anything to end, `revoked` whether Google ended a grant;
    `warning`, for a person, why it may hold one still."""

    done: bool
    revoked: bool
    warning: str | None


class NotWithdrawn(Exception):
    """The text says why, for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The grant may live on at Google: {why}.")


def disconnect(caller: Caller, google: Google | None, user_id: str, delete_mail: bool) -> End:
    """Disconnect a user's account; the mail stays unless it is to go. Raises psycopg.Error."""
    forget = partial(caller.value, "disconnect_account", user_id, delete_mail)
    return _end(caller, google, user_id, forget)


def delete(caller: Caller, google: Google | None, user_id: str) -> End:
    """Delete everything there is of a user. Raises psycopg.Error."""
    return _end(caller, google, user_id, partial(caller.value, "delete_account", user_id))


def _end(
    caller: Caller, google: Google | None, user_id: str, forget: Callable[[bytes], bool | None]
) -> End:
    """What Google does not do is no reason to stay."""
    revoked, warning = False, None
    while True:
        opened: bytes | None = caller.value("begin_disconnect", user_id)
        try:
            if opened is not None:
                _withdraw(google, opened)
                revoked = True
        except NotWithdrawn as error:
            warning = str(error)
        done = forget(opened or b"")
        if done is not None:
            return End(done, revoked, warning)


def _withdraw(google: Google | None, sealed: bytes) -> None:
    """End a grant at Google. Raises NotWithdrawn.

    Google ends it for the whole mailbox, whichever of our users it is connected for.
    """
    if google is None:
        raise NotWithdrawn("GMAIL_SYNC_CREDENTIALS_KEYS is not set")
    try:
        credentials = google.credentials(google.vault.open(sealed))
    except (WrongKey, UnusableCredentials) as error:
        raise NotWithdrawn(str(error)) from error
    if reason := oauth.revoke(credentials):
        raise NotWithdrawn(reason)
