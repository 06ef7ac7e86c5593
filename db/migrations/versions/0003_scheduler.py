"""The pg_cron jobs. Without pg_cron it says what to install and set, and goes on."""

import logging

from alembic import op
from sqlalchemy import text

from db.migrations.stored import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    log = logging.getLogger("alembic")
    for item, done, message in op.get_bind().execute(
        text("select * from gmail_sync.schedule_jobs()")
    ):
        log.log(logging.INFO if done else logging.WARNING, "%s: %s", item, message)


def downgrade() -> None:
    run_sql("select gmail_sync.unschedule_jobs()")
