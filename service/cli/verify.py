"""gmail-sync verify: does a user's stored mail agree with Gmail?"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.status import Status
from structlog.typing import FilteringBoundLogger

from service import logs
from service.api.runs import RunView
from service.cli.context import open_session, record_operator_read
from service.cli.errors import friendly_errors
from service.cli.google import make_google
from service.mailbox.access import MailboxAccess, QuotaUsedUp
from service.mailbox.refetch import failed_messages, wait_for_run
from service.mailbox.verify import EmptyListing, Findings, MailboxComparison, NotSynced
from service.postgres.calls import Row

NO_DRIFT, DRIFT, NOT_VERIFIED = range(3)
MAX_IDS = 20
KINDS = {
    "missing": "in Gmail, neither stored nor queued",
    "extra": "stored, not in Gmail",
    "failed": "in Gmail, not fetched because of errors",
    "queued": "waiting to be fetched: not drift",
}
NO_WORKER = (
    "No worker is running. The messages stay queued: start gmail-sync worker, then verify again."
)


@dataclass(frozen=True)
class Refetch:
    """The number of messages queued, their run if it has ended, and those it could not fetch."""

    queued: int
    waited: bool
    run: Row | None
    left: list[Row]

    @property
    def succeeded(self) -> bool:
        return self.run is not None and self.run["outcome"] == "succeeded" and not self.left


@click.command()
@click.argument("user")
@click.option("--repair", is_flag=True, help="Have a worker refetch all messages that differ.")
@click.option("--no-wait", is_flag=True, help="With --repair: do not wait for the worker.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all ids.")
def verify(user: str, repair: bool, no_wait: bool, as_json: bool) -> None:
    """Compare USER's stored mail with all messages that Gmail lists. Also called audit.

    This costs 1,000 units of quota for each 100,000 messages. If the quota is used up, it waits.
    Messages that changed in Gmail since the last sync are not drift: the next sync fetches them.

    --repair refetches messages that are missing or failed, and requests each stored message that
    Gmail did not list. A message is marked deleted only if Gmail answers that it is gone.

    Exit status 0: no drift, or all of it refetched; 1: drift; 2: verifying failed.
    """
    log = logs.configure("warning")
    console = Console(stderr=True)
    status = NOT_VERIFIED
    try:
        with friendly_errors(), console.status("Calling Gmail") as line:
            findings, refetch = _verify(
                user, repair, not no_wait, ProgressReporter(console, line), log
            )
        _print(user, findings, refetch, as_json)
        drifted = findings.to_refetch and not (refetch and refetch.succeeded)
        status = DRIFT if drifted else NO_DRIFT
    except (NotSynced, EmptyListing, QuotaUsedUp) as error:
        click.echo(f"Error: {error}", err=True)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
    except click.ClickException as error:
        error.show()
    except Exception:
        # Python would exit with 1, the status of drift.
        log.exception("verify failed")
    raise SystemExit(status)


class ProgressReporter:
    """Reports progress on stderr: in one line on a terminal, elsewhere only waits for quota."""

    def __init__(self, console: Console, line: Status) -> None:
        self._console = console
        self._line = line

    def show_listing(self, ids: int, total: int) -> None:
        self._line.update(f"Listing: {ids:,} of about {total:,} messages")

    def show_run(self, run: Row) -> None:
        self._line.update(f"Refetching: {RunView.of(run).message}")

    def show_wait(self, until: datetime, why: str) -> None:
        message = f"Waiting until {until:%H:%M:%S} UTC: {why}"
        if self._console.is_terminal:
            self._line.update(message)
        else:
            click.echo(message, err=True)


def _verify(
    user: str, repair: bool, wait: bool, reporter: ProgressReporter, log: FilteringBoundLogger
) -> tuple[Findings, Refetch | None]:
    with open_session("verify") as (config, session):
        google = make_google(config)
        with MailboxAccess(session, google, user, log, on_wait=reporter.show_wait) as access:
            record_operator_read(session, "verify", user)
            findings = MailboxComparison(session, access, user, reporter.show_listing).run()
        if not (repair and findings.to_refetch):
            return findings, None
        queued = session.value("refetch_messages", user, findings.to_refetch)
        run = wait_for_run(session, user, reporter.show_run) if wait else None
        left = failed_messages(session, user, findings.to_refetch) if run else []
        return findings, Refetch(queued, wait, run, left)


def _print(user: str, findings: Findings, refetch: Refetch | None, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_object(user, findings, refetch), default=str))
        return
    click.echo(
        f"{findings.email}: {findings.remote:,} messages in Gmail, {findings.local:,} stored."
    )
    for kind, meaning in KINDS.items():
        click.echo(f"{len(findings.drift[kind]):>9,} {kind:<8} {meaning}")
    click.echo(f"{len(findings.coming):>9,} coming: changed since the last sync")
    if findings.full_sync_due:
        click.echo(
            "Gmail no longer has the changes since the last sync: a full sync is due, "
            "and no message counts as coming."
        )
    click.echo(f"It took {findings.requests:,} requests and {findings.units:,} units of quota.")
    for kind, ids in findings.drift.items():
        if ids:
            click.echo(f"{kind}: {_some(ids)}")
    if refetch:
        _print_refetch(refetch)
    elif findings.to_refetch:
        click.echo("gmail-sync verify --repair refetches all of these.")


def _print_refetch(refetch: Refetch) -> None:
    click.echo(f"Refetch: {refetch.queued:,} messages queued.")
    if refetch.run is None:
        if refetch.waited:
            click.echo(NO_WORKER)
        return
    click.echo(f"{RunView.of(refetch.run).message}.")
    for row in refetch.left:
        again = "not retried" if row["dead"] else f"retried at {row['retry_at']:%H:%M:%S} UTC"
        click.echo(f"{row['message_id']}: {row['error_message']} ({again})")


def _some(ids: list[str]) -> str:
    more = len(ids) - MAX_IDS
    return " ".join(ids[:MAX_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _object(user: str, findings: Findings, refetch: Refetch | None) -> dict[str, Any]:
    return {
        "user_id": user,
        "email": findings.email,
        "remote": findings.remote,
        "local": findings.local,
        **findings.drift,
        "coming": findings.coming,
        "full_sync_due": findings.full_sync_due,
        "requests": findings.requests,
        "units": findings.units,
        "refetch": refetch
        and {
            "queued": refetch.queued,
            "succeeded": refetch.succeeded,
            "run": refetch.run,
            "left": refetch.left,
        },
    }
