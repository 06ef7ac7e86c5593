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

-- As small as with pglz in half the time, where the server was built with it.
do $$
begin
  if exists (
    select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)
  ) then
    alter table gmail_sync.message
      alter column headers set compression lz4,
      alter column body_text set compression lz4,
      alter column body_html set compression lz4,
      alter column raw set compression lz4,
      alter column search set compression lz4;
  end if;
end;
$$;
"""

DOWN = """
drop type gmail_sync._started;

drop index gmail_sync.runs_by_end;
create index runs_by_end on gmail_sync.user_sync_status (finished_at) where not is_syncing;

alter table gmail_sync.message
  alter column headers set compression default,
  alter column body_text set compression default,
  alter column body_html set compression default,
  alter column raw set compression default,
  alter column search set compression default;
"""


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    run_sql(UP)
    run_sql("reset role")
    install(revision)


def downgrade() -> None:
    restore(revision)
    run_sql(DOWN)
