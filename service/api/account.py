"""The user's Gmail account: its connection, and how to end it."""

from datetime import datetime

from litestar import delete, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from msgspec import Struct

from service.accounts import disconnect as account_end
from service.accounts.connect import OAuthConnector
from service.accounts.rows import AccountStatus, ContentMode, get_account
from service.api.auth.tokens import UserRequest
from service.api.events import notify_own_streams
from service.api.fields import reject_request_body
from service.api.problems import error_responses
from service.google.configuration import Google
from service.postgres.pool import Pool


class AccountConnection(Struct, kw_only=True):
    """The account; without one: disconnected, no address.

    `status_code` says why Google refuses it, and `status_reason` says so in words. `synced` is true
    after the first complete sync.
    """

    can_connect: bool
    email: str | None = None
    status: AccountStatus = "disconnected"
    status_code: str | None = None
    status_reason: str | None = None
    content_mode: ContentMode | None = None
    quota_profile: str | None = None
    sync_interval_seconds: int | None = None
    connected_at: datetime | None = None
    synced: bool = False


class Disconnected(Struct, kw_only=True):
    """`revoked` is false if Google holds no grant of ours or may still hold one: see `warning`."""

    done: bool
    revoked: bool
    warning: str | None = None


@get("/api/gmail/connection", sync_to_thread=True, responses=error_responses(401, 503))
def get_connection(
    request: UserRequest,
    pool: NamedDependency[Pool],
    connector: NamedDependency[OAuthConnector | None],
) -> AccountConnection:
    """The Gmail account, and whether this server can connect one."""
    can_connect = connector is not None
    account = get_account(pool, request.user.user_id)
    if account is None:
        return AccountConnection(can_connect=can_connect)
    interval = account.sync_interval
    return AccountConnection(
        can_connect=can_connect,
        email=account.email,
        status=account.status,
        status_code=account.status_code,
        status_reason=account.status_reason,
        content_mode=account.content_mode,
        quota_profile=account.quota_profile,
        sync_interval_seconds=int(interval.total_seconds()) if interval else None,
        connected_at=account.connected_at,
        synced=account.history_id is not None,
    )


@delete(
    "/api/gmail/connection",
    status_code=200,
    sync_to_thread=True,
    before_request=reject_request_body,
    after_response=notify_own_streams,
    responses=error_responses(400, 401, 503),
)
def disconnect(
    request: UserRequest,
    pool: NamedDependency[Pool],
    google: NamedDependency[Google | None],
    delete_mail: FromQuery[bool] = False,
) -> Disconnected:
    """Revoke the grant at Google and delete the credentials; mail stays unless `delete_mail`."""
    end = account_end.disconnect(pool, google, request.user.user_id, delete_mail)
    return Disconnected(done=end.done, revoked=end.revoked, warning=end.warning)


@delete(
    "/api/gmail/account",
    status_code=200,
    sync_to_thread=True,
    before_request=reject_request_body,
    after_response=notify_own_streams,
    responses=error_responses(400, 401, 503),
)
def delete_account(
    request: UserRequest, pool: NamedDependency[Pool], google: NamedDependency[Google | None]
) -> Disconnected:
    """Revoke the grant at Google and delete all data of the user."""
    end = account_end.delete(pool, google, request.user.user_id)
    return Disconnected(done=end.done, revoked=end.revoked, warning=end.warning)


ROUTES = [get_connection, disconnect, delete_account]
