"""Logs as JSON lines: one a request, and an audit stream. Nothing of a chart or a token gets in.

What is logged comes from closed lists: ids of our services, clients, rules and cards, statuses and
durations. Text of a request is never passed on, except the cut `iss`, `kid` and `jti` of a token
in the audit stream.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from cds_service.clinical.assessment import Assessment, Tier

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
ABORTED = 499
"""Status in logs and figures where the client went away before there was an answer."""
_SEVERITY = (Tier.NONE, Tier.MODERATE, Tier.HIGH)


@dataclass(frozen=True, slots=True)
class CardShown:
    """What the figures know of one card: ids of our own knowledge, nothing of the patient."""

    row: str
    card: str
    tier: str
    indicator: str


@dataclass(slots=True)
class Trace:
    """What is known of one call, for its log line, its figures and the header Server-Timing."""

    request_id: str
    flags: str = "00"
    service: str | None = None
    hook: str | None = None
    client: str | None = None
    tier: str | None = None
    rules: tuple[str, ...] = ()
    cards: tuple[CardShown, ...] = ()
    knowledge: str | None = None
    skipped: int = 0  # entries that could not be read
    foreign: int = 0  # resources of other patients
    stages: dict[str, float] = field(default_factory=dict)  # seconds
    started: float = field(default_factory=time.perf_counter)
    status: int | None = None  # of the answer, once it has begun

    @property
    def traceparent(self) -> str:
        """The header for calls made on behalf of this one (W3C Trace Context, level 1)."""
        return f"00-{self.request_id}-{secrets.token_hex(8)}-{self.flags}"

    def decided(self, assessment: Assessment) -> None:
        """Keep what was decided: tier, the ids of the rules that fired, and the cards."""
        guidances = assessment.guidances
        self.knowledge = assessment.knowledge_version
        self.skipped, self.foreign = assessment.skipped, assessment.foreign
        self.tier = str(max((g.tier for g in guidances), key=_SEVERITY.index, default=Tier.NONE))
        rules = {finding.rule for guidance in guidances for finding in guidance.findings}
        self.rules = tuple(sorted(rules))
        self.cards = tuple(
            CardShown(g.row, g.card or "", str(g.tier), g.indicator or "")
            for g in assessment.spoken
        )


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(traceparent: str | None) -> Trace:
    """Start the trace of a call. Its id comes from a valid `traceparent`, else it is random."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found and found[1].strip("0") and found[2].strip("0"):
        trace = Trace(found[1], found[3])
    else:
        trace = Trace(secrets.token_hex(16))
    _current.set(trace)
    return trace


def current() -> Trace:
    """The trace of this call; a loose one outside of a call (command line, tests)."""
    return _current.get() or Trace("0" * 32)


class stage:
    """Add the time spent inside a `with` to a stage of this call."""

    __slots__ = ("_name", "_started", "_trace")

    def __init__(self, name: str) -> None:
        self._name = name
        self._trace = current()
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        stages, name = self._trace.stages, self._name
        stages[name] = stages.get(name, 0.0) + time.perf_counter() - self._started


def log_request(trace: Trace, method: str, seconds: float) -> None:
    """Write the line of one call. Durations are in milliseconds."""
    facts = {
        "method": method,
        "status": trace.status or ABORTED,
        "ms": round(seconds * 1000, 3),
        "stages": {name: round(spent * 1000, 3) for name, spent in trace.stages.items()},
        "cards": [shown.card for shown in trace.cards],
        "request_id": trace.request_id,
        "service": trace.service,
        "hook": trace.hook,
        "client": trace.client,
        "tier": trace.tier,
        "rules": trace.rules,
        "knowledge": trace.knowledge,
        "skipped": trace.skipped,
        "foreign": trace.foreign,
    }
    said = {name: value for name, value in facts.items() if value or name in _ALWAYS}
    _write("request", "info", "request", said)


def audit(event: str, **facts: object) -> None:
    """Write a line of the audit stream: who was let in or not, what configuration is in force."""
    trace = _current.get()
    if trace is not None:
        facts["request_id"] = trace.request_id
    _write(event, "info", "audit", facts)


def warn(event: str, **facts: object) -> None:
    """Write a warning to the service's own stream."""
    _write(event, "warning", "service", facts)


def failed(error: BaseException, path: str) -> None:
    """Write down a bug of ours: the type of the error and where, never its message.

    The message of an error may quote the chart.
    """
    facts = {"error": type(error).__name__, "at": path, "request_id": current().request_id}
    _write("unexpected", "error", "service", facts)


# --- set-up ---


_ALWAYS = frozenset({"stages", "cards", "ms"})
_JSON = msgspec.json.Encoder(order="sorted", enc_hook=str)


def _write(event: str, level: str, stream: str, facts: Mapping[str, object]) -> None:
    """One line on standard error, whatever stands behind it at that moment.

    A logging library is not worth its import here, which would cost as much as FastAPI's.
    """
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {"event": event, "level": level, "stream": stream, "timestamp": now, **facts}
    sys.stderr.write(_JSON.encode(line).decode() + "\n")
    sys.stderr.flush()


class LibraryFormatter(logging.Formatter):
    """Lines of uvicorn and other libraries: as JSON, with the type of an error but no message."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "stream": "library",
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


LIBRARY_LOGS: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": f"{__name__}.LibraryFormatter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"httpx": {"level": "WARNING"}, "uvicorn.access": {"level": "CRITICAL"}},
}
"""For logging.config.dictConfig (uvicorn's `log_config`). httpx logs URLs at INFO: patient ids."""
