"""The row of a run, as sync_run() and sync_status() return it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

Phase = Literal["queued", "listing", "fetching", "waiting", "reconciling", "done"]
Outcome = Literal["succeeded", "failed", "reaped", "cancelled", "superseded"]


class Stats(Struct, frozen=True):
    """Messages the run touched: found is the sum of the others, but for imported.

    Imported messages are new ones whose content came from an export.
    """

    found: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    gone: int = 0
    failed: int = 0
    pending: int = 0
    imported: int = 0


class RunState(Struct, kw_only=True):
    """A run; only zeros and nulls if there was none yet. `outcome` says how the run ended.

    `error_message` says in English why it ended, `error_code` in a word if there is one for it.
    `messages_a_minute` is what Google's quota allows. `waits_for` says why the run waits until
    `waiting_until`: for the daily quota, or for another limit of Gmail.
    """

    task_id: str | None = None
    user_id: str | None = None
    is_syncing: bool = False
    sync_type: Literal["full", "incremental"] | None = None
    phase: Phase | None = None
    progress_percentage: int = 0
    current_stats: Stats = Stats()
    eta_seconds: int | None = None
    messages_a_minute: int | None = None
    waits_for: Literal["day_quota", "gmail"] | None = None
    worker_missing: bool = False
    successor: str | None = None
    outcome: Outcome | None = None
    error_code: str | None = None
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
