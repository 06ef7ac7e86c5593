"""Roles, schema, tables and stored functions."""

from pathlib import Path

from alembic import op
from sqlalchemy import text

from db.migrations.install import OWNER, install, run_if_allowed, run_sql

revision = "0001"
down_revision = None

ROLES = (OWNER, "gmail_sync_app", "gmail_sync_reader", "gmail_sync_service", "gmail_sync_dba")
# Roles are the cluster's: another database may be making them at this moment.
CREATE_ROLE = """
do $$
begin
  create role {} nologin;
exception when duplicate_object or unique_violation then null;
end;
$$
"""
# Only a superuser can act as a role without being a member. From Postgres 16 on, the creator of a
# role is a member, but does not inherit its rights.
JOIN_OWNER = f"""
do $$
begin
  if not pg_has_role('{OWNER}', 'usage') then
    grant {OWNER} to current_user;
  end if;
end;
$$
"""
NO_MONITOR = (
    f"{OWNER} did not become a member of pg_monitor, so health cannot see pg_cron's settings, its"
    " launcher and old transactions. Where possible, have an administrator run: grant pg_monitor to"
    f" {OWNER}"
)
# Alembic has still to write into its table when a downgrade has run.
DROP_ALL_BUT_VERSION = """
alter schema gmail_sync rename to gmail_sync_dropped;
create schema gmail_sync;
alter table gmail_sync_dropped.alembic_version set schema gmail_sync;
alter table gmail_sync.alembic_version owner to current_user;
drop schema gmail_sync_dropped cascade
"""
# The index calls a function, so it comes after the functions.
LABEL_INDEX = """
create index messages_by_label on gmail_sync.message
  using gin (gmail_sync._label_vector(user_id, internal_date, label_ids))
"""
TRIGGERS = """
-- After the update: with a trigger before it, each heartbeat would compute current_stats again.
create trigger ended_runs_are_immutable
  after update on gmail_sync.user_sync_status
  for each row when (not old.is_syncing)
  execute function gmail_sync._forbid_change_of_ended_run();

create trigger inserted_runs_change_schedules
  after insert on gmail_sync.user_sync_status
  for each row when (not new.is_syncing)
  execute function gmail_sync._recheck_schedule();

create trigger ended_runs_change_schedules
  after update on gmail_sync.user_sync_status
  for each row when (old.is_syncing and not new.is_syncing)
  execute function gmail_sync._recheck_schedule();

create trigger deleted_runs_change_schedules
  after delete on gmail_sync.user_sync_status
  for each row execute function gmail_sync._recheck_schedule();

create trigger accounts_change_schedules
  after insert or delete
    or update of status, sync_interval, connected_at, watched_at, watch_expires_at
  on gmail_sync.account
  for each row execute function gmail_sync._recheck_schedule();

create trigger ended_runs_are_reported
  after update on gmail_sync.user_sync_status
  for each row when (
    old.is_syncing and new.outcome in ('succeeded', 'failed', 'cancelled')
  )
  execute function gmail_sync._report_ended_run();

create constraint trigger accounts_are_reported
  after insert or delete or update of status on gmail_sync.account
  -- At the commit: streams are locked after the run that a disconnection cancels.
  deferrable initially deferred
  for each row execute function gmail_sync._report_account();

create trigger settings_change_schedules
  after update of watch_interval, max_retry_delay on gmail_sync.settings
  for each statement execute function gmail_sync._recheck_schedules()
"""

INDEX = """
create index accounts_by_mailbox on gmail_sync.account (gmail_sync._mailbox_identity(email))
"""


def upgrade() -> None:
    for role in ROLES:
        run_sql(CREATE_ROLE.format(role))
    run_sql(JOIN_OWNER)
    # The functions report settings of pg_cron and other sessions.
    run_if_allowed(f"grant pg_monitor to {OWNER}", NO_MONITOR)
    run_sql(f"alter schema gmail_sync owner to {OWNER}")
    run_sql(f"set local role {OWNER}")
    run_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    run_sql("reset role")
    install(revision)
    run_sql(LABEL_INDEX)
    run_sql(TRIGGERS)
    run_sql(INDEX)


def downgrade() -> None:
    run_sql("select gmail_sync.unschedule_jobs()")
    run_sql(DROP_ALL_BUT_VERSION)
    for role in ROLES:
        _drop_unless_used(role)


def _drop_unless_used(role: str) -> None:
    """Other databases of the cluster and login roles may still need it.

    Who administers a role does not need it: its creator is such a member from Postgres 16 on. The
    members of the owner administer the schema.
    """
    used = text(
        "select exists (select from pg_shdepend"
        " where refclassid = 'pg_authid'::regclass and refobjid = cast(:role as text)::regrole)"
        " or :role <> :owner and exists (select from pg_auth_members"
        " where roleid = cast(:role as text)::regrole and not admin_option)"
    )
    if not op.get_bind().scalar(used, {"role": role, "owner": OWNER}):
        run_if_allowed(f"drop role {role}", f"role {role} is left: its creator may drop it")
