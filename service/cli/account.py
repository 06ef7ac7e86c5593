"""gmail-sync account: Gmail accounts whose Google tokens an application holds already."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from service.cli.context import open_session, record_operator_read
from service.config import QUOTA_PROFILES, Config, ConfigError
from service.google.cipher import CredentialCipher

CONTENT_MODES = ("full", "raw")
AUTHORIZED_USER_FIELDS = ("refresh_token", "client_id", "client_secret")


@click.group()
def account() -> None:
    """Add, change, list, disconnect and delete Gmail accounts."""


@account.command()
@click.argument("user")
@click.option("--email", required=True, metavar="E", help="address of the mailbox")
@click.option(
    "--credentials",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="authorized_user JSON with refresh_token, client_id and client_secret",
)
@click.option("--access-token", metavar="T", help="an access token, for as long as it lives")
@click.option(
    "--quota-profile",
    type=click.Choice(QUOTA_PROFILES),
    help="caps to keep to; for a new account GMAIL_SYNC_QUOTA_PROFILE unless given",
)
@click.option(
    "--content-mode",
    type=click.Choice(CONTENT_MODES),
    help="full: bodies and headers (default); raw: the whole RFC 822 message too",
)
def add(
    user: str,
    email: str,
    credentials: Path | None,
    access_token: str | None,
    quota_profile: str | None,
    content_mode: str | None,
) -> None:
    """Store the Gmail account of USER, or connect it again.

    Only stores: no call to Google, no sync.
    """
    if (credentials is None) == (access_token is None):
        raise click.UsageError("give one of --credentials and --access-token")
    stored = _authorized_user(credentials) if credentials else {"token": access_token}
    with open_session("account") as (config, session):
        sealed = cipher(config).encrypt(stored)
        if quota_profile is None and not session.rows("list_accounts", user):
            quota_profile = config.quota_profile
        session.value("connect_account", user, email, sealed, quota_profile, content_mode)
    click.echo(f"{email} is connected for user {user}.")


def _interval(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> timedelta | None:
    """`15m`, `2h` or `1d`; zero for `off`, None when it was not given."""
    if value is None:
        return None
    if value == "off":
        return timedelta(0)
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
    if found is None:
        raise click.BadParameter("give minutes, hours or days, such as 15m, 2h or 1d, or else off")
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


@account.command(name="set")
@click.argument("user")
@click.option(
    "--content-mode",
    type=click.Choice(CONTENT_MODES),
    help="full: bodies and headers; raw: the whole RFC 822 message too, of stored mail as well",
)
@click.option("--quota-profile", type=click.Choice(QUOTA_PROFILES), help="caps to keep to")
@click.option(
    "--sync-interval", callback=_interval, metavar="15m|off", help="how often to sync by itself"
)
def change(
    user: str,
    content_mode: str | None,
    quota_profile: str | None,
    sync_interval: timedelta | None,
) -> None:
    """Change settings of USER's account.

    Switched to raw, what is stored is fetched once more, by a sync that this starts. Switched
    back to full, raw copies stay.
    """
    if content_mode is None and quota_profile is None and sync_interval is None:
        raise click.UsageError("give --content-mode, --quota-profile or --sync-interval")
    with open_session("account") as (_, session):
        if sync_interval is not None:
            session.value("set_sync_interval", user, sync_interval or None)
            click.echo(f"{user} is synced {_every(sync_interval)}.")
        if quota_profile is not None:
            session.value("set_quota_profile", user, quota_profile)
            click.echo(f"{user} keeps to the caps of {quota_profile}.")
        if content_mode is not None:
            count = session.value("set_content_mode", user, content_mode)
            click.echo(f"{user}'s mail is kept {content_mode}.")
            if count:
                click.echo(f"A sync fetches {count:,} stored messages in raw form.")


def _every(interval: timedelta) -> str:
    return f"every {interval}" if interval else "when somebody asks"


@account.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line, for scripts")
def list_accounts(as_json: bool) -> None:
    """List the accounts and the state they are in."""
    with open_session("account") as (_, session):
        if rows := session.rows("list_accounts"):
            record_operator_read(session, "accounts")
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, default=str))
        return
    table = Table("user", "email", "status", "reason", "content", "quota", "connected")
    for row in rows:
        table.add_row(
            row["user_id"],
            row["email"],
            row["status"],
            row["status_reason"] or "",
            row["content_mode"],
            row["quota_profile"],
            f"{row['connected_at']:%Y-%m-%d %H:%M}",
        )
    Console().print(table)


def cipher(config: Config) -> CredentialCipher:
    """Where credentials are sealed. Raises ConfigError without keys."""
    if not config.credentials_keys:
        raise ConfigError(
            [
                "GMAIL_SYNC_CREDENTIALS_KEYS is not set: make a key with "
                "openssl rand -base64 32 | tr '+/' '-_'"
            ]
        )
    return CredentialCipher(config.credentials_keys)


def _authorized_user(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{path} is not JSON: {error}") from error
    missing = [
        name
        for name in AUTHORIZED_USER_FIELDS
        if not (isinstance(stored, dict) and isinstance(stored.get(name), str) and stored[name])
    ]
    if missing:
        raise click.UsageError(f"{path} is not an authorized_user file: no {', '.join(missing)}")
    return dict(stored)
