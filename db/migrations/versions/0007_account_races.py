"""Accounts under concurrency: what meets a delete, a disconnect or a reconnect, and limits."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0007"
down_revision = "0006"

# Replaced by functions of the same name that take other arguments.
REPLACED = (
    "delete_account(text)",
    "disconnect_account(text, boolean)",
    "retry_failed_messages(text)",
    "record_audit(text, text, jsonb)",
    "_start_for_queue(gmail_sync.user_key)",
)

UP = """
alter table gmail_sync.audit_event
  drop constraint known_act,
  add constraint known_act check (
    act in (
      'connect_begun', 'connect_answered', 'connected', 'reconnected', 'reauth_required',
      'suspended', 'disconnected', 'deleted', 'keys_rotated', 'operator_read'
    )
  );

alter table gmail_sync.settings
  -- 32 bytes, of which each installation has its own.
  add audit_salt bytea not null
    default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- What is known of users deleted before, salted too.
update gmail_sync.audit_event e
set detail = jsonb_build_object(
  'user_hash', encode(sha256(s.audit_salt || decode(e.detail ->> 'user_sha256', 'hex')), 'hex')
)
from gmail_sync.settings s
where e.act = 'deleted'
  and e.detail ? 'user_sha256';
"""

DOWN = """
alter table gmail_sync.settings drop audit_salt;
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
    for function in REPLACED:
        run_sql(f"drop function gmail_sync.{function}")
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(DOWN)
