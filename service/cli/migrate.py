"""gmail-sync migrate: the database's schema."""

import logging
import os

import click
from alembic.util import CommandError

from service import migrate as migrations
from service.config import Config

SCHEDULERS = ("pg_cron", "service")


@click.command()
@click.argument("revision", default="head")
@click.option(
    "--scheduler",
    type=click.Choice(SCHEDULERS),
    help="Who reaps, starts due syncs and prunes: jobs of pg_cron (default), or the workers.",
)
def migrate(revision: str, scheduler: str | None) -> None:
    """Migrate the database's schema to REVISION, by default the newest.

    The database user must be a superuser, or own the database and have CREATEROLE.
    """
    config = Config.from_environment(os.environ)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("alembic").setLevel(logging.INFO)
    try:
        installed = migrations.upgrade(config.database_url, revision, scheduler)
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The schema is at revision {installed}.")
