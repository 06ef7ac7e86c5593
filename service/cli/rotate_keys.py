"""gmail-sync rotate-keys: re-encrypt credentials while everything runs."""

import signal
from collections.abc import Iterator
from typing import Literal

import click
from psycopg.types.json import Jsonb

from service.accounts.rows import get_credentials
from service.cli.context import actor, open_session
from service.cli.google import make_cipher
from service.google.cipher import CredentialCipher, WrongKey
from service.postgres.calls import FunctionCaller, Row

Result = Literal["encrypted", "unchanged", "undecrypted", "disconnected"]

PAGE = 100
# Each pass encrypts what was saved with another key during the pass before.
MAX_PASSES = 10


@click.command()
def rotate_keys() -> None:
    """Encrypt all credentials with the first key.

    Put a new key before the others in GMAIL_SYNC_CREDENTIALS_KEYS and restart all processes. Then
    run this command, and remove the other keys. It can be interrupted and rerun, because accounts
    are changed one at a time. It repeats until a pass over all accounts finds nothing to encrypt.

    Exit status 0: the first key decrypts all credentials; 1: not all of them.
    """
    # kill and Ctrl-C both end with the audit event. A shell ignores SIGINT for background jobs.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    with open_session("rotate-keys") as (config, session):
        rotation = Rotation(session, make_cipher(config))
        try:
            finished = rotation.run()
        finally:
            session.value("record_audit_event", "keys_rotated", actor(), Jsonb(rotation.counts()))
    click.echo(f"Re-encrypted: {rotation.encrypted}; unchanged: {rotation.unchanged}.")
    if not finished:
        raise click.ClickException(
            "a process still encrypts with another key: restart all processes with the new key "
            "before the others, then run this again"
        )
    if rotation.undecrypted:
        raise click.ClickException(
            f"{len(rotation.undecrypted)} accounts are unchanged: no key decrypts their credentials"
        )


class Rotation:
    """Passes over all credentials, and their results."""

    def __init__(self, caller: FunctionCaller, cipher: CredentialCipher) -> None:
        self._caller = caller
        self._cipher = cipher
        self.encrypted = 0
        # Counted in the first pass only.
        self.unchanged = 0
        self.undecrypted: set[str] = set()

    def run(self) -> bool:
        """Whether the last pass found nothing to encrypt. Raises psycopg.Error."""
        for number in range(MAX_PASSES):
            before = self.encrypted
            for row in _all(self._caller):
                self._count(row["user_id"], _rotate(self._caller, self._cipher, row), number == 0)
            if self.encrypted == before:
                return True
        return False

    def counts(self) -> dict[str, int]:
        return {"encrypted": self.encrypted, "undecrypted": len(self.undecrypted)}

    def _count(self, user_id: str, result: Result, first_pass: bool) -> None:
        if result == "encrypted":
            self.encrypted += 1
        elif result == "unchanged" and first_pass:
            self.unchanged += 1
        elif result == "undecrypted" and user_id not in self.undecrypted:
            self.undecrypted.add(user_id)
            click.echo(f"{user_id}: no key decrypts the credentials", err=True)


def _all(caller: FunctionCaller) -> Iterator[Row]:
    after = None
    while page := caller.rows("list_credentials", after, PAGE):
        yield from page
        after = page[-1]["user_id"]


def _rotate(caller: FunctionCaller, cipher: CredentialCipher, row: Row) -> Result:
    """Re-encrypt an account's credentials. If they change meanwhile, read them again."""
    user_id, stored = row["user_id"], row["credentials"]
    while stored is not None:
        try:
            encrypted = cipher.rotate(stored)
        except WrongKey:
            return "undecrypted"
        if encrypted is None:
            return "unchanged"
        if caller.value("replace_credentials", user_id, stored, encrypted):
            return "encrypted"
        account = get_credentials(caller, user_id)
        stored = account.credentials if account else None
    return "disconnected"
