"""The same, faster."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0009"
down_revision = "0008"

# With the outcome beside it the runs of a day are counted without a look at them.
UP = """
create type gmail_sync._started as (task_id text, created boolean);

drop index gmail_sync.runs_by_end;
create index runs_by_end on gmail_sync.user_sync_status (finished_at) include (outcome)
  where not is_syncing;
"""

DOWN = """
drop type gmail_sync._started;

drop index gmail_sync.runs_by_end;
create index runs_by_end on gmail_sync.user_sync_status (finished_at) where not is_syncing;
"""


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(UP)
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(DOWN)
