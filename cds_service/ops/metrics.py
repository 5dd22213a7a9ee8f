"""Figures for Prometheus. With several workers each writes to a shared directory."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_service.ops.calls import ABORTED, CallLog

SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of prometheus-client; `server.run` sets it before the workers start."""

CONTENT_TYPE = CONTENT_TYPE_LATEST
_Figure = TypeVar("_Figure", Counter, Histogram)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

requests = Histogram(
    "cds_request_seconds",
    "Time from the first byte of a request's header to the end of the answer.",
    ("service", "status"),
    buckets=_BUCKETS,
)
stages = Histogram(
    "cds_stage_seconds", "Time of one stage of a call.", ("stage",), buckets=_BUCKETS
)
cards = Counter(
    "cds_cards", "Cards that were answered.", ("service", "row", "card", "tier", "indicator")
)
withheld = Counter(
    "cds_cards_withheld",
    "Cards that were decided and not shown: their client, or its user, is in shadow.",
    ("service", "row", "card", "tier", "indicator"),
)
answers = Counter(
    "cds_answers", "Calls that were answered, by the mode for their user.", ("client", "mode")
)
repeats = Counter(
    "cds_repeats",
    "Warnings of which an earlier answer was looked for: answered, new, or shown because the "
    "look-up was late or failed.",
    ("client", "result"),
)
rules = Counter("cds_rules", "Rules of the clinical content that fired.", ("rule",))
inputs = Counter(
    "cds_inputs",
    "Inputs of calls that looked at the chart, by what became of them.",
    ("input", "state"),
)
dropped = Counter(
    "cds_entries_dropped",
    "Entries of calls that could not be read, and resources of other patients.",
    ("service", "why"),
)
not_understood = Counter(
    "cds_not_understood",
    "Draft orders, and entries of charts, of which no code is in a system that can be read.",
    ("service", "input", "system"),
)
fetches = Counter("cds_fetches", "Reads from FHIR servers.", ("input", "outcome"))
refused = Counter("cds_auth_failures", "Calls without an accepted token.", ("reason",))
overloaded = Counter("cds_overloaded", "Calls that were sent away because there were too many.")
client_refused = Counter(
    "cds_client_refused",
    "Calls that were sent away because their client has too many.",
    ("client", "why"),
)
outran = Counter("cds_outran", "Calls that were ended because they needed too much time.")
issued_dropped = Counter("cds_issued_dropped", "Records of issued cards that were not stored.")
log_dropped = Counter("cds_log_lines_dropped", "Log lines that could not be written.", ("stream",))
connections_refused = Counter(
    "cds_connections_refused", "Connections that were closed for what came over them.", ("why",)
)
spans = Counter(
    "cds_spans",
    "Spans of traces: handed over, and then sent or failed; what is neither was dropped.",
    ("outcome",),
)
under_way = Gauge(
    "cds_requests_under_way", "Calls being answered now.", multiprocess_mode="livesum"
)


switched_off = Gauge(
    "cds_switched_off",
    "1 while the service is switched off, or whether it is cannot be read.",
    multiprocess_mode="livemax",
)

degraded = Gauge(
    "cds_degraded",
    "1 while readiness names a problem. Looked at when figures are asked for.",
    multiprocess_mode="livemostrecent",  # of the worker that was asked last
)


def observe(call: CallLog, seconds: float) -> None:
    """Count one call."""
    service = call.service or "other"
    _of(requests, service, str(call.status or ABORTED)).observe(seconds)
    for name, spent in call.stages.items():
        _of(stages, name).observe(spent)
    if call.mode is not None:
        _of(answers, call.client or "anonymous", call.mode).inc()
    if not call.examined:
        _count_decided(call, service)


def _count_decided(call: CallLog, service: str) -> None:
    """What was read and decided. Of an examination only that there was one: no clinician saw it."""
    for shown in call.cards:
        _of(cards, service, shown.row, shown.card, shown.tier, shown.indicator).inc()
    for shown in call.withheld:
        _of(withheld, service, shown.row, shown.card, shown.tier, shown.indicator).inc()
    if call.skipped:
        _of(dropped, service, "unreadable").inc(call.skipped)
    if call.foreign:
        _of(dropped, service, "foreign").inc(call.foreign)
    for figure in _inputs_of(call.inputs):
        figure.inc()
    for name, systems in call.not_understood.items():
        for system, count in systems.items():
            _of(not_understood, service, name, system).inc(count)
    for rule in call.rules:
        _of(rules, rule).inc()


@lru_cache(maxsize=2_000)  # all labels come from closed lists
def _of(figure: _Figure, *labels: str) -> _Figure:
    """The figure for these labels, remembered: looking it up costs more than counting."""
    return figure.labels(*labels)


@lru_cache(maxsize=2_000)  # most calls have one of a few patterns
def _inputs_of(states: tuple[tuple[str, str], ...]) -> tuple[Counter, ...]:
    return tuple(inputs.labels(name, state) for name, state in states)


def forget(worker: int | None) -> None:
    """Leave out what a worker that is gone was doing, and how its switch stood. Counts stay."""
    if worker is not None and SHARED_DIRECTORY in os.environ:
        mark_process_dead(worker)  # type: ignore[no-untyped-call]  # it has no types


def exposition() -> bytes:
    """All figures as Prometheus text, of all workers together."""
    return generate_latest(registry())


def registry() -> CollectorRegistry:
    """Where the figures of all workers can be read."""
    if SHARED_DIRECTORY not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # its __init__ has no types
    return together
