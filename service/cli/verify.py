"""gmail-sync audit: is a user's mail what Gmail has?"""

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

IN_AGREEMENT, DRIFTED, NOT_AUDITED = range(3)
MOST_IDS = 20
KINDS = {
    "missing": "in Gmail, neither stored nor queued",
    "extra": "stored, not in Gmail",
    "failed": "in Gmail, given up after errors",
    "queued": "still to be fetched: no drift",
}
NO_WORKER = (
    "No worker picks the repair up. It stays queued: start gmail-sync worker, then audit again."
)


@dataclass(frozen=True)
class Repair:
    """How many messages were queued, the run that took them if it has ended, what is left."""

    queued: int
    waited: bool
    run: Row | None
    left: list[Row]

    @property
    def succeeded(self) -> bool:
        return self.run is not None and self.run["outcome"] == "succeeded" and not self.left


@click.command()
@click.argument("user")
@click.option("--repair", is_flag=True, help="ask Gmail for all that differs, in a run of a worker")
@click.option("--no-wait", is_flag=True, help="with --repair: leave the run to the workers")
@click.option("--json", "as_json", is_flag=True, help="one JSON object with all ids, for scripts")
def audit(user: str, repair: bool, no_wait: bool, as_json: bool) -> None:
    """Compare the mail of USER with all that Gmail lists.

    Costs 1,000 units of quota for each 100,000 messages, and waits for them where they are used
    up. Messages that changed in Gmail since the last sync are on their way, and no drift.

    --repair fetches what is missing or was given up, and asks Gmail for each message it did not
    list: only what Gmail then says is gone is marked deleted.

    Exit status 0: no drift, or all of it repaired; 1: drift; 2: could not be audited.
    """
    log = logs.configure("warning")
    console = Console(stderr=True)
    status = NOT_AUDITED
    try:
        with friendly_errors(), console.status("Asking Gmail") as line:
            findings, repaired = _audit(
                user, repair, not no_wait, ProgressReporter(console, line), log
            )
        _print(user, findings, repaired, as_json)
        drifted = findings.to_repair and not (repaired and repaired.succeeded)
        status = DRIFTED if drifted else IN_AGREEMENT
    except (NotSynced, EmptyListing, QuotaUsedUp) as error:
        click.echo(f"Error: {error}", err=True)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
    except click.ClickException as error:
        error.show()
    except Exception:
        # Python's own exit status would be that of drift.
        log.exception("audit broke off")
    raise SystemExit(status)


class ProgressReporter:
    """Says on stderr what goes on: on a terminal in one line, elsewhere only what is waited for."""

    def __init__(self, console: Console, line: Status) -> None:
        self._console = console
        self._line = line

    def listed(self, ids: int, total: int) -> None:
        self._line.update(f"Listing: {ids:,} of about {total:,} messages")

    def looked(self, run: Row) -> None:
        self._line.update(f"Repairing: {RunView.of(run).message}")

    def waits(self, until: datetime, why: str) -> None:
        words = f"Waiting until {until:%H:%M:%S} UTC: {why}"
        if self._console.is_terminal:
            self._line.update(words)
        else:
            click.echo(words, err=True)


def _audit(
    user: str, repair: bool, wait: bool, teller: ProgressReporter, log: FilteringBoundLogger
) -> tuple[Findings, Repair | None]:
    with open_session("audit") as (config, session):
        with MailboxAccess(session, make_google(config), user, log, on_wait=teller.waits) as access:
            record_operator_read(session, "audit", user)
            findings = MailboxComparison(session, access, user, teller.listed).run()
        if not (repair and findings.to_repair):
            return findings, None
        queued = session.value("refetch_messages", user, findings.to_repair)
        run = wait_for_run(session, user, teller.looked) if wait else None
        left = failed_messages(session, user, findings.to_repair) if run else []
        return findings, Repair(queued, wait, run, left)


def _print(user: str, findings: Findings, repaired: Repair | None, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_object(user, findings, repaired), default=str))
        return
    click.echo(
        f"{findings.email}: {findings.remote:,} messages in Gmail, {findings.local:,} stored."
    )
    for kind, meaning in KINDS.items():
        click.echo(f"{len(findings.drift[kind]):>9,} {kind:<8} {meaning}")
    click.echo(f"{len(findings.coming):>9,} on their way: changed since the last sync")
    if findings.full_sync_due:
        click.echo(
            "Gmail no longer keeps the changes since the last sync: a full sync is due, "
            "and nothing counts as on its way."
        )
    click.echo(f"It took {findings.requests:,} requests and {findings.units:,} units of quota.")
    for kind, ids in findings.drift.items():
        if ids:
            click.echo(f"{kind}: {_some(ids)}")
    if repaired:
        _print_repair(repaired)
    elif findings.to_repair:
        click.echo("gmail-sync audit --repair asks Gmail for all of these.")


def _print_repair(repaired: Repair) -> None:
    click.echo(f"Repair: {repaired.queued:,} messages queued.")
    if repaired.run is None:
        if repaired.waited:
            click.echo(NO_WORKER)
        return
    click.echo(f"{RunView.of(repaired.run).message}.")
    for row in repaired.left:
        again = "given up" if row["dead"] else f"tried again at {row['retry_at']:%H:%M:%S} UTC"
        click.echo(f"{row['message_id']}: {row['reason']} ({again})")


def _some(ids: list[str]) -> str:
    more = len(ids) - MOST_IDS
    return " ".join(ids[:MOST_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _object(user: str, findings: Findings, repaired: Repair | None) -> dict[str, Any]:
    return {
        "user_id": user,
        "email": findings.email,
        "remote": findings.remote,
        "local": findings.local,
        **findings.drift,
        "on_their_way": findings.coming,
        "full_sync_due": findings.full_sync_due,
        "requests": findings.requests,
        "units": findings.units,
        "repair": repaired
        and {
            "queued": repaired.queued,
            "succeeded": repaired.succeeded,
            "run": repaired.run,
            "left": repaired.left,
        },
    }
