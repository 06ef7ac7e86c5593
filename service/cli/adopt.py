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

LONGEST_EXAMPLE = 80


@click.command(short_help="Take over the runs of an earlier application.")
@click.argument("table")
@click.option("--dry-run", is_flag=True, help="do all of it, tell what it did, and undo it")
@click.option("--json", "as_json", is_flag=True, help="one JSON object, for scripts")
def adopt(table: str, dry_run: bool, as_json: bool) -> None:
    """Take over the runs of TABLE, an earlier application's user_sync_status.

    Rows that can be runs become runs, impossible ones ended; every original row is kept in
    gmail_sync.repair_log. TABLE stays as it is, nothing is started, and a second call adopts only
    what is new. A million rows take minutes.

    DATABASE_URL must be that of a member of gmail_sync_dba who may SELECT from TABLE.
    """
    config = Config.from_environment(os.environ)
    try:
        # In one transaction, so that a dry run and a failure leave nothing behind.
        with psycopg.connect(
            connection_string(config.database_url, "gmail-sync adopt"), row_factory=dict_row
        ) as connection:
            fates = _adopt(connection, table)
            if dry_run:
                connection.rollback()
    except psycopg.Error as error:
        raise (_refusal(error, table) or redacted(error)) from None
    (_print_json if as_json else _print_table)(table, fates, dry_run)


def _adopt(connection: Connection, table: str) -> list[Row]:
    # A statement of ours takes at most a minute elsewhere; the wait for locks stays short.
    connection.execute("set local statement_timeout = 0")
    found = connection.execute("select to_regclass(%s) as table", [table]).fetchone()
    if found is None or found["table"] is None:
        raise click.ClickException(f"there is no table {table}: name it as schema.table")
    return connection.execute(
        "select * from gmail_sync.adopt_legacy_sync_status(%s::regclass)", [table]
    ).fetchall()


def _refusal(error: psycopg.Error, table: str) -> Exception | None:
    """What to tell of an error that means more here than with other commands."""
    words = error.diag.message_primary
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return click.ClickException(
                f"{words}: adopt as a member of gmail_sync_dba who may SELECT from {table}"
            )
        case psycopg.errors.LockNotAvailable():
            return click.ClickException(f"{words}: nothing was adopted, try again later")
        case (
            psycopg.errors.InvalidName()
            | psycopg.errors.SyntaxError()
            | psycopg.errors.FeatureNotSupported()
            | psycopg.errors.WrongObjectType()
        ):
            return click.ClickException(f"{table!r} is no table: {words}")
    return sync_error(error)


def _totals(fates: list[Row]) -> tuple[int, int]:
    """Rows that are new, and how many of them became runs."""
    runs = [fate["row_count"] for fate in fates if fate["action"].startswith("adopted")]
    return sum(fate["row_count"] for fate in fates), sum(runs)


def _print_json(table: str, fates: list[Row], dry_run: bool) -> None:
    rows, runs = _totals(fates)
    answer = {"table": table, "dry_run": dry_run, "rows": rows, "runs": runs, "fates": fates}
    click.echo(json.dumps(answer))


def _print_table(table: str, fates: list[Row], dry_run: bool) -> None:
    rows, runs = _totals(fates)
    printed = Table("action", "reason", "rows", "example")
    printed.columns[2].justify = "right"
    for fate in fates:
        example = Text(fate["example"][:LONGEST_EXAMPLE], overflow="fold")
        printed.add_row(Text(fate["action"]), Text(fate["reason"]), str(fate["row_count"]), example)
    if fates:
        Console().print(printed)
    would = "would become" if dry_run else "became"
    click.echo(f"{rows} new rows in {table}: {runs} {would} runs, {rows - runs} left out.")
    if dry_run:
        click.echo("A dry run: all of it was undone.")
