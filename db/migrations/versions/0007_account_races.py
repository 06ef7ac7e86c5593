"""Accounts under concurrency: what meets a delete, a disconnect or a reconnect, and limits."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0007"
down_revision = "0006"

UP = """
-- Replaced by one that takes the user too.
drop function gmail_sync.record_audit(text, text, jsonb);
"""

DOWN = """
"""


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(UP)
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(DOWN)
