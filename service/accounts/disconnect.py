"""Ends an account: closes it to runs and requests, revokes the grant at Google, deletes its data.

The account is closed first, so no run or request can take the revoked grant for a rejection by
Google. If the user connects again meanwhile, the new grant is revoked as well.
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
    """`done` is false if there was nothing to end. `revoked` is true if Google ended a grant.

    `warning` says, for a person, why Google may still have a grant.
    """

    done: bool
    revoked: bool
    warning: str | None


class RevocationFailed(Exception):
    """The grant could not be revoked; the message is for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Google may still have the grant: {reason}.")


def disconnect(
    caller: FunctionCaller, google: Google | None, user_id: str, delete_mail: bool
) -> DisconnectResult:
    """Disconnect a user's account, with or without its mail. Raises psycopg.Error."""
    delete_data = partial(caller.value, "disconnect_account", user_id, delete_mail)
    return _end(caller, google, user_id, delete_data, delete_mail=delete_mail)


def delete(caller: FunctionCaller, google: Google | None, user_id: str) -> DisconnectResult:
    """Delete all data of a user. Raises psycopg.Error."""
    delete_data = partial(caller.value, "delete_account", user_id)
    return _end(caller, google, user_id, delete_data, delete_mail=True)


def _end(
    caller: FunctionCaller,
    google: Google | None,
    user_id: str,
    delete_data: Callable[[bytes], bool | None],
    *,
    delete_mail: bool,
) -> DisconnectResult:
    """The data is deleted even if the grant could not be revoked.

    Mail goes in steps: one call for a large mailbox would exceed the time of a statement.
    """
    revoked, warning = False, None
    while True:
        encrypted: bytes | None = caller.value("begin_disconnect", user_id)
        try:
            if encrypted is not None:
                _revoke(google, encrypted)
                revoked = True
        except RevocationFailed as error:
            warning = str(error)
        while delete_mail and not caller.value("delete_mail_step", user_id):
            pass
        done = delete_data(encrypted or b"")
        if done is not None:  # else there are new credentials
            return DisconnectResult(done, revoked, warning)


def _revoke(google: Google | None, encrypted: bytes) -> None:
    """Revoke a grant at Google. Raises RevocationFailed.

    Google ends it for the whole mailbox, for every user that it is connected for.
    """
    if google is None:
        raise RevocationFailed("GMAIL_SYNC_CREDENTIALS_KEYS is not set")
    try:
        credentials = google.credentials(google.cipher.decrypt(encrypted))
    except (WrongKey, UnusableCredentials) as error:
        raise RevocationFailed(str(error)) from error
    if reason := consent.revoke(credentials):
        raise RevocationFailed(reason)
