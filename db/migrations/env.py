"""Runs migrations against DATABASE_URL: one transaction each, never waiting long for a lock."""

import logging.config
import os

import psycopg
from alembic import context
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

VERSION_TABLE = "gmail_sync_version"
# A migration that cannot get its lock soon is better tried again than left to queue up
# every sync behind it.
SESSION_OPTIONS = "-c lock_timeout=5s -c statement_timeout=15min -c timezone=UTC"


def run_migrations() -> None:
    if context.is_offline_mode():
        raise CommandError(
            "gmail-sync migrates online only; db/handbook/installing.md says how psql does it"
        )
    url = context.config.attributes.get("database_url") or os.environ.get("DATABASE_URL")
    if not url:
        raise CommandError("DATABASE_URL is not set: DATABASE_URL=postgresql://… alembic …")

    # libpq reads the URL, so all of its forms work, sockets and services included.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, options=SESSION_OPTIONS, connect_timeout=10),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            version_table_schema="public",
            transaction_per_migration=True,
        )
        try:
            with context.begin_transaction():
                context.run_migrations()
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            raise CommandError(
                "gave up, since another session held a lock for too long; the revision at hand"
                f" changed nothing, so try again once that session has ended: {error.orig}"
            ) from error
        if not context.get_context().get_current_heads():
            connection.execute(text(f"drop table if exists public.{VERSION_TABLE}"))
        else:
            # schema_version() asks as gmail_sync_owner.
            connection.execute(text(f"grant select on public.{VERSION_TABLE} to public"))
        connection.commit()


if context.config.config_file_name and context.config.attributes.get("configure_logging", True):
    logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
run_migrations()
