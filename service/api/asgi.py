"""What is done to a request before it is routed, as plain ASGI."""

import re
import time
import uuid
from urllib.parse import unquote

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service import telemetry
from service.api.metrics import RequestMetrics

SLASH = "\ufdd0"
_REQUEST_ID = re.compile(rb"[\w.-]{1,64}", re.ASCII)


def slashes_in_ids(app: ASGIApp) -> ASGIApp:
    """Keep %2F within its segment, since user ids, and so task ids, may hold a slash.

    It becomes SLASH, which Unicode reserves for internal use; `with_slashes` undoes that.
    """

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        raw_path = scope.get("raw_path") or b""
        if b"%2f" in raw_path.lower():
            segments = raw_path.decode("ascii").split("/")
            scope["path"] = "/".join(unquote(each).replace("/", SLASH) for each in segments)
        await app(scope, receive, send)

    return routed


def with_slashes(segment: str) -> str:
    return segment.replace(SLASH, "/")


def heads(app: ASGIApp) -> ASGIApp:
    """Answer HEAD as GET without the body: probes and monitors ask so."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                await send(message)
                # From here on the server reports a disconnection, which ends a stream.
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        scope["method"] = "GET"
        try:
            await app(scope, receive, answer)
        finally:
            scope["method"] = "HEAD"

    return run


def observed(app: ASGIApp, log: FilteringBoundLogger, metrics: RequestMetrics) -> ASGIApp:
    """Measure and log: one line a request, with an id that its response has too.

    Headers, queries and bodies are never logged. Litestar's StructlogPlugin would configure
    structlog for the whole process and log two lines.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()
        method, path, status = scope["method"], scope["path"][:300], 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if route := scope.get("path_template"):
                    telemetry.describe({"http.route": route}, f"{method} {route}")
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            try:
                await app(scope, receive, answer)
            finally:
                seconds = time.monotonic() - began
                metrics.observe(scope, status, seconds)
                log.info(
                    "request",
                    method=method,
                    path=path,
                    status=status,
                    milliseconds=round(seconds * 1000),
                )

    return run
