"""Figures of the service for Prometheus, in a registry of their own."""

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from aen_service.database import DATASETS, SEARCHES, Database
from aen_service.searches.records import STATES

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """Counts requests, and reads the state of searches when it is asked.

    Args:
        database: of the service.
    """

    media = CONTENT_TYPE_LATEST

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Searches(database))
        self._requests = Counter(
            "aen_http_requests",
            "Requests by method, template of the path, and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "aen_http_request_seconds",
            "Time to answer a request, without event streams.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None for an event stream."""
        method = method if method in _METHODS else "other"  # a client cannot make labels
        self._requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(method, route).observe(seconds)

    def text(self, **now: int) -> bytes:
        """Return everything in Prometheus' text format.

        Args:
            now: further figures of this moment: the watchers and uploads.
        """
        registry = CollectorRegistry()
        registry.register(_Now(now))
        return generate_latest(self._registry) + generate_latest(registry)


class _Now(Collector):
    def __init__(self, figures: dict[str, int]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield the figures."""
        for name, value in self._figures.items():
            yield GaugeMetricFamily(f"aen_{name}", f"{name.capitalize()} that are open.", value=value)


class _Searches(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Return nothing: the database is not read when it is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the number of searches by state, of their children, and of the data sets."""
        columns = (SEARCHES.c.state, sa.func.count(), sa.func.sum(SEARCHES.c.children))
        query = sa.select(*columns).group_by(SEARCHES.c.state)
        rows = self._database.rows(query)
        by_state = {state: number for state, number, _ in rows}
        searches = GaugeMetricFamily("aen_searches", "Searches by state.", labels=("state",))
        for state in STATES:
            searches.add_metric((state,), by_state.get(state, 0))
        yield searches
        yield GaugeMetricFamily("aen_queue_length", "Searches that wait.", value=by_state.get("queued", 0))
        trained = sum(children or 0 for _, _, children in rows)
        yield GaugeMetricFamily("aen_children", "Children that the searches have trained or looked up.", value=trained)
        stored = sa.select(sa.func.count(), sa.func.sum(DATASETS.c.bytes))
        number, size = self._database.rows(stored)[0]
        yield GaugeMetricFamily("aen_datasets", "Data sets that were uploaded.", value=number)
        yield GaugeMetricFamily("aen_dataset_bytes", "Bytes of the data sets that were uploaded.", value=size or 0)
