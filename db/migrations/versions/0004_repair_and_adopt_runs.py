"""Repair of broken runs, and adoption of an earlier application's."""

from db.migrations.stored import OWNER, install, restore, run_sql, schedule_jobs

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql(f"set local role {OWNER}")
    # No row is kept twice, however often a table is adopted.
    run_sql(
        "create unique index originals_are_kept_once"
        " on gmail_sync.repair_log (source, md5(original::text))"
    )
    run_sql(
        "alter table gmail_sync.settings"
        " add longest_transaction interval not null default '1 hour',"
        " add constraint longest_transaction_is_positive"
        " check (longest_transaction > interval '0')"
    )
    run_sql("create index originals_of_a_run on gmail_sync.repair_log (source, task_id)")
    run_sql("reset role")
    install(revision)
    schedule_jobs()


def downgrade() -> None:
    restore(revision)
    schedule_jobs()
    run_sql("alter table gmail_sync.settings drop longest_transaction")
    run_sql("drop index gmail_sync.originals_of_a_run")
    run_sql("drop index gmail_sync.originals_are_kept_once")
