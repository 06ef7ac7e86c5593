"""gmail-sync rotate-keys: credentials sealed anew, while everything runs."""

import signal
from collections.abc import Iterator

import click
from psycopg.types.json import Jsonb

from service.cli.account import cipher
from service.cli.context import actor, open_session
from service.google.cipher import CredentialCipher, WrongKey
from service.postgres.calls import FunctionCaller, Row

PAGE = 100
# Each pass seals what was saved with another key during the one before.
MOST_PASSES = 10


@click.command()
def rotate_keys() -> None:
    """Seal all credentials with the first of the keys.

    Put a new key before the others in GMAIL_SYNC_CREDENTIALS_KEYS, restart the processes with it,
    and run this; then the other keys can go. Each account is changed by itself, so it may be
    interrupted and run again. It ends once a pass over all accounts finds none to seal.

    Exit status 0: the first key opens all credentials; 1: not all.
    """
    # kill ends it as Ctrl-C does, in a shell's background too: what was done is noted.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    with open_session("rotate-keys") as (config, session):
        rotation = Rotation(session, cipher(config))
        try:
            finished = rotation.run()
        finally:
            session.value("record_audit_event", "keys_rotated", actor(), Jsonb(rotation.counts()))
    click.echo(f"Sealed anew: {rotation.sealed}; had the first key already: {rotation.already}.")
    if not finished:
        raise click.ClickException(
            "a process still seals with another key: restart all of them with the new key before "
            "the others, then run this again"
        )
    if rotation.unopened:
        raise click.ClickException(
            f"{len(rotation.unopened)} accounts were left as they are: no key opens their "
            "credentials"
        )


class Rotation:
    """Passes over all credentials, and what came of them."""

    def __init__(self, caller: FunctionCaller, keys: CredentialCipher) -> None:
        self._caller = caller
        self._keys = keys
        self.sealed = 0
        # Those that the first pass found so.
        self.already = 0
        self.unopened: set[str] = set()

    def run(self) -> bool:
        """Whether the last pass found none to seal. Raises psycopg.Error."""
        for number in range(MOST_PASSES):
            sealed_before = self.sealed
            for row in _all(self._caller):
                self._count(row["user_id"], _reseal(self._caller, self._keys, row), number == 0)
            if self.sealed == sealed_before:
                return True
        return False

    def counts(self) -> dict[str, int]:
        return {"sealed": self.sealed, "unopened": len(self.unopened)}

    def _count(self, user_id: str, fate: str, at_first: bool) -> None:
        if fate == "sealed":
            self.sealed += 1
        elif fate == "already" and at_first:
            self.already += 1
        elif fate == "unopened" and user_id not in self.unopened:
            self.unopened.add(user_id)
            click.echo(f"{user_id}: no key opens the credentials", err=True)


def _all(session: FunctionCaller) -> Iterator[Row]:
    after = None
    while page := session.rows("list_credentials", after, PAGE):
        yield from page
        after = page[-1]["user_id"]


def _reseal(session: FunctionCaller, keys: CredentialCipher, row: Row) -> str:
    """What became of an account's credentials; those that are renewed meanwhile are read again."""
    user_id, sealed = row["user_id"], row["credentials"]
    while sealed is not None:
        try:
            anew = keys.rotate(sealed)
        except WrongKey:
            return "unopened"
        if anew is None:
            return "already"
        if session.value("replace_credentials", user_id, sealed, anew):
            return "sealed"
        account = session.row("get_account_credentials", user_id)
        sealed = account and account["credentials"]
    return "gone"
