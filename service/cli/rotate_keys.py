"""gmail-sync rotate-keys: credentials sealed anew, while everything runs."""

import os
from collections import Counter
from collections.abc import Iterator

import click
from psycopg.types.json import Jsonb

from service.cli.account import vault
from service.config import Config
from service.database import Caller, Row, Session
from service.gmail.credentials import Vault, WrongKey

PAGE = 100


@click.command()
def rotate_keys() -> None:
    """Seal all credentials with the first of the keys.

    Put a new key before the others in GMAIL_SYNC_CREDENTIALS_KEYS, restart the processes with it,
    and run this; then the other keys can go. Each account is changed by itself, so it may be
    interrupted and run again.
    """
    config = Config.from_environment(os.environ)
    keys = vault(config)
    session = Session(config.database_url, "gmail-sync rotate-keys")
    fates = Counter(_reseal(session, keys, row) for row in _all(session))
    counts = {"sealed": fates["sealed"], "unopened": fates["unopened"]}
    session.value("record_audit", "keys_rotated", "gmail-sync rotate-keys", Jsonb(counts))
    session.close()
    click.echo(f"Sealed anew: {fates['sealed']}; had the first key already: {fates['already']}.")
    if fates["unopened"]:
        raise click.ClickException(
            f"{fates['unopened']} accounts were left as they are: no key opens their credentials"
        )


def _all(session: Caller) -> Iterator[Row]:
    after = None
    while page := session.rows("list_credentials", after, PAGE):
        yield from page
        after = page[-1]["user_id"]


def _reseal(session: Caller, keys: Vault, row: Row) -> str:
    """What became of an account's credentials; those that are renewed meanwhile are read again."""
    user_id, sealed = row["user_id"], row["credentials"]
    while sealed is not None:
        try:
            anew = keys.reseal(sealed)
        except WrongKey:
            click.echo(f"{user_id}: no key opens the credentials", err=True)
            return "unopened"
        if anew is None:
            return "already"
        if session.value("save_credentials", user_id, sealed, anew):
            return "sealed"
        account = session.row("open_account", user_id)
        sealed = account and account["credentials"]
    return "gone"
