"""What the page and the operator's view read."""

from db.migrations.stored import OWNER, install, restore, run_sql

revision = "0008"
down_revision = "0007"

UP = """
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
