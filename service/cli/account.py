"""gmail-sync account: Gmail accounts whose Google tokens an application already has."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from service.accounts.rows import get_account
from service.cli.context import open_session, record_operator_read
from service.cli.lazy import LazyCommand, LazyGroup
from service.config import QUOTA_PROFILES
from service.postgres.calls import Row

CONTENT_MODES = ("full", "raw")
AUTHORIZED_USER_FIELDS = ("refresh_token", "client_id", "client_secret")


COMMANDS = {
    "add": LazyCommand("service.cli.account:add", "Store an account, or connect it again."),
    "set": LazyCommand("service.cli.account:change", "Change an account's settings."),
    "list": LazyCommand("service.cli.account:list_accounts", "List accounts and their state."),
    "remove": LazyCommand("service.cli.removal:remove", "Disconnect an account."),
    "delete": LazyCommand("service.cli.removal:delete", "Delete everything about a user."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def account() -> None:
    """Add, change, list, disconnect and delete Gmail accounts."""


@click.command()
@click.argument("user")
@click.option("--email", required=True, metavar="E", help="Address of the mailbox.")
@click.option(
    "--credentials",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="An authorized_user JSON: refresh_token, client_id and client_secret.",
)
@click.option("--access-token", metavar="T", help="An access token, usable until it expires.")
@click.option(
    "--quota-profile",
    type=click.Choice(QUOTA_PROFILES),
    help="Quota caps. A new account has GMAIL_SYNC_QUOTA_PROFILE by default.",
)
@click.option(
    "--content-mode",
    type=click.Choice(CONTENT_MODES),
    help="full stores headers and bodies (default); raw also stores the RFC 822 message.",
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

    This neither calls Google nor starts a sync.
    """
    if (credentials is None) == (access_token is None):
        raise click.UsageError("give one of --credentials and --access-token")
    from service.cli.google import make_cipher

    stored = _authorized_user(credentials) if credentials else {"token": access_token}
    with open_session("account") as (config, session):
        encrypted = make_cipher(config).encrypt(stored)
        if quota_profile is None and get_account(session, user) is None:
            quota_profile = config.quota_profile
        session.value("connect_account", user, email, encrypted, quota_profile, content_mode)
    click.echo(f"{email} is connected for user {user}.")


def _interval(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> timedelta | None:
    """`15m`, `2h` or `1d`; zero for `off`; None if it was not given."""
    if value is None:
        return None
    if value == "off":
        return timedelta(0)
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
    if found is None:
        raise click.BadParameter("give minutes, hours or days, such as 15m, 2h or 1d, or off")
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


@click.command()
@click.argument("user")
@click.option(
    "--content-mode",
    type=click.Choice(CONTENT_MODES),
    help="full stores headers and bodies; raw also stores the RFC 822 message.",
)
@click.option("--quota-profile", type=click.Choice(QUOTA_PROFILES), help="Quota caps.")
@click.option(
    "--sync-interval",
    callback=_interval,
    metavar="15m|off",
    help="How often to start a sync automatically.",
)
def change(
    user: str,
    content_mode: str | None,
    quota_profile: str | None,
    sync_interval: timedelta | None,
) -> None:
    """Change settings of USER's account.

    Switching to raw starts a sync that fetches all stored messages again. Switching back to full
    keeps the raw copies.
    """
    if content_mode is None and quota_profile is None and sync_interval is None:
        raise click.UsageError("give --content-mode, --quota-profile or --sync-interval")
    with open_session("account") as (_, session):
        if sync_interval is not None:
            session.value("set_sync_interval", user, sync_interval or None)
            click.echo(f"{user} is synced {_every(sync_interval)}.")
        if quota_profile is not None:
            session.value("set_quota_profile", user, quota_profile)
            click.echo(f"{user} has the quota caps of {quota_profile}.")
        if content_mode is not None:
            count = session.value("set_content_mode", user, content_mode)
            click.echo(f"{user}'s mail is stored {content_mode}.")
            if count:
                click.echo(f"A sync fetches {count:,} stored messages in raw form.")


def _every(interval: timedelta) -> str:
    return f"every {interval}" if interval else "only on request"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_accounts(as_json: bool) -> None:
    """List the accounts and their state."""
    with open_session("account") as (_, session):
        if rows := session.rows("list_accounts"):
            record_operator_read(session, "accounts")
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, default=str))
    else:
        _print_table(rows)


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

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
