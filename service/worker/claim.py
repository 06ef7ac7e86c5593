"""A claimed run, as claim_sync returns it."""

from datetime import timedelta

from msgspec import Struct

from service.accounts.rows import AccountStatus


class Claim(Struct, frozen=True):
    """A row of claim_sync. The account's fields are None for a user without one.

    `counted_to` is where prepare_sync goes on, None if the claim has counted all.
    `traceparent` is the trace of the request that asked for the run.
    """

    task_id: str
    user_id: str
    sync_type: str
    attempt: int
    heartbeat_interval: timedelta
    heartbeat_timeout: timedelta
    longest_wait: timedelta
    account_status: AccountStatus | None
    status_reason: str | None
    credentials: bytes | None
    verified: bool | None
    counted_to: str | None
    traceparent: str | None
