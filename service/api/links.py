"""The one place that makes addresses of this service, below the prefix that browsers see.

Behind a proxy the service may live at a path of a host, such as /gmail. The proxy passes this
prefix on or strips it. Either way the ASGI scope has it as its root_path, and at the start of its
path. The public URL decides. Without one, the proxy's X-Forwarded-Prefix does, or the server's
root_path.
"""

import re
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from service.config import PREFIX

Connection = ASGIConnection[Any, Any, Any, Any]
FORWARDED_PREFIX = b"x-forwarded-prefix"


def prefix_of(connection: Connection) -> str:
    """What all paths begin with in the browser; empty, or with a slash at its start only."""
    return connection.scope.get("root_path", "")


def link(connection: Connection, path: str) -> str:
    """A path of this service as browsers reach it."""
    return _below(prefix_of(connection), path)


def prefixed(app: ASGIApp, public_url: str, own_paths: Collection[str]) -> ASGIApp:
    """Give each request its prefix, whether the proxy has stripped it from the path or not.

    `own_paths` are the first segments of routes, with which no prefix may begin. Raises ValueError
    if that of the public URL does: /mail/threads could then mean two things.
    """
    prefix_for = _prefixes(public_url, own_paths)

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            prefix = prefix_for(scope)
            # A server with a root_path writes it before every path that it receives.
            received = scope["path"].removeprefix(scope.get("root_path", ""))
            scope["root_path"], scope["path"] = prefix, _below(prefix, received)
        await app(scope, receive, send)

    return run


def _prefixes(public_url: str, own_paths: Collection[str]) -> Callable[[Scope], str]:
    if public_url:
        fixed = urlsplit(public_url).path
        if _first_segment(fixed) in own_paths:
            raise ValueError(
                f"has the path {fixed}, which begins like an address of the service: choose "
                "another, such as /gmail"
            )
        return lambda _: fixed

    def requested(scope: Scope) -> str:
        forwarded = dict(scope["headers"]).get(FORWARDED_PREFIX, b"").decode("latin-1")
        prefix = (forwarded or scope.get("root_path", "")).rstrip("/")
        usable = re.fullmatch(PREFIX, prefix) and _first_segment(prefix) not in own_paths
        return prefix if usable else ""

    return requested


def _below(prefix: str, path: str) -> str:
    """The path below the prefix; a path that is there already stays as it is."""
    return path if path == prefix or path.startswith(f"{prefix}/") else prefix + path


def _first_segment(path: str) -> str:
    return path.split("/")[1] if path else ""
