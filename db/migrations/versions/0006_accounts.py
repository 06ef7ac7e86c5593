"""Accounts that come and go: disconnect, delete, push, limits, and an audit trail."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0006"
down_revision = "0005"

UP = """
create table gmail_sync.audit_event (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  act text not null constraint known_act check (
    act in (
      'connected', 'reconnected', 'reauth_required', 'suspended', 'disconnected', 'deleted',
      'keys_rotated', 'operator_read'
    )
  ),
  user_id text,
  actor text not null,
  role text not null,
  application text not null,
  detail jsonb not null default '{}'
);

comment on table gmail_sync.audit_event is
'Security-relevant acts: what, about whom (user_id), wanted by whom (actor), through what.';

create index audit_of_a_user on gmail_sync.audit_event (user_id, at);
create index audit_by_actor on gmail_sync.audit_event (actor);
create index accounts_by_email on gmail_sync.account (lower(email));

alter table gmail_sync.account add watched_at timestamptz;

alter table gmail_sync.settings
  add watch_interval interval not null default '1 day',
  add max_starts_a_minute integer not null default 20,
  add max_connects_a_minute integer not null default 20,
  add constraint watches_are_renewed_in_time check (
    watch_interval > interval '0' and watch_interval <= interval '6 days'
  ),
  add constraint rates_are_positive check (least(max_starts_a_minute, max_connects_a_minute) >= 1);
"""

DOWN = """
alter table gmail_sync.settings
  drop watch_interval, drop max_starts_a_minute, drop max_connects_a_minute;
alter table gmail_sync.account drop watched_at;
drop index gmail_sync.accounts_by_email;
drop table gmail_sync.audit_event;
"""


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(UP)
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(DOWN)
