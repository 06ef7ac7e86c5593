"""The end of a grant at Google, before an account's credentials are forgotten here."""

from service.database import Caller
from service.gmail import oauth
from service.gmail.credentials import UnusableCredentials, WrongKey, load_credentials
from service.gmail.google import Google


class NotWithdrawn(Exception):
    """The grant may live on at Google; the text says why, for a person."""


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
        credentials = load_credentials(
            google.vault.open(account["credentials"]),
            google.token_uri,
            google.client_id,
            google.client_secret,
        )
    except (WrongKey, UnusableCredentials) as error:
        raise NotWithdrawn(str(error)) from error
    if reason := oauth.revoke(credentials):
        raise NotWithdrawn(reason)
    return True
