"""Every function of the schema from the catalog, and calls of it with arguments that fit."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import sql

from service.postgres.calls import Connection
from tests.cluster import Cluster

# An argument of each type as SQL has it, harmless and valid where there is such a thing.
TYPICAL: Mapping[str, str] = {
    "pg_catalog.text": "'ann'",
    "gmail_sync.user_key": "'ann'",
    "pg_catalog._text": "'{ann}'",
    "pg_catalog.bytea": "'\\x00'",
    "pg_catalog._bytea": "'{NULL}'",
    "pg_catalog.bool": "false",
    "pg_catalog.int4": "1",
    "pg_catalog.int8": "1",
    "pg_catalog.numeric": "1",
    "pg_catalog.interval": "'1 s'",
    "pg_catalog.timestamptz": "pg_catalog.now()",
    "pg_catalog.uuid": "'5f0c9a52-6d0e-4a3e-9a43-6b1f3c3f7f10'",
    "pg_catalog.jsonb": "'[]'",
    "pg_catalog._jsonb": "'{}'",
    "pg_catalog.regclass": "'gmail_sync.user_sync_status'",
}


class Routine(NamedTuple):
    """`types` are those of its arguments, in order."""

    name: str
    is_procedure: bool
    types: list[str]

    def call(self, arguments: Mapping[int, str], other: str | None = None) -> str:
        """The call with these arguments by position, as SQL; the rest typical, or `other`."""
        given = ", ".join(
            f"({arguments.get(index, other or TYPICAL.get(kind, 'null'))})::{kind}"
            for index, kind in enumerate(self.types)
        )
        verb = "call" if self.is_procedure else "select * from"
        return f"{verb} gmail_sync.{self.name}({given})"


def routines(db: Connection) -> list[Routine]:
    """All that can be called: trigger functions cannot."""
    rows = db.execute(
        "select proname as name, prokind = 'p' as is_procedure,"
        " array(select concat(typnamespace::regnamespace, '.', typname)"
        "  from unnest(proargtypes) with ordinality as argument (oid, place)"
        "  join pg_type using (oid) order by place) as types"
        " from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
        " and prorettype <> 'trigger'::regtype order by proname"
    )
    return [Routine(**row) for row in rows]


@contextmanager
def login(
    cluster: Cluster, database: str, db: Connection, *roles: str
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection of a fresh login that is a member of these roles and of nothing else."""
    name, password = f"login_{secrets.token_hex(6)}", secrets.token_urlsafe()
    db.execute(
        sql.SQL("create role {} login password {}").format(
            sql.Identifier(name), sql.Literal(password)
        )
    )
    for role in roles:
        db.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(name)))
    try:
        with psycopg.connect(
            cluster.url(database, name, password),
            autocommit=True,
            options="-c statement_timeout=20s",
        ) as connection:
            yield connection
    finally:
        db.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
        db.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def sqlstate(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> str | None:
    """What a statement is refused with, None when it is not."""
    try:
        connection.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate or type(error).__name__
    return None
