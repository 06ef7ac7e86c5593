"""gmail-sync monitor: all runs and their heartbeats, live."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click
import psycopg
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service.api.operator_access import OperatorAccessLog
from service.api.running import zombies_first
from service.cli.context import actor, open_session
from service.postgres.calls import Row, Session

# The most that list_running_syncs returns, and more than a terminal has lines.
MAX_RUNS = 10_000
MAX_LINES = 200


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two snapshots.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--once", is_flag=True, help="Show one snapshot. Exit status 0: healthy, 1: not healthy."
)
def monitor(interval: float, as_json: bool, once: bool) -> None:
    """Show all runs, their heartbeats and the health of syncs, live until Ctrl-C.

    With --json, or if stdout is not a terminal, each snapshot is one line: an object with
    "timestamp", "health" and "runs". health is the result of sync_health(), runs the rows of
    list_running_syncs(), zombies first, with "silent_seconds" instead of silent_for.

    While the database is unreachable, health is {"healthy": false, "timestamp", "error"} and runs
    is empty. If it is unreachable at the start, monitor fails.
    """
    as_json = as_json or not sys.stdout.isatty()
    # kill and Ctrl-C both leave a clean terminal. A shell ignores SIGINT for background jobs.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    with suppress(KeyboardInterrupt), open_session("monitor", traced=False) as (_, session):
        taken = snapshots(session, interval, MAX_RUNS if as_json or once else MAX_LINES)
        if once:
            show_once(next(taken), as_json)
        elif as_json:
            for snapshot in taken:
                click.echo(json.dumps(snapshot))
        else:
            show_live(taken, Console())


def snapshots(session: Session, interval: float, limit: int) -> Iterator[Row]:
    """A snapshot every `interval` seconds of at most `limit` runs, the longest silent first.

    Only the first raises psycopg.Error; later ones contain it.
    """
    reads = OperatorAccessLog(session)
    yield _snapshot(session, reads, limit)
    while True:
        time.sleep(interval)
        try:
            snapshot = _snapshot(session, reads, limit)
        except psycopg.Error as error:
            snapshot = _failed_snapshot(error)
        yield snapshot


def show_once(snapshot: Row, as_json: bool) -> None:
    """Print a snapshot, and exit with 0 for healthy, 1 for not healthy."""
    health = snapshot["health"]
    if as_json:
        click.echo(json.dumps(snapshot))
    else:
        Console().print(_head(health, health), _table(snapshot["runs"]))
    raise SystemExit(0 if health["healthy"] else 1)


def show_live(taken: Iterator[Row], console: Console) -> None:
    """Show the newest snapshot; while the database is unreachable, the last that succeeded."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for snapshot in taken:
            if "error" not in snapshot["health"]:
                last = snapshot
            head = _head(snapshot["health"], last["health"])
            lines = console.height - len(console.render_lines(head))
            live.update(Group(head, _runs_in(lines, last)), refresh=True)


def _snapshot(session: Session, reads: OperatorAccessLog, limit: int) -> Row:
    health = session.value("sync_health")
    runs = zombies_first(session, session.rows("list_running_syncs", limit), limit)
    if runs or health["zombie_task_details"]:
        reads.record(actor(), "running_syncs")
    for run in runs:
        run["silent_seconds"] = run.pop("silent_for").total_seconds()
    return {"timestamp": health["timestamp"], "health": health, "runs": runs}


def _failed_snapshot(error: psycopg.Error) -> Row:
    now = datetime.now(UTC).isoformat()
    message = f"the database does not answer: {str(error).partition(chr(10))[0]}"
    health = {"healthy": False, "timestamp": now, "error": message}
    return {"timestamp": now, "health": health, "runs": []}


def _head(health: dict[str, Any], last: dict[str, Any]) -> Text:
    """Whether syncs are healthy, why not, and facts of the last snapshot that succeeded."""
    state, style = ("healthy", "bold green") if health["healthy"] else ("unhealthy", "bold red")
    head = Text.assemble("gmail-sync  ", (state, style), f"  {_clock(health)}\n")
    for reason in [health["error"]] if "error" in health else health["reasons"]:
        head.append(f"- {reason}\n", "red")
    if "error" in health:
        head.append(f"as of {_clock(last)}:\n")
    passes = [f"{name} {_age(seconds)} ago" for name, seconds in sorted(last["reapers"].items())]
    waited = last["queue"]["oldest_seconds"]
    head.append(f"reaper: {', '.join(passes) or 'never seen'} | workers: {last['workers']}")
    head.append(f" | running: {last['statistics']['active_syncs']}")
    head.append(f" | queue: {last['queue']['waiting']}")
    head.append("\n" if waited is None else f", oldest {_age(waited)}\n")
    return head


def _runs_in(lines: int, snapshot: Row) -> Group:
    """As many runs as fit into `lines`, and the number of the others."""
    health = snapshot["health"]
    total = health["statistics"]["active_syncs"] + health["queue"]["waiting"]
    shown = snapshot["runs"][: max(0, lines - 2)]  # a line for the table's head, one for the rest
    more = total - len(shown)
    return Group(_table(shown), Text(f"and {more} more" if more > 0 else "", "dim"))


def _table(runs: list[Row]) -> Table | Text:
    if not runs:
        return Text("no runs", "dim")
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("user", ratio=3, no_wrap=True)
    table.add_column("task", ratio=2, no_wrap=True)
    table.add_column("phase")
    table.add_column("progress", width=10)
    for name in ("%", "done/found", "heartbeat"):
        table.add_column(name, no_wrap=True, justify="right")
    for run in runs:
        table.add_row(*_cells(run), style="dim" if run["phase"] == "queued" else "")
    return table


def _cells(run: Row) -> Iterator[Text | ProgressBar]:
    yield Text(run["user_id"])
    # A task_id begins with the user id, which has a column.
    yield Text(run["task_id"].removeprefix(f"sync_{run['user_id']}_"))
    yield Text(run["phase"])
    yield ProgressBar(completed=run["progress"])
    yield Text(str(run["progress"]))
    yield Text(f"{run['done']}/{run['found']}")
    # A queued run has no worker and so no heartbeat.
    age = "" if run["phase"] == "queued" else _age(run["silent_seconds"])
    yield Text(age, "bold red" if run["cause"] else "")


def _clock(health: dict[str, Any]) -> str:
    return f"{datetime.fromisoformat(health['timestamp']).astimezone(UTC):%H:%M:%S} UTC"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
