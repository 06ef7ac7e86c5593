"""Metrics for Prometheus: requests of this process, and the syncs of all processes."""

from collections.abc import Iterator
from functools import partial

from litestar.types import HTTPScope
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as as_text
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from service import logs
from service.api.health_facts import Health, WebhookCounts

BOUND = "exact up to 3,000, an estimate beyond"
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class RequestMetrics:
    """Counts the requests of one app.

    Litestar's Prometheus middleware sits inside the error handling: it would count a refused
    request as answered with 200, and unknown addresses not at all.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gmail_sync_http_requests",
            "Requests answered",
            ["method", "path", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "gmail_sync_http_request_duration_seconds",
            "Time from a request to the end of its answer",
            ["method", "path"],
            registry=self.registry,
        )
        self.registry.register(_DroppedLines())

    def observe(self, scope: HTTPScope, status: int, seconds: float) -> None:
        """Count a request that has been routed; its path is the route's, not the client's."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        path = scope.get("path_template", "unknown")
        self._requests.labels(method, path, status).inc()
        self._seconds.labels(method, path).observe(seconds)

    def text(self, health: Health | None) -> bytes:
        """All metrics in the text format of Prometheus."""
        return b"".join(as_text(each) for each in (REGISTRY, self.registry, _syncs(health)))


class _DroppedLines(Collector):
    def collect(self) -> Iterator[CounterMetricFamily]:
        meaning = "Log lines that this process could not write"
        yield CounterMetricFamily("gmail_sync_log_lines_dropped", meaning, logs.dropped.total)


class _Deliveries(Collector):
    """Counted by the database, whichever process sends."""

    def __init__(self, counts: WebhookCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        meaning = "Attempts to deliver an event to a webhook"
        family = CounterMetricFamily("gmail_sync_webhook_deliveries", meaning, labels=["outcome"])
        for outcome in ("accepted", "refused", "unanswered"):
            family.add_metric([outcome], getattr(self._counts, outcome))
        yield family


def _syncs(health: Health | None) -> CollectorRegistry:
    """A registry for one scrape, so that no value is outdated."""
    registry = CollectorRegistry()
    gauge = partial(Gauge, namespace="gmail_sync", registry=registry)
    gauge("database_up", "Whether the database answered this scrape").set(health is not None)
    if health is None:
        return registry
    statistics, queue = health.statistics, health.queue
    gauge("healthy", "Whether syncs are healthy").set(health.healthy)
    gauge("accounts", f"Accounts; {BOUND}").set(statistics.total_users)
    gauge("active_syncs", f"Runs a worker holds; {BOUND}").set(statistics.active_syncs)
    gauge("zombie_tasks", f"Runs that lost their worker; {BOUND}").set(statistics.zombie_tasks)
    gauge("inconsistent_tasks", "Runs in an inconsistent state").set(statistics.inconsistent_tasks)
    gauge("queue_waiting", f"Runs no worker has claimed; {BOUND}").set(queue.waiting)
    gauge("queue_age_seconds", "Wait of the first due run").set(queue.oldest_seconds or 0)
    gauge("workers", "Live workers").set(health.workers)
    gauge("worker_slots", "Slots of live workers").set(health.slots.configured)
    gauge("living_worker_slots", "Slots that work").set(health.slots.living)
    gauge("worker_log_lines_dropped", "Log lines that live workers could not write").set(
        health.dropped_log_lines
    )
    gauge("dead_letters", f"Messages given up; {BOUND}").set(health.dead_letters)
    gauge("accounts_to_reconnect", f"Accounts Google refuses; {BOUND}").set(
        health.accounts_to_reconnect
    )
    gauge("watches_ending", "Watches that end within a day or were refused; at most 3,000").set(
        health.watches_ending
    )
    webhooks = health.webhooks
    gauge("webhooks", "Webhooks").set(webhooks.total)
    gauge("failing_webhooks", "Webhooks that accept nothing").set(webhooks.failing)
    gauge("disabled_webhooks", "Webhooks that get nothing more").set(webhooks.disabled)
    gauge("webhook_delay_seconds", "Longest wait of a user's next event").set(
        webhooks.oldest_seconds or 0
    )
    registry.register(_Deliveries(webhooks))
    gauge("vacuum_problems", "What keeps vacuum from doing its work").set(health.vacuum_problems)
    gauge("oldest_transaction_seconds", "Age of the transaction that holds back vacuum").set(
        health.oldest_transaction_seconds or 0
    )
    gauge("notify_queue_percent", "How full the NOTIFY queue is").set(health.notify_queue_percent)
    quota_used = gauge("quota_day_used_percent", "Google's daily quota that is used", ["profile"])
    for day in health.quota:
        quota_used.labels(day.profile).set(day.used_percent)
    estimated = gauge("estimated", "1 for each count of health that is an estimate", ["count"])
    for name in health.estimates:
        estimated.labels(name).set(1)
    reaper_age = gauge("reaper_age_seconds", "Time since a reaper's last pass", ["reaper"])
    for reaper, seconds in health.reapers.items():
        reaper_age.labels(reaper).set(seconds)
    node_healthy = gauge("node_healthy", "Whether a node answers and is healthy", ["node"])
    for each in health.nodes:
        node_healthy.labels(each.node).set(each.healthy)
    return registry
