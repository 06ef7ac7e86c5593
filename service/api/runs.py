"""A run as the API shows it, with what it is doing in plain words."""

from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import UUID

import msgspec
from msgspec import Struct

from service.postgres.calls import Row

Phase = Literal["queued", "listing", "fetching", "waiting", "reconciling", "done"]
Outcome = Literal["succeeded", "failed", "reaped", "cancelled", "superseded"]


class Stats(Struct, frozen=True):
    """Messages the run touched: found is the sum of all the others."""

    found: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    gone: int = 0
    failed: int = 0
    pending: int = 0


class RunView(Struct, kw_only=True):
    """A run as sync_run() returns it; nothing but zeros and nulls before the first.

    `success` says that the request did what it asked for, `outcome` how the run ended.
    """

    success: bool = True
    stats: Stats = Stats()
    message: str = ""
    in_progress: bool = False
    progress_percentage: int = 0
    task_id: str | None = None
    eta_seconds: int | None = None
    worker_missing: bool = False
    successor: str | None = None
    user_id: str | None = None
    is_syncing: bool = False
    sync_type: Literal["full", "incremental"] | None = None
    phase: Phase | None = None
    current_stats: Stats = Stats()
    outcome: Outcome | None = None
    error_message: str | None = None
    source: Literal["api", "sql", "schedule", "push", "resume"] | None = None
    attempt: int | None = None
    started_at: datetime | None = None
    claimed_at: datetime | None = None
    claimed_by: UUID | None = None
    updated_at: datetime | None = None
    progressed_at: datetime | None = None
    waiting_until: datetime | None = None
    not_before: datetime | None = None
    finished_at: datetime | None = None
    follow_up: Literal["incremental", "full"] | None = None
    resumes: str | None = None

    @classmethod
    def of(cls, row: Row | None, **more: Any) -> Self:
        """The run of a row of sync_run(), or of a user who has none."""
        run = msgspec.convert({**(row or {}), **more}, cls)
        run.stats = run.current_stats
        run.in_progress = run.is_syncing
        run.message = run.message or describe(run, datetime.now(UTC))
        return run


def describe(run: RunView, now: datetime) -> str:
    """What the run is doing, or how it ended."""
    stats = run.stats
    match run.phase:
        case "queued" | "waiting" if run.waiting_until and run.waiting_until > now:
            return f"Waiting for Gmail until {_clock(run.waiting_until)}"
        case None:
            return "Never synced yet"
        case "queued" if run.not_before and run.not_before > now:
            return f"Queued: tries again at {_clock(run.not_before)}"
        case "queued" if run.worker_missing:
            return "Queued: no worker is there to take it"
        case "queued":
            return "Queued: waiting for a worker"
        case "listing":
            return f"Listing messages: {stats.found:,} found so far"
        case "fetching":
            return f"Fetching {stats.found - stats.pending:,} of {stats.found:,}"
        case "waiting":
            return "Waiting for Gmail"
        case "reconciling":
            return "Comparing with Gmail"
        case "done":
            return _describe_end(run)


def _describe_end(run: RunView) -> str:
    goes_on = "; another run goes on with it" if run.successor else ""
    match run.outcome:
        case "succeeded":
            return _describe_success(run.stats)
        case "failed":
            return f"Sync failed: {run.error_message}"
        case "cancelled":
            return "Sync cancelled"
        case "reaped":
            return f"Sync lost its worker{goes_on}"
        case _:
            return f"Sync handed over{goes_on}"


def _describe_success(stats: Stats) -> str:
    counts = {"new": stats.new, "updated": stats.updated, "deleted": stats.deleted}
    counts["failed"] = stats.failed
    changes = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"Synced: {changes}" if changes else "Synced: nothing has changed"


def _clock(time: datetime) -> str:
    return f"{time.astimezone(UTC):%H:%M:%S} UTC"
