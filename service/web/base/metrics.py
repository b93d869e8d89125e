"""Prometheus metrics of this process."""

from collections import Counter as Counted
from collections.abc import Iterable
from datetime import date

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

registry = CollectorRegistry()
REQUESTS = Counter(
    "xianying_requests_total", "Requests by route", ("method", "route", "status"), registry=registry
)
SECONDS = Histogram(
    "xianying_request_seconds",
    "Time to an answer",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=registry,
)
WEEK = Gauge("xianying_week_days", "As-of day of the newest week, in days since 1970", registry=registry)

ALARMS = Gauge("xianying_alarms", "Alarms of the newest look back, by kind", ("kind",), registry=registry)


def alarms(kinds: Iterable[str]) -> None:
    """Set the gauge of alarms. ``kinds``: of each alarm; a kind that is gone has none any more."""
    ALARMS.clear()
    for kind, count in Counted(kinds).items():
        ALARMS.labels(kind).set(count)


def week(as_of: str) -> None:
    """Set the gauge of the newest week."""
    WEEK.set((date.fromisoformat(as_of) - date(1970, 1, 1)).days)


_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request and its time, in seconds.

    ``route``: the route's pattern, never the path, which may name a household.
    """
    children = _children.get((method, route, status))
    if children is None:
        children = REQUESTS.labels(method, route, str(status)), SECONDS.labels(route)
        _children[method, route, status] = children
    children[0].inc()
    children[1].observe(seconds)


def exposition() -> bytes:
    """Return the metrics as the text that Prometheus reads."""
    return generate_latest(registry)
