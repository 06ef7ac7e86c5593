"""OpenTelemetry's SDK, set up for one process. Only service.telemetry imports it.

Spans leave the process without what may be somebody's. Query strings have search words and codes of
Google's, paths have ids, and messages of errors quote rows. So only attributes on a list are sent.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from litestar.types import ASGIApp
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.version import version

Attributes = Mapping[str, str | int]
# None of them is about somebody: they are words of HTTP, of our source, and of Gmail's API.
SENT = frozenset(
    {
        "db.name", "db.namespace", "db.query.text", "db.statement", "db.system", "db.system.name",
        "error.type", "exception.type",
        "gmail_sync.attempt", "gmail_sync.sync_type",
        "http.method", "http.request.method", "http.response.status_code", "http.route",
        "http.status_code",
    }
)  # fmt: skip
# Addresses of which a span says nothing.
PROBES = "/livez,/readyz,/metrics"
FUNCTION = re.compile(r'"gmail_sync"\."(\w+)"')
# How long an export may take, and so how long a process that ends waits for a receiver.
EXPORT_SECONDS = 3
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")


class Tracing:
    """Sends spans to where the variables of OpenTelemetry say."""

    def __init__(self) -> None:
        resource = Resource.create({"service.name": "gmail-sync", "service.version": version()})
        provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
        timeout = None if any(map(os.environ.get, TIMEOUTS)) else EXPORT_SECONDS
        exporter = OTLPSpanExporter(timeout=timeout)
        provider.add_span_processor(_Redacting(BatchSpanProcessor(exporter)))
        self._provider = provider
        self._tracer = provider.get_tracer("gmail-sync")
        self._propagator = TraceContextTextMapPropagator()
        PsycopgInstrumentor().instrument(tracer_provider=provider)

    def app(self, app: ASGIApp) -> ASGIApp:
        """Around everything: Litestar's plugin for the same library sits inside of our logging, and
        would not know the routes."""
        traced: ASGIApp = OpenTelemetryMiddleware(
            app,
            excluded_urls=PROBES,
            default_span_details=lambda scope: (str(scope.get("method", scope["type"])), {}),
            exclude_spans=["receive", "send"],
            tracer_provider=self._provider,
        )
        return traced

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
            yield

    @contextmanager
    def run(
        self, traceparent: str | None, claimed_since: int, attributes: Attributes
    ) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            "sync",
            context=self._remote(traceparent),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            start_time=claimed_since,
        ):
            claim = self._tracer.start_span("claim", start_time=claimed_since)
            claim.end(time.time_ns())
            yield

    @contextmanager
    def command(self, name: str, traceparent: str | None) -> Iterator[None]:
        # INTERNAL is what OpenTelemetry's conventions for command lines say.
        with self._tracer.start_as_current_span(name, context=self._remote(traceparent)):
            yield

    def _remote(self, traceparent: str | None) -> Context:
        return self._propagator.extract({"traceparent": traceparent} if traceparent else {})

    def describe(self, attributes: Attributes, name: str | None) -> None:
        current = trace.get_current_span()
        if name:
            current.update_name(name)
        current.set_attributes(attributes)

    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent")

    def thread_initializer(self) -> Callable[[], None]:
        def attach(current: Context) -> None:
            context.attach(current)

        return partial(attach, context.get_current())


class _Redacting(SpanProcessor):
    """Hands ended spans on, without what is not to be sent."""

    def __init__(self, next_processor: SpanProcessor) -> None:
        self._next = next_processor

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._next.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        # Polls, heartbeats and housekeeping belong to no trace.
        if span.parent is not None or span.kind is not SpanKind.CLIENT:
            self._next.on_end(_redacted(span))

    def shutdown(self) -> None:
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return bool(self._next.force_flush(timeout_millis))


def _redacted(span: ReadableSpan) -> ReadableSpan:
    attributes = _sent(span.attributes)
    statement = str(attributes.get("db.statement", attributes.get("db.query.text", "")))
    function = FUNCTION.search(statement)
    return ReadableSpan(
        name=function[1] if function else span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[Event(each.name, _sent(each.attributes), each.timestamp) for each in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _sent(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in SENT}
