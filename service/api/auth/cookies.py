"""Cookies that no script reads and nobody but this host can have set.

Over https their names begin with __Host-: browsers take such a cookie only over https, from the
host itself and for all of its paths, so that no neighbouring subdomain, nor somebody on a network
in the clear, can slip in another. Over plain http, which is for localhost, they go without.
"""

from datetime import timedelta
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

Connection = ASGIConnection[Any, Any, Any, Any]
HOST = "__Host-"


def cookie_name(connection: Connection, name: str) -> str:
    """The name a cookie goes by on this connection, the only one it is looked for under."""
    return f"{HOST}{name}" if _over_tls(connection) else name


def cookie(connection: Connection, name: str, value: str, lifetime: timedelta) -> Cookie:
    """Lax, for the links that lead here: Google's way back is one. No lifetime takes it away."""
    return Cookie(
        cookie_name(connection, name),
        path="/",
        value=value,
        max_age=max(0, int(lifetime.total_seconds())),
        secure=_over_tls(connection),
        httponly=True,
        samesite="lax",
    )


def _over_tls(connection: Connection) -> bool:
    return connection.url.scheme == "https"
