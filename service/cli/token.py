"""gmail-sync token: a token for the API."""

import os
from datetime import timedelta

import click

from service.api.auth.make_token import make_token
from service.config import Config, ConfigError


@click.command()
@click.argument("user")
@click.option(
    "--scope",
    multiple=True,
    type=click.Choice(["operator"]),
    help="operator: the token may see the runs of all users.",
)
@click.option(
    "--hours",
    default=24,
    type=click.IntRange(1, 24 * 365),
    show_default=True,
    help="How long the token is valid.",
)
def token(user: str, scope: tuple[str, ...], hours: int) -> None:
    """Print a bearer token for USER."""
    config = Config.from_environment(os.environ)
    if config.jwt_secret is None:
        raise ConfigError(
            ["GMAIL_SYNC_JWT_SECRET is not set; only the issuer can sign tokens without it"]
            if config.jwt_jwks_url
            else ["GMAIL_SYNC_JWT_SECRET is not set: make one with openssl rand -hex 32"]
        )
    try:
        click.echo(
            make_token(
                config.jwt_secret,
                user,
                scope,
                timedelta(hours=hours),
                issuer=config.jwt_issuer,
                audience=config.jwt_audience,
            )
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
