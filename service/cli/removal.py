"""gmail-sync account remove and delete: end a grant, or delete a user."""

from collections.abc import Callable

import click

from service.accounts import disconnect
from service.cli.context import open_session
from service.cli.google import make_google
from service.google.configuration import Google
from service.postgres.calls import Session


@click.command()
@click.argument("user")
@click.option(
    "--delete-mail",
    is_flag=True,
    help="Delete the stored mail too. The user can then connect another mailbox.",
)
def remove(user: str, delete_mail: bool) -> None:
    """Disconnect the Gmail account of USER: revoke the grant at Google, then forget it here.

    The mail stays. If the same mailbox is connected again, its sync continues from there.
    """
    done = _disconnect(
        lambda session, google: disconnect.disconnect(session, google, user, delete_mail)
    )
    mail = "deleted" if delete_mail else "kept"
    click.echo(f"Disconnected {user}, mail {mail}." if done else f"{user} was not connected.")


@click.command()
@click.argument("user")
@click.option("--yes", is_flag=True, required=True, help="Confirm. This cannot be undone.")
def delete(user: str, yes: bool) -> None:
    """Delete everything about USER: the grant at Google, mail, runs and the audit trail."""
    done = _disconnect(lambda session, google: disconnect.delete(session, google, user))
    click.echo(f"Deleted everything about {user}." if done else f"There was nothing about {user}.")


def _disconnect(act: Callable[[Session, Google | None], disconnect.DisconnectResult]) -> bool:
    """Whether there was anything to do. Warns if Google did not revoke the grant."""
    with open_session("account") as (config, session):
        google = make_google(config) if config.credentials_keys else None
        result = act(session, google)
    if result.warning:
        click.echo(result.warning, err=True)
    return result.done
