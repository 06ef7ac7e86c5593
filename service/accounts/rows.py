"""The rows that functions return about accounts, as structs."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from service.postgres.calls import FunctionCaller

AccountStatus = Literal["connected", "reauth_required", "suspended", "disconnected"]
ContentMode = Literal["full", "raw"]
# Only a call to Gmail shows whether Google has lifted a suspension.
USABLE: tuple[AccountStatus, ...] = ("connected", "suspended")


class AccountRow(Struct, frozen=True):
    """A row of list_accounts."""

    user_id: str
    email: str
    status: AccountStatus
    status_code: str | None
    status_reason: str | None
    history_id: Decimal | None
    content_mode: ContentMode
    quota_profile: str
    sync_interval: timedelta | None
    connected_at: datetime


class CredentialsRow(Struct, frozen=True):
    """A row of get_account_credentials."""

    email: str
    status: AccountStatus
    status_reason: str | None
    credentials: bytes | None
    verified: bool
    history_id: Decimal | None


def get_account(caller: FunctionCaller, user_id: str) -> AccountRow | None:
    return caller.row_as(AccountRow, "list_accounts", user_id)


def get_credentials(caller: FunctionCaller, user_id: str) -> CredentialsRow | None:
    return caller.row_as(CredentialsRow, "get_account_credentials", user_id)
