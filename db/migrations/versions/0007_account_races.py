"""Accounts under concurrency: what meets a delete, a disconnect or a reconnect, and limits."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0007"
down_revision = "0006"

UP = """
-- Replaced by one that takes the user too.
drop function gmail_sync.record_audit(text, text, jsonb);
alter table gmail_sync.audit_event
  drop constraint known_act,
  add constraint known_act check (
    act in (
      'connect_begun', 'connect_answered', 'connected', 'reconnected', 'reauth_required',
      'suspended', 'disconnected', 'deleted', 'keys_rotated', 'operator_read'
    )
  );
"""

DOWN = """
delete from gmail_sync.audit_event where act in ('connect_begun', 'connect_answered');
alter table gmail_sync.audit_event
  drop constraint known_act,
  add constraint known_act check (
    act in (
      'connected', 'reconnected', 'reauth_required', 'suspended', 'disconnected', 'deleted',
      'keys_rotated', 'operator_read'
    )
  );
"""


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(UP)
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(DOWN)
