"""Cookies that no script can read and no unencrypted network can set.

Over https their names begin with __Host-. Browsers accept such a cookie only over https, from the
host itself and for all of its paths. So no other subdomain can plant one.
A service below a path shares its host. Its cookies are for that path only, and __Secure- is the
strongest name that browsers accept there. Plain http is for localhost; its names have no prefix.
"""

from datetime import timedelta

from litestar.datastructures import Cookie

from service.api.links import Connection, prefix_of

HOST, SECURE = "__Host-", "__Secure-"


def cookie_name(connection: Connection, name: str) -> str:
    """The name of a cookie on this connection; it is read under no other name."""
    if not _over_tls(connection):
        return name
    return f"{SECURE if prefix_of(connection) else HOST}{name}"


def cookie(connection: Connection, name: str, value: str, lifetime: timedelta) -> Cookie:
    """Lax, because links lead here: Google's redirect is one. A lifetime of zero removes it."""
    return Cookie(
        cookie_name(connection, name),
        path=prefix_of(connection) or "/",
        value=value,
        max_age=max(0, int(lifetime.total_seconds())),
        secure=_over_tls(connection),
        httponly=True,
        samesite="lax",
    )


def _over_tls(connection: Connection) -> bool:
    return connection.url.scheme == "https"
