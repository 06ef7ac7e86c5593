"""The pg_cron jobs. Without pg_cron it says what to install and set, and goes on."""

from db.migrations.stored import run_sql, schedule_jobs

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    schedule_jobs()


def downgrade() -> None:
    run_sql("select gmail_sync.unschedule_jobs()")
