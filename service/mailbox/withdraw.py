"""The end of a grant at Google, before an account's credentials are forgotten here."""

from service.database import Caller
from service.gmail import oauth
from service.gmail.credentials import UnusableCredentials, WrongKey
from service.gmail.google import Google


class NotWithdrawn(Exception):
    """The text says why, for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The grant may live on at Google: {why}.")


def withdraw_grant(caller: Caller, google: Google | None, user_id: str) -> bool:
    """End a user's grant at Google; false when there is none. Raises NotWithdrawn.

    Google ends it for the whole mailbox, whichever of our users it is connected for.
    """
    account = caller.row("open_account", user_id)
    if account is None or account["credentials"] is None:
        return False
    if google is None:
        raise NotWithdrawn("GMAIL_SYNC_CREDENTIALS_KEYS is not set")
    try:
        credentials = google.credentials(google.vault.open(account["credentials"]))
    except (WrongKey, UnusableCredentials) as error:
        raise NotWithdrawn(str(error)) from error
    if reason := oauth.revoke(credentials):
        raise NotWithdrawn(reason)
    return True
