"""Prometheus metrics of all processes of this copy: requests by tenant, queue depths, tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import structlog
from django.http import HttpRequest, HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector
from prometheus_client.values import ValueClass

from celery_worker import broker
from celery_worker.queues import QUEUES

log = structlog.get_logger(__name__)

REQUESTS = Counter(
    "finops_http_requests_total", "Requests answered", ["tenant", "method", "status"]
)
LATENCY = Histogram(
    "finops_http_request_seconds",
    "Time to answer, in seconds",
    ["tenant"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsMiddleware:
    """Counts and times every request that reaches a tenant or the operator's site."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        tenant = getattr(getattr(request, "tenant", None), "schema", "none")
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(tenant, method, f"{response.status_code // 100}xx").inc()
        LATENCY.labels(tenant).observe(time.perf_counter() - started)
        return response


class QueueDepths(Collector):
    """Asks the broker, at the moment of the scrape, how many tasks wait in each queue."""

    def collect(self) -> Iterable[Metric]:
        try:
            waiting = broker.depths(list(QUEUES))
        except broker.BrokerUnavailable as error:
            log.warning("queue depths unavailable", error=str(error))
            return
        gauge = GaugeMetricFamily("finops_queue_tasks", "Tasks waiting", labels=["queue"])
        for queue, count in waiting.items():
            gauge.add_metric([queue], count)
        yield gauge


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, of all processes that share a directory."""
    registry = CollectorRegistry()
    registry.register(QueueDepths())
    if _shares_a_directory():
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(registry) + generate_latest(REGISTRY)


def _shares_a_directory() -> bool:
    """`PROMETHEUS_MULTIPROC_DIR` decides at import time; the supervisor sets it for all of them."""
    return bool(ValueClass.__name__ == "MmapedValue")
