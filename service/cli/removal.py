"""gmail-sync account remove and delete: the end of a grant, and of a user."""

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
    "--delete-mail", is_flag=True, help="delete the mail too, so that another mailbox can follow"
)
def remove(user: str, delete_mail: bool) -> None:
    """Disconnect the Gmail account of USER: at Google, then here.

    The mail stays, with what it takes to go on when the same mailbox is connected again.
    """
    done = _end(lambda session, google: disconnect.disconnect(session, google, user, delete_mail))
    mail = "deleted" if delete_mail else "kept"
    click.echo(f"Disconnected {user}, mail {mail}." if done else f"{user} was not connected.")


@click.command(short_help="Delete everything there is of USER.")
@click.argument("user")
@click.option("--yes", is_flag=True, required=True, help="it is meant: there is no way back")
def delete(user: str, yes: bool) -> None:
    """Delete everything there is of USER: the grant at Google, mail, runs, the audit trail."""
    done = _end(lambda session, google: disconnect.delete(session, google, user))
    click.echo(f"Deleted everything of {user}." if done else f"There was nothing of {user}.")


def _end(end: Callable[[Session, Google | None], disconnect.DisconnectResult]) -> bool:
    """Whether there was anything to end; where Google did not end the grant, say so and go on."""
    with open_session("account") as (config, session):
        google = make_google(config) if config.credentials_keys else None
        ended = end(session, google)
    if ended.warning:
        click.echo(ended.warning, err=True)
    return ended.done
