"""Traces over OTLP (extra `otel`): a view of what is known of a call, for OpenTelemetry's SDK.

Loaded only where CDS_TRACES_URL is set. A call makes its spans in memory and never waits for the
collector: a thread of the SDK sends them, and drops them where they are too many. Attributes are
those of ATTRIBUTES and no others; nothing of a chart, a token or a URL is among them.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from cds_service.ops import build, log, metrics
from cds_service.ops.calls import ABORTED, CallLog, CallPart

ATTRIBUTES = frozenset(
    {
        "cds.cards", "cds.client", "cds.hook", "cds.input", "cds.knowledge", "cds.mode",
        "cds.rules", "cds.service", "cds.tier", "cds.withheld", "error.type",
        "http.request.method", "http.response.status_code", "server.address", "server.port",
    }
)  # fmt: skip
"""All that a span may say. Names with `cds.` are ours, the others are those of the semantic
conventions of OpenTelemetry (https://opentelemetry.io/docs/specs/semconv/http/)."""

MOST_WAITING = 2048
"""Spans that wait to be sent; more are dropped."""
_SEND_SECONDS = 5.0  # for one batch, with what is tried again
_DELAY_MS = 1000.0
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("cds_service", build.VERSION)

_Facts = Mapping[str, str | int | Sequence[str] | None]


class Traces:
    """Makes spans of calls and has them sent to `url`, an OTLP/HTTP receiver.

    `share` (0 to 1) is that of the calls without a `traceparent` that are recorded; of the others
    the caller says it. `ca_file` holds the authorities of an https receiver. The SDK reads the
    variables OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES.
    """

    def __init__(self, url: str, share: float = 1.0, ca_file: Path | None = None) -> None:
        self._url, self._share, self._ca_file = url, share, ca_file
        self._sender: BatchSpanProcessor | None = None
        self._resource = Resource.create(
            {
                "service.name": "cds-service",
                "service.version": build.VERSION,
                "host.name": socket.gethostname(),
            }
        )

    def start(self) -> None:
        """Send from here on; what was handed over before is lost."""
        # Its lines quote what the collector answers: ours say that sending failed, once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        session = requests.Session()
        session.trust_env = False  # no proxy of the environment, as for all that calls out
        authorities = str(self._ca_file) if self._ca_file else None
        exporter = OTLPSpanExporter(
            endpoint=self._url, certificate_file=authorities, timeout=_SEND_SECONDS, session=session
        )
        self._sender = BatchSpanProcessor(
            Watched(exporter), max_queue_size=MOST_WAITING, schedule_delay_millis=_DELAY_MS
        )

    def stop(self, seconds: float) -> None:
        """Send what waits, for so long at most, and end. Blocks: call it in a thread."""
        sender, self._sender = self._sender, None
        if sender is not None:
            # Its own limit is half a minute, and the end of the process does not wait for it.
            last = threading.Thread(target=sender.shutdown, daemon=True)
            last.start()
            last.join(seconds)

    def begin(self, call: CallLog) -> None:
        """Record a call if its caller does, or by the share."""
        drawn = random.random() < self._share  # noqa: S311  # a sample, not a secret
        if call.is_sampled if call.caller_span is not None else drawn:
            call.record()

    def end(self, call: CallLog, seconds: float) -> None:
        """Hand over the spans of a call that is answered, if its caller was let in."""
        sender = self._sender
        if call.parts is None or call.client is None or sender is None:
            return
        zero = time.time_ns() - int(time.perf_counter() * 1e9)
        whole = [_part_of(call, seconds), *call.parts]
        for part in whole:
            sender.on_end(self._span(call, part, zero))
        metrics.spans.labels("handed").inc(len(whole))

    def _span(self, call: CallLog, part: CallPart, zero: int) -> ReadableSpan:
        """A part as a span; `zero` is when `time.perf_counter` began, in nanoseconds of Unix."""
        is_call = part.span == call.span
        kind = SpanKind.SERVER if is_call else SpanKind.INTERNAL
        return ReadableSpan(
            part.name,
            context=_context(call, part.span),
            parent=_context(call, part.parent, is_remote=is_call) if part.parent else None,
            resource=self._resource,
            attributes=_allowed(_facts(call) if is_call else part.facts),
            kind=SpanKind.CLIENT if part.leaves else kind,
            status=Status(StatusCode.ERROR) if part.failed else Status(),
            start_time=zero + int(part.began * 1e9),
            end_time=zero + int(part.ended * 1e9),
            instrumentation_scope=_SCOPE,
        )


class Watched(SpanExporter):
    """Counts what is sent and what is not, and says once when it begins and ends to fail."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._fails = False
        for outcome in ("handed", "sent", "failed"):  # Prometheus sees no increase from nothing
            metrics.spans.labels(outcome)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; never raises."""
        why = "the receiver did not take them"
        try:
            result = self._inner.export(spans)
        except Exception as error:  # whatever the libraries raise: calls go on, and it is told
            result, why = SpanExportResult.FAILURE, type(error).__name__
        failed = result is not SpanExportResult.SUCCESS
        metrics.spans.labels("failed" if failed else "sent").inc(len(spans))
        if failed and not self._fails:
            log.warn("traces cannot be sent", why=why, mend="look at CDS_TRACES_URL")
        elif self._fails and not failed:
            log.warn("traces are sent again")
        self._fails = failed
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanExporter."""
        return self._inner.force_flush(timeout_millis)


def _part_of(call: CallLog, seconds: float) -> CallPart:
    """The call itself."""
    status = call.status or ABORTED
    name = f"POST {call.service}" if call.service else "call"
    parent = call.caller_span or ""
    ended = call.started + seconds
    return CallPart(name, call.span, parent, call.started, ended, failed=status >= 500)


def _facts(call: CallLog) -> _Facts:
    return {
        "http.response.status_code": call.status or ABORTED,
        "cds.service": call.service,
        "cds.hook": call.hook,
        "cds.client": call.client,
        "cds.mode": call.mode,
        "cds.tier": call.tier,
        "cds.cards": tuple(shown.card for shown in call.cards),
        "cds.withheld": tuple(shown.card for shown in call.withheld),
        "cds.rules": call.rules,
        "cds.knowledge": call.knowledge,
    }


def _allowed(facts: _Facts) -> dict[str, str | int | Sequence[str]]:
    """What may be said, without what is not known."""
    return {
        name: value
        for name, value in facts.items()
        if name in ATTRIBUTES and value is not None and value != ()
    }


def _context(call: CallLog, span: str, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(call.request_id, 16), int(span, 16), is_remote, _SAMPLED)
