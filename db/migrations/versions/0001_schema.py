"""Roles, schema and tables."""

from pathlib import Path

from alembic import op
from sqlalchemy import text

from db.migrations.stored import OWNER, run_sql

revision = "0001"
down_revision = None

ROLES = (OWNER, "gmail_sync_app", "gmail_sync_reader", "gmail_sync_service", "gmail_sync_dba")


def upgrade() -> None:
    for role in ROLES:
        if not _exists(role):
            run_sql(f"create role {role} nologin")
    # What the functions report of the server: settings of pg_cron, other sessions.
    run_sql(f"grant pg_monitor to {OWNER}")
    run_sql(f"create schema gmail_sync authorization {OWNER}")
    run_sql(f"set local role {OWNER}")
    run_sql(Path(__file__).with_suffix(".up.sql").read_text(encoding="utf-8"))
    run_sql("reset role")


def downgrade() -> None:
    run_sql(Path(__file__).with_suffix(".down.sql").read_text(encoding="utf-8"))
    for role in ROLES:
        _drop_unless_used(role)


def _exists(role: str) -> bool:
    query = text("select exists (select from pg_roles where rolname = :role)")
    return bool(op.get_bind().scalar(query, {"role": role}))


def _drop_unless_used(role: str) -> None:
    """Other databases of the cluster and login roles may still need it."""
    used = text(
        "select exists (select from pg_shdepend"
        " where refclassid = 'pg_authid'::regclass and refobjid = cast(:role as text)::regrole)"
        " or exists (select from pg_auth_members where roleid = cast(:role as text)::regrole)"
    )
    if not op.get_bind().scalar(used, {"role": role}):
        run_sql(f"drop role {role}")
