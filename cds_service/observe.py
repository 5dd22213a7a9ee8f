"""Watches every request: its trace, its line in the log, its figures, and Server-Timing."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service import metrics, telemetry
from cds_service.telemetry import Trace

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"})
_ABORTED = 499  # the client went away before there was an answer


class Observe:
    """Outermost of all, so that nothing goes past it.

    The path is not logged: whoever calls a wrong URL may have put anything into it.
    """

    def __init__(self, app: ASGIApp, *, server_timing: bool) -> None:
        self.app = app
        self._server_timing = server_timing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace = telemetry.begin(_header(scope, b"traceparent"))
        status = _ABORTED

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._server_timing:
                    message["headers"] = [*message["headers"], _server_timing(trace)]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            _report(trace, scope, status)


def _report(trace: Trace, scope: Scope, status: int) -> None:
    seconds = time.perf_counter() - trace.started
    metrics.observe(trace, status, seconds)
    is_probe = scope["path"].startswith(("/health/", "/metrics")) and status == 200
    if not is_probe:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        telemetry.log_request(trace, method, status, seconds)


def _server_timing(trace: Trace) -> tuple[bytes, bytes]:
    """https://www.w3.org/TR/server-timing/ : the stages of this call, in milliseconds."""
    total = time.perf_counter() - trace.started
    parts = [f"{name};dur={spent * 1000:.2f}" for name, spent in trace.stages.items()]
    return b"server-timing", ", ".join([*parts, f"total;dur={total * 1000:.2f}"]).encode()


def _header(scope: Scope, name: bytes) -> str | None:
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None
