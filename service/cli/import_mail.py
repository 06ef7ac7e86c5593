"""gmail-sync import: mail out of an export of Google Takeout, in place of fetching it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from service.accounts.rows import USABLE, AccountRow, get_account
from service.api.run_text import time_left
from service.api.runs import RunView
from service.cli.context import actor, open_session
from service.i18n.translator import translator
from service.mailbox.refetch import wait_for_run
from service.mailbox.staging import Counts, ExportReader
from service.mailbox.staging_processes import Destination, StagingProcesses
from service.postgres.calls import Row, Session
from service.takeout import Export, TakeoutError, open_exports

NO_WORKER = "No worker is running. Start gmail-sync worker: its next sync joins the messages."
INTERRUPTED = "Interrupted. What is staged stays: the same command continues there."
LEFT = "Interrupted. The sync goes on; gmail-sync monitor shows it."
FOREIGN = (
    "Hardly any of the {count:,} messages is in the mailbox {email}, so nothing else of them was "
    "kept. Is this the export of another account?"
)


class Result(NamedTuple):
    """`joined` is what became of the staged messages, if any were. `run` is the sync that was
    waited for; None if no worker is running."""

    counts: Counts
    joined: Row | None = None
    is_waited_for: bool = False
    run: Row | None = None


@click.command("import")
@click.argument("user")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--dry-run", is_flag=True, help="Count what would be imported; change nothing.")
@click.option("--keep-deleted", is_flag=True, help="Keep mail that Gmail has no more, as deleted.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the sync that joins the messages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_mail(
    user: str,
    paths: Sequence[Path],
    dry_run: bool,
    keep_deleted: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Import USER's mail from Google Takeout, so that it need not be fetched from Gmail.

    PATH is an mbox, mbox.gz or zip file of Takeout, or a folder of them. All files of an export can
    be given at once.

    The messages are read first, then a full sync joins them with the messages that Gmail lists.
    That costs about three units of quota for each hundred messages, or 36 if the export has no ids.
    What the export lacks is fetched as in any sync. What Gmail no longer has is left out, or with
    --keep-deleted kept as deleted.

    An interrupted import continues when the same command is given again. Messages that are stored
    already stay as they are.

    Exit status 0: done; 1: a file is broken, the sync did not succeed, or no worker is running.
    """
    with open_session("import") as (config, session):
        account = _connected(session, user)
        try:
            exports = open_exports(paths)
        except TakeoutError as error:
            raise click.ClickException(str(error)) from error
        with _progress() as progress:
            bar = Bar(progress, exports)
            if dry_run:
                result = Result(ExportReader(session, user, exports, bar.show).count())
            else:
                destination = Destination(
                    config.database_url,
                    f"gmail-sync import by {actor()}",
                    user,
                    account.email,
                    account.content_mode == "raw",
                )
                counts = _stage(session, destination, exports, keep_deleted, bar)
                result = _join(session, destination, counts, not no_wait, bar)
    (_print_json if as_json else _print)(account, result, dry_run)
    raise SystemExit(not _succeeded(result))


def _connected(session: Session, user: str) -> AccountRow:
    account = get_account(session, user)
    if account is None or account.status not in USABLE:
        why = account and account.status_reason
        raise click.ClickException(
            f"The Gmail account of user {user} is not connected{f': {why}' if why else ''}. "
            "Connect it on the page or with gmail-sync account add, then import again."
        )
    return account


class Bar:
    """A progress bar on stderr: how much is read, then how far the sync is."""

    def __init__(self, progress: Progress, exports: Sequence[Export]) -> None:
        self._progress = progress
        self._before = {}
        total = 0
        for export in exports:
            self._before[export] = total
            total += export.size
        self._task: TaskID = progress.add_task("Reading", total=total)

    def show(self, export: Export, position: int) -> None:
        self._progress.update(self._task, completed=self._before[export] + position)

    def show_run(self, run: Row) -> None:
        self._progress.update(
            self._task,
            description=RunView.of(run).message,
            completed=run["progress_percentage"],
            total=100,
            left=time_left(RunView.of(run), translator("en")),
        )


class TimeLeft(TimeRemainingColumn):
    """Of the sync, what the database says; of the reading, what its speed says."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return super().render(task) if left is None else Text(left)


def _progress() -> Progress:
    """On stderr, and only if it is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeLeft(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )


def _stage(
    session: Session,
    destination: Destination,
    exports: Sequence[Export],
    keep_deleted: bool,
    bar: Bar,
) -> Counts:
    session.value("begin_import", destination.user_id, destination.email, keep_deleted)
    try:
        with StagingProcesses(destination) as processes:
            return ExportReader(session, destination.user_id, exports, bar.show).stage(processes)
    except KeyboardInterrupt:
        raise click.ClickException(INTERRUPTED) from None


def _join(
    session: Session, destination: Destination, counts: Counts, wait: bool, bar: Bar
) -> Result:
    user_id = destination.user_id
    if counts.to_join:
        session.value("finish_import", user_id, destination.email, counts.stored)
    # A sync that an earlier import has started may still fetch what the export lacks.
    elif not _is_syncing(session, user_id):
        return Result(counts)
    if not wait:
        return Result(counts)
    try:
        run = wait_for_run(session, user_id, bar.show_run)
    except KeyboardInterrupt:
        raise click.ClickException(LEFT) from None
    joined = session.row("get_import", user_id) if counts.to_join else None
    return Result(counts, joined, True, run)


def _is_syncing(session: Session, user_id: str) -> bool:
    run = session.row("sync_status", user_id)
    return run is not None and run["is_syncing"]


def _succeeded(result: Result) -> bool:
    if result.counts.problems or _is_foreign(result):
        return False
    if not result.is_waited_for:
        return True
    return result.run is not None and result.run["outcome"] == "succeeded"


def _is_foreign(result: Result) -> bool:
    return result.joined is not None and result.joined["own"] is False


def _print(account: AccountRow, result: Result, dry_run: bool) -> None:
    counts = result.counts
    click.echo(f"{counts.read:,} messages in the export")
    stored = counts.stored if result.joined is None else result.joined["known"]
    click.echo(f"{stored:,} are stored already")
    if result.joined is None:
        click.echo(f"{counts.to_join:,} {'would be imported' if dry_run else 'are to be imported'}")
    else:
        click.echo(f"{result.joined['joined']:,} imported")
        if result.joined["kept"]:
            click.echo(f"{result.joined['kept']:,} kept as deleted, because Gmail has them no more")
        if result.joined["dropped"]:
            click.echo(f"{result.joined['dropped']:,} left out, because Gmail has them no more")
        if result.joined["unmatched"]:
            click.echo(
                f"{result.joined['unmatched']:,} have no id in the export, and no match in Gmail"
            )
    if counts.inexact:
        click.echo(f"{counts.inexact:,} are not exact in the export, and fetched from Gmail")
    for problem in counts.problems:
        click.echo(f"Error: {problem}", err=True)
    if _is_foreign(result):
        click.echo(f"Error: {FOREIGN.format(count=counts.read, email=account.email)}", err=True)
    if result.run is not None:
        click.echo(f"{RunView.of(result.run).message}.")
    elif result.is_waited_for:
        click.echo(f"Error: {NO_WORKER}", err=True)


def _print_json(account: AccountRow, result: Result, dry_run: bool) -> None:
    answer: dict[str, Any] = {
        "user_id": account.user_id,
        "email": account.email,
        "dry_run": dry_run,
        **asdict(result.counts),
        "joined": result.joined,
        "run": result.run,
    }
    click.echo(json.dumps(answer, default=str))
