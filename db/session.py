"""What our sessions pin, so that no role, database, server or variable can change what they do.

Three settings are left as they are. `default_transaction_read_only` is an administrator's word that
nothing may be written. `role` and `session_replication_role` are set for a purpose, and the second
only by a superuser.
"""

import os
from collections.abc import Mapping
from typing import Any

import psycopg

# For libpq's parameter of this name, which precedes PGCLIENTENCODING.
CLIENT_ENCODING = "UTF8"
PINNED = {
    # How values are written and read.
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "array_nulls": "on",
    "xmloption": "content",
    # How statements are read, and what names in them mean.
    "search_path": "pg_catalog, pg_temp",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "plpgsql.extra_errors": "none",
    "check_function_bodies": "on",
    # Which rows a statement sees. A limit of an index search would hide messages.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "gin_fuzzy_search_limit": "0",
    # How long a session may do nothing.
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",
}
# libpq sends these after our options, so that they would win.
_VARIABLES = {"PGTZ": "timezone", "PGDATESTYLE": "datestyle"}
# An option that the server does not know would refuse the session.
_SINCE = {"transaction_timeout": (170000, "0")}


def options(settings: Mapping[str, str]) -> str:
    """The settings as libpq's parameter `options`."""
    return " ".join(
        f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items()
    )


def pin_late(connection: psycopg.Connection[Any]) -> None:
    """Set what options cannot. Without such a variable or a newer server nothing is sent."""
    late = {name: PINNED[name] for variable, name in _VARIABLES.items() if variable in os.environ}
    version = connection.info.server_version
    late |= {name: value for name, (since, value) in _SINCE.items() if version >= since}
    for name, value in late.items():
        connection.execute("select pg_catalog.set_config(%s, %s, false)", [name, value])
    # Otherwise a rollback would undo them.
    connection.commit()
