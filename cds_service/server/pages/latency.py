"""Percentiles of the time that calls take, estimated from the figures of this process."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

Bucket = tuple[float, float]
"""Upper bound in seconds, and how many were at or below it."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Calls of one kind: their number, and percentiles in milliseconds."""

    name: str
    count: int
    p50: float
    p95: float
    p99: float


def read(families: Iterable[Metric], metric: str, label: str) -> list[Latency]:
    """One line for each value of a label of a histogram; other labels are added up."""
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    samples = (s for family in families if family.name == metric for s in family.samples)
    for sample in samples:
        if sample.name == f"{metric}_bucket":
            buckets[sample.labels[label]][float(sample.labels["le"])] += sample.value
    return [_latency(name, sorted(found.items())) for name, found in sorted(buckets.items())]


def _latency(name: str, buckets: Sequence[Bucket]) -> Latency:
    p50, p95, p99 = (quantile(buckets, part) * 1000 for part in (0.5, 0.95, 0.99))
    return Latency(name, int(buckets[-1][1]), p50, p95, p99)


def quantile(buckets: Sequence[Bucket], part: float) -> float:
    """The value in seconds below which a part of all lies, as Prometheus estimates it.

    Inside a bucket values count as evenly spread (histogram_quantile); beyond the last finite
    bound there is nothing to go by, so that bound is given. 0 without any value.
    """
    total = buckets[-1][1] if buckets else 0.0
    wanted = part * total
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return 0.0
