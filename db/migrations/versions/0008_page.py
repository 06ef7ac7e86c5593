"""What the page and the operator's view read."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0008"
down_revision = "0007"

UP = """
alter table gmail_sync.audit_event
  drop constraint known_act,
  add constraint known_act check (
    act in (
      'connect_begun', 'connect_answered', 'connected', 'reconnected', 'reauth_required',
      'suspended', 'disconnected', 'deleted', 'keys_rotated', 'operator_read', 'operator_act'
    )
  );

create index accounts_to_reconnect on gmail_sync.account (user_id)
  where status in ('reauth_required', 'suspended');
"""

# The trail is kept: what an operator did, its detail still says.
DOWN = """
drop index gmail_sync.accounts_to_reconnect;

update gmail_sync.audit_event set act = 'operator_read' where act = 'operator_act';
alter table gmail_sync.audit_event
  drop constraint known_act,
  add constraint known_act check (
    act in (
      'connect_begun', 'connect_answered', 'connected', 'reconnected', 'reauth_required',
      'suspended', 'disconnected', 'deleted', 'keys_rotated', 'operator_read'
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
