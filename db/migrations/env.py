"""Runs migrations against DATABASE_URL: one transaction each, never waiting long for a lock.

Several may be started at once: each waits for the one before. The table of Alembic lies in our own
schema, so nothing of ours needs schema public or is seen by an application's Alembic.
"""

import logging.config
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from db.connection import in_words, with_options
from db.migrations.install import schedule_jobs
from db.session import CLIENT_ENCODING, PINNED, options, pin_late

SCHEMA = "gmail_sync"
VERSION_TABLE = "alembic_version"
# A migration that cannot get its lock soon is better tried again than left to queue up
# every sync behind it.
LOCK_TIMEOUT = "5s"
SESSION = PINNED | {"lock_timeout": LOCK_TIMEOUT, "statement_timeout": "15min"}
CONNECT_SECONDS = 10
FINISH = f"""
alter table {SCHEMA}.{VERSION_TABLE} owner to gmail_sync_owner;
comment on table {SCHEMA}.{VERSION_TABLE} is 'The revision of this schema; Alembic keeps it.';
"""
# A migration changes so much that Postgres resets the caches of all sessions. pg_cron's launcher,
# as of 1.6, takes no notice of a reset, and would miss a change of jobs that comes with it. It
# looks every second.
LET_PG_CRON_SETTLE = "select pg_sleep(2) from pg_extension where extname = 'pg_cron'"
# Leaves nothing where nothing is installed, but never touches what somebody else has put there.
UNDO = f"""
drop table if exists {SCHEMA}.{VERSION_TABLE};
do $$
begin
  drop schema {SCHEMA};
exception when dependent_objects_still_exist then null;
end;
$$;
"""
LOCKED = (
    "another session held a lock for too long. The revision changed nothing: try again once that"
    " session has ended: "
)
NO_RIGHTS = (
    "migrate as a superuser, or as a role with CREATEROLE that owns the database; the service's own"
    " role is not enough: "
)
OCCUPIED = (
    f"schema {SCHEMA} has tables or types, but {SCHEMA}.{VERSION_TABLE} names no revision. Rename a"
    " schema of another program; if it is ours, restore that table: "
)
NEWER = (
    "The schema is at revision {}, which is newer than this program. It stays so, and serves the"
    " program of the revision before."
)
NOT_UTF8 = (
    "the database's encoding is {}, and gmail-sync needs UTF8: create database … encoding 'UTF8'"
    " template template0"
)
ICU = "select from pg_collation where collname = 'und-x-icu'"
NO_ICU = (
    "this Postgres has no ICU collations, and the search needs them: use a server built with ICU,"
    " or call pg_import_system_collations('pg_catalog') where it is"
)


def run_migrations() -> None:
    if context.is_offline_mode():
        raise CommandError("gmail-sync migrates online only; db/handbook/installing.md shows psql")
    url = context.config.attributes.get("database_url") or os.environ.get("DATABASE_URL", "")
    if not url.strip():
        raise CommandError("DATABASE_URL is not set: DATABASE_URL=postgresql://… alembic …")
    # libpq reads the URL, so all of its forms work, sockets and services included.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: _connect(url.strip()), poolclass=NullPool
    )
    try:
        with engine.connect() as connection, _alone(connection):
            _migrate(connection)
    except DBAPIError as error:
        # SQLAlchemy wraps the errors of psycopg.
        if not isinstance(error.orig, psycopg.Error):
            raise
        hint = f" ({error.orig.diag.message_hint})" if error.orig.diag.message_hint else ""
        raise CommandError(_advice(error.orig) + in_words(error.orig) + hint) from error


def _advice(error: psycopg.Error) -> str:
    match error:
        case psycopg.errors.LockNotAvailable():
            return LOCKED
        case psycopg.errors.InsufficientPrivilege():
            return NO_RIGHTS
        case psycopg.errors.DuplicateTable() | psycopg.errors.DuplicateObject():
            return OCCUPIED
    return ""


def _connect(url: str) -> psycopg.Connection:
    try:
        parameters = with_options(
            url,
            options(SESSION),
            connect_timeout=CONNECT_SECONDS,
            client_encoding=CLIENT_ENCODING,
            target_session_attrs="read-write",
        )
    except ValueError as error:
        raise CommandError(f"DATABASE_URL {error}") from None
    connection = psycopg.connect(**parameters)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise CommandError(NOT_UTF8.format(encoding))
    if connection.execute(ICU).fetchone() is None:
        connection.close()
        raise CommandError(NO_ICU)
    pin_late(connection)
    return connection


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Nobody else migrates this database meanwhile."""
    connection.execute(text("set lock_timeout = 0"))
    connection.execute(text("select pg_advisory_lock(hashtext('gmail_sync migrate'))"))
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    yield


def _migrate(connection: Connection) -> None:
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    connection.commit()
    applied: list[object] = []
    scheduler = context.config.attributes.get("scheduler")
    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        version_table_schema=SCHEMA,
        transaction_per_migration=True,
        on_version_apply=lambda step, **_: applied.append(step),
    )
    newer = _newer_revision()
    context.config.attributes["installed"] = newer
    if newer:
        logging.getLogger("alembic").warning(NEWER.format(newer))
        return
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        if not connection.invalidated:
            connection.rollback()
            installed = context.get_context().get_current_heads()
            context.config.attributes["installed"] = ", ".join(installed) or "base"
            connection.execute(text(FINISH if installed else UNDO))
            connection.commit()
    if installed and (applied or scheduler):
        connection.execute(text(LET_PG_CRON_SETTLE))
        connection.commit()
        schedule_jobs(connection, scheduler)
        connection.commit()


def _newer_revision() -> str | None:
    """The schema's revision if this program, an older one, is asked for its own newest."""
    ours = str(context.get_head_revision())
    asked = context.get_context()
    if asked.opts.get("destination_rev") not in ("head", "heads", ours):
        return None
    return next((each for each in asked.get_current_heads() if each > ours), None)


# From alembic.ini. Without it, the caller configures logging.
if context.config.config_file_name:
    logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
run_migrations()
