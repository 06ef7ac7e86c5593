"""Traces by OpenTelemetry, off unless its usual variables are set.

Off, no module of OpenTelemetry is imported, and every function here does nothing. OpenTelemetry has
one provider for a process, so whether it is on is a fact of the process too.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar.types import ASGIApp
    from structlog.typing import FilteringBoundLogger

    from service.telemetry.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
MISSING = "traces are asked for, but not sent: install gmail-sync[otel]"

Attributes = Mapping[str, str | int]
NONE: Attributes = MappingProxyType({})

_tracing: "Tracing | None" = None


def start(environment: Mapping[str, str], log: "Callable[[], FilteringBoundLogger]") -> None:
    """Trace this process if its environment asks for that. Call it before the first connection.

    `log` is called only then: a command that is not traced loads no logging.
    """
    global _tracing
    if not _is_asked_for(environment):
        return
    try:
        from service.telemetry.tracing import Tracing
    except ImportError:
        log().warning(MISSING)
        return
    _tracing = Tracing()
    log().info("traces are sent")


def _is_asked_for(environment: Mapping[str, str]) -> bool:
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip()
    return not off and exporter == "otlp" and any(map(environment.get, ENDPOINTS))


def traced(app: "ASGIApp") -> "ASGIApp":
    """An app whose requests are spans, in the trace of a request that names one."""
    return _tracing.app(app) if _tracing else app


@contextmanager
def span(name: str, attributes: Attributes = NONE) -> Iterator[None]:
    """What is done meanwhile, as a part of the current span."""
    if _tracing is None:
        yield
        return
    with _tracing.span(name, attributes):
        yield


@contextmanager
def run(
    traceparent: str | None, claimed_since: int, attributes: Attributes = NONE
) -> Iterator[None]:
    """A run, in the trace of the request that asked for it; its claim has just ended."""
    if _tracing is None:
        yield
        return
    with _tracing.run(traceparent, claimed_since, attributes):
        yield


@contextmanager
def command(name: str, traceparent: str | None) -> Iterator[None]:
    """A command, in the trace of what ran it."""
    if _tracing is None:
        yield
        return
    with _tracing.command(name, traceparent):
        yield


def now() -> int:
    """A time for `run`."""
    return time.time_ns()


def describe(attributes: Attributes, name: str | None = None) -> None:
    """Give the current span attributes, and a name, that were not known before."""
    if _tracing:
        _tracing.describe(attributes, name)


def traceparent() -> str | None:
    """The current span, as W3C's Trace Context writes it. None if nobody records it."""
    return _tracing.traceparent() if _tracing else None


def thread_initializer() -> Callable[[], None]:
    """Makes what a thread of a pool does a part of the current span."""
    return _tracing.thread_initializer() if _tracing else _nothing


def _nothing() -> None:
    pass
