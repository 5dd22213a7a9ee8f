"""Watches over a request: begins the log of its call, and ends it with figures, trace and line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cds_service.ops import calls, log, metrics
from cds_service.ops.calls import CallLog
from cds_service.ops.quota import Quota

if TYPE_CHECKING:
    from cds_service.ops.otel import Traces

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"})


class Reports:
    """Of all requests of an application. The path is not logged: whoever calls a wrong URL may have
    put anything into it."""

    def __init__(self, traces: Traces | None) -> None:
        self._traces = traces
        self._of_nobody = Quota(log.requests_held_back)

    def begin(self, traceparent: str | None) -> CallLog:
        """The log of a call that begins now."""
        call = calls.begin(traceparent)
        if self._traces is not None:
            self._traces.begin(call)
        return call

    def end(self, call: CallLog, method: str, path: str) -> None:
        """The answer is on its way."""
        seconds = time.perf_counter() - call.started
        metrics.observe(call, seconds)
        if self._traces is not None:
            self._traces.end(call, seconds)
        is_probe = path.startswith(("/health/", "/metrics")) and call.status == 200
        if is_probe or (call.client is None and not self._of_nobody.allows(str(call.status))):
            return
        log.log_request(call, method if method in _METHODS else "other", seconds)
