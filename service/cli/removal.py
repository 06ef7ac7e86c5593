"""gmail-sync account remove and delete: the end of a grant, and of a user."""

import click

from service.cli.google import make_google
from service.cli.session import opened
from service.config import Config
from service.database import Session
from service.mailbox.withdraw import NotWithdrawn, withdraw_grant


@click.command()
@click.argument("user")
@click.option(
    "--delete-mail", is_flag=True, help="delete the mail too, so that another mailbox can follow"
)
def remove(user: str, delete_mail: bool) -> None:
    """Disconnect the Gmail account of USER: at Google, then here.

    The mail stays, with what it takes to go on when the same mailbox is connected again.
    """
    with opened("account") as (config, session):
        _withdraw(config, session, user)
        done = session.value("disconnect_account", user, delete_mail)
    mail = "deleted" if delete_mail else "kept"
    click.echo(f"Disconnected {user}, mail {mail}." if done else f"{user} was not connected.")


@click.command(short_help="Delete everything there is of USER.")
@click.argument("user")
@click.option("--yes", is_flag=True, required=True, help="it is meant: there is no way back")
def delete(user: str, yes: bool) -> None:
    """Delete everything there is of USER: the grant at Google, mail, runs, the audit trail."""
    with opened("account") as (config, session):
        _withdraw(config, session, user)
        done = session.value("delete_account", user)
    click.echo(f"Deleted everything of {user}." if done else f"There was nothing of {user}.")


def _withdraw(config: Config, session: Session, user: str) -> None:
    """End the grant at Google; where that fails, say so and go on."""
    google = make_google(config) if config.credentials_keys else None
    try:
        withdraw_grant(session, google, user)
    except NotWithdrawn as error:
        click.echo(str(error), err=True)
