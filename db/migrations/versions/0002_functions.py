"""The stored functions, the views, and the trigger that keeps ended runs as they are."""

from db.migrations.stored import install, restore, run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    install(revision)
    run_sql(
        "create trigger ended_runs_are_immutable"
        " before update on gmail_sync.user_sync_status"
        " for each row when (not old.is_syncing)"
        " execute function gmail_sync._refuse_to_change_ended_run()"
    )


def downgrade() -> None:
    run_sql("drop trigger ended_runs_are_immutable on gmail_sync.user_sync_status")
    restore(revision)
