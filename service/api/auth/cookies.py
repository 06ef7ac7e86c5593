"""Cookies that no script can read and only this host can set.

Over https their names begin with __Host-. Browsers accept such a cookie only over https, from the
host itself and for all of its paths. So neither another subdomain nor an unencrypted network can
plant one. Plain http is for localhost; there the names have no prefix.
"""

from datetime import timedelta
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

Connection = ASGIConnection[Any, Any, Any, Any]
HOST = "__Host-"


def cookie_name(connection: Connection, name: str) -> str:
    """The name of a cookie on this connection; it is read under no other name."""
    return f"{HOST}{name}" if _over_tls(connection) else name


def cookie(connection: Connection, name: str, value: str, lifetime: timedelta) -> Cookie:
    """Lax, because links lead here: Google's redirect is one. A lifetime of zero removes it."""
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
