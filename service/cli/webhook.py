"""gmail-sync webhook: addresses that receive events."""

import json
import time

import click
from psycopg.types.json import Jsonb

from service.cli.context import actor, open_session
from service.cli.lazy import LazyCommand, LazyGroup
from service.postgres.calls import Row, Session

# How long `test` waits for the first attempt.
TEST_SECONDS = 30
COMMANDS = {
    "add": LazyCommand("service.cli.webhook:add", "Add a webhook, and print its secret."),
    "list": LazyCommand("service.cli.webhook:list_webhooks", "List webhooks and their state."),
    "test": LazyCommand("service.cli.webhook:test", "Send a test event."),
    "replay": LazyCommand("service.cli.webhook:replay", "Send changes again; enable a webhook."),
    "rotate": LazyCommand("service.cli.webhook:rotate", "Give a webhook a new secret."),
    "remove": LazyCommand("service.cli.webhook:remove", "Remove a webhook."),
}
user_option = click.option(
    "--user", metavar="USER", help="A webhook of this user. Without it, one for all users."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=LazyGroup, table=COMMANDS)
def webhook() -> None:
    """Add, test, repair and remove webhooks."""


@click.command()
@click.argument("url")
@user_option
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="EVENT",
    help="Send this event only, such as message.created; can be repeated.",
)
@click.option(
    "--content", is_flag=True, help="Put subject, sender, date and snippet into events of messages."
)
@json_option
def add(url: str, user: str | None, events: tuple[str, ...], content: bool, as_json: bool) -> None:
    """Send events to URL.

    The secret is printed once. The receiver verifies the events with it.
    """
    with open_session("webhook") as (_, session):
        _record(session, "add_webhook", user)
        row = session.row("add_webhook", user, url, list(events) or None, content)
    assert row is not None
    if as_json:
        click.echo(json.dumps(row))
    else:
        click.echo(f"Webhook {row['id']} is added. Its secret: {row['secret']}")


@click.command()
@user_option
@json_option
def list_webhooks(user: str | None, as_json: bool) -> None:
    """List the webhooks of USER, or those for all users.

    With --json, each is an object in a line of its own.
    """
    with open_session("webhook") as (_, session):
        rows = session.rows("list_webhooks", user)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, default=str))
    else:
        _print_table(rows)


@click.command()
@click.argument("webhook_id", metavar="ID")
@user_option
def test(webhook_id: str, user: str | None) -> None:
    """Send a test event to webhook ID, and wait for the answer.

    A worker has to run. Exit status 0: accepted, 1: not accepted.
    """
    with open_session("webhook") as (_, session):
        _record(session, "test_webhook", user)
        event_id = _found(session.value("test_webhook", user, webhook_id), webhook_id)
        ends_at = time.monotonic() + TEST_SECONDS
        while time.monotonic() < ends_at:
            for row in session.rows("list_webhook_deliveries", user, webhook_id):
                if row["event_id"] == event_id:
                    return _print_attempt(row)
            time.sleep(0.2)
    raise click.ClickException(f"no worker sent the event within {TEST_SECONDS} s")


@click.command()
@click.argument("webhook_id", metavar="ID")
@user_option
@click.option(
    "--after",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="Send all changes after this change number. Without it, go on where it stopped.",
)
def replay(webhook_id: str, user: str | None, after: int | None) -> None:
    """Send changes to webhook ID again, and enable it if it is disabled."""
    with open_session("webhook") as (_, session):
        _record(session, "replay_webhook", user)
        _found(session.value("replay_webhook", user, webhook_id, after), webhook_id)
    since = "where it stopped" if after is None else f"after change {after}"
    click.echo(f"Webhook {webhook_id} goes on {since}.")


@click.command()
@click.argument("webhook_id", metavar="ID")
@user_option
def rotate(webhook_id: str, user: str | None) -> None:
    """Give webhook ID a new secret. Events are signed with the old one too, for a day."""
    with open_session("webhook") as (_, session):
        _record(session, "rotate_webhook_secret", user)
        secret = _found(session.value("rotate_webhook_secret", user, webhook_id), webhook_id)
    click.echo(secret)


@click.command()
@click.argument("webhook_id", metavar="ID")
@user_option
def remove(webhook_id: str, user: str | None) -> None:
    """Remove webhook ID with all that was to be sent to it."""
    with open_session("webhook") as (_, session):
        _record(session, "remove_webhook", user)
        _found(session.value("remove_webhook", user, webhook_id), webhook_id)
    click.echo(f"Webhook {webhook_id} is removed.")


def _record(session: Session, action: str, user: str | None) -> None:
    """Record an act in the audit trail before it is performed."""
    session.value("record_audit_event", "operator_act", actor(), Jsonb({"action": action}), user)


def _found(result: str | bool | None, webhook_id: str) -> str | bool:
    if not result:
        raise click.ClickException(f"no webhook {webhook_id}; a user's own needs --user")
    return result


def _print_attempt(row: Row) -> None:
    if row["error_message"]:
        raise click.ClickException(row["error_message"])
    click.echo(f"Accepted with {row['http_status']} in {row['duration_seconds']:.2f} s.")


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "url", "events", "state", "waiting")
    for row in rows:
        table.add_row(
            row["id"], row["url"], ", ".join(row["events"]), _state(row), str(row["waiting"])
        )
    Console().print(table)


def _state(row: Row) -> str:
    if row["disabled_at"]:
        return f"disabled: {row['disabled_reason']}"
    if row["failing_since"]:
        return f"failing since {row['failing_since']:%Y-%m-%d %H:%M}: {row['last_error']}"
    return "works"
