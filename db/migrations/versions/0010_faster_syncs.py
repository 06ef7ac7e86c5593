"""Faster syncs."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql("drop function gmail_sync._buckets(text, text[], jsonb, bytea[])")
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
