"""${message}."""

from db.migrations.install import install, restore

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    install(revision)


def downgrade() -> None:
    restore(revision)
