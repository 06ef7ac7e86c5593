"""gmail-sync adopt: the runs of an earlier application's table."""

import json
import os

import click
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.config import Config
from service.postgres.calls import Connection, Row, connection_string, redacted
from service.postgres.errors import sync_error

MAX_EXAMPLE_LENGTH = 80


@click.command()
@click.argument("table")
@click.option("--dry-run", is_flag=True, help="Report what would change, then roll back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def adopt(table: str, dry_run: bool, as_json: bool) -> None:
    """Adopt the runs of TABLE, an earlier application's user_sync_status.

    Each valid row becomes a run; a row that violates a rule becomes an ended run. Every original
    row is kept in gmail_sync.repair_log. TABLE does not change, and no sync starts. A second call
    adopts only new rows. A million rows take minutes.

    The user in DATABASE_URL must be a member of gmail_sync_dba and have SELECT on TABLE.
    """
    config = Config.from_environment(os.environ)
    try:
        # In one transaction, so that a dry run and a failure leave nothing behind.
        with psycopg.connect(
            connection_string(config.database_url, "gmail-sync adopt"), row_factory=dict_row
        ) as connection:
            groups = _adopt(connection, table)
            if dry_run:
                connection.rollback()
    except psycopg.Error as error:
        raise (_refusal(error, table) or redacted(error)) from None
    (_print_json if as_json else _print_table)(table, groups, dry_run)


def _adopt(connection: Connection, table: str) -> list[Row]:
    # Every other statement ends within a minute; this one may not. Waits for locks stay short.
    connection.execute("set local statement_timeout = 0")
    found = connection.execute("select to_regclass(%s) as table", [table]).fetchone()
    if found is None or found["table"] is None:
        raise click.ClickException(f"there is no table {table}: give it as schema.table")
    return connection.execute(
        "select * from gmail_sync.adopt_legacy_sync_status(%s::regclass)", [table]
    ).fetchall()


def _refusal(error: psycopg.Error, table: str) -> Exception | None:
    """The message for errors that have a special meaning in this command."""
    message = error.diag.message_primary
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return click.ClickException(
                f"{message}: connect as a member of gmail_sync_dba that has SELECT on {table}"
            )
        case psycopg.errors.LockNotAvailable():
            return click.ClickException(f"{message}: nothing was adopted; try again later")
        case (
            psycopg.errors.InvalidName()
            | psycopg.errors.SyntaxError()
            | psycopg.errors.FeatureNotSupported()
            | psycopg.errors.WrongObjectType()
        ):
            return click.ClickException(f"{table!r} is not a table: {message}")
    return sync_error(error)


def _totals(groups: list[Row]) -> tuple[int, int]:
    """The number of new rows, and how many of them became runs."""
    runs = [group["row_count"] for group in groups if group["action"] == "adopted"]
    return sum(group["row_count"] for group in groups), sum(runs)


def _print_json(table: str, groups: list[Row], dry_run: bool) -> None:
    rows, runs = _totals(groups)
    answer = {"table": table, "dry_run": dry_run, "rows": rows, "runs": runs, "groups": groups}
    click.echo(json.dumps(answer))


def _print_table(table: str, groups: list[Row], dry_run: bool) -> None:
    rows, runs = _totals(groups)
    printed = Table("action", "outcome", "rules", "rows", "example")
    printed.columns[3].justify = "right"
    for group in groups:
        example = Text(group["example"][:MAX_EXAMPLE_LENGTH], overflow="fold")
        printed.add_row(
            group["action"],
            group["outcome"] or "",
            "\n".join(group["rules"]),
            str(group["row_count"]),
            example,
        )
    if groups:
        Console().print(printed)
    would = "would become" if dry_run else "became"
    click.echo(f"{rows} new rows in {table}: {runs} {would} runs, {rows - runs} left out.")
    if dry_run:
        click.echo("This was a dry run: everything was rolled back.")
