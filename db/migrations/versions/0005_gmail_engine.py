"""Quota bookings, content modes, audits, and the time a run has left."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0005"
down_revision = "0004"

# Replaced by functions of the same name that take other arguments.
REPLACED = ("save_credentials(text, bytea)", "take_messages(text, integer)")


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(
        # What was done before the claim says nothing of how fast this run is.
        "alter table gmail_sync.user_sync_status add done_at_claim integer not null default 0"
    )
    run_sql(
        "alter table gmail_sync.fetch_queue drop constraint known_reason,"
        " add constraint known_reason"
        " check (reason in ('listed', 'history', 'upgrade', 'audit'))"
    )
    for function in REPLACED:
        run_sql(f"drop function gmail_sync.{function}")
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(
        "update gmail_sync.fetch_queue set reason = 'listed' where reason in ('upgrade', 'audit')"
    )
    run_sql(
        "alter table gmail_sync.fetch_queue drop constraint known_reason,"
        " add constraint known_reason check (reason in ('listed', 'history'))"
    )
    run_sql("alter table gmail_sync.user_sync_status drop done_at_claim")
