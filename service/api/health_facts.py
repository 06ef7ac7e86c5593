"""The result of sync_health() (DESIGN.md, section 8)."""

from datetime import datetime

from msgspec import Struct


class Statistics(Struct):
    total_users: int
    active_syncs: int
    zombie_tasks: int
    inconsistent_tasks: int
    recent_completed_syncs: int


class Zombie(Struct):
    """A run that lost its worker; its ids are for operators only."""

    task_id: str | None
    user_id: str | None
    started_at: datetime
    last_update: datetime
    silent_minutes: float


class Queue(Struct):
    """Unclaimed runs, and how long the first due one has waited."""

    waiting: int
    oldest_seconds: float | None


class Slots(Struct):
    """The slots of live workers, and how many of them work."""

    configured: int
    living: int


class WebhookCounts(Struct):
    """The webhooks, and how many of them accept nothing or are disabled.

    `oldest_seconds` is the longest that a user's next event waits. Attempts to deliver events are
    counted since the installation: `unanswered` are those without an answer.
    """

    total: int
    failing: int
    disabled: int
    oldest_seconds: float | None
    accepted: int
    refused: int
    unanswered: int


class QuotaDay(Struct):
    """What the project of a quota profile has used of Google's daily quota."""

    profile: str
    day_units: int
    used_units: int
    used_percent: float
    resets_at: datetime


class NodeHealth(Struct):
    node: int
    healthy: bool


class Health(Struct):
    """`reapers` is the seconds since the last pass of each; `standby`, whether the server is one.

    `estimates` names the counts that are not exact: those beyond 5,000.
    watches_ending counts watches of Gmail that end within a day, or that it refused to renew.
    oldest_transaction_seconds is the age of the transaction that holds back vacuum.
    dropped_log_lines is what live workers could not write since they started. Only a router has
    `nodes`.
    """

    healthy: bool
    timestamp: datetime
    reasons: list[str]
    statistics: Statistics
    estimates: list[str]
    zombie_task_details: list[Zombie]
    standby: bool
    reapers: dict[str, float]
    queue: Queue
    workers: int
    slots: Slots
    dead_letters: int
    accounts_to_reconnect: int
    watches_ending: int
    webhooks: WebhookCounts
    quota: list[QuotaDay]
    oldest_transaction_seconds: float | None
    vacuum_problems: int
    notify_queue_percent: float
    dropped_log_lines: int
    nodes: list[NodeHealth] = []
