"""Logs as JSON lines on standard error: one a request, an audit stream, warnings, libraries.

Nothing of a chart or a token gets in: what is logged comes from closed lists, see `calls`. Text of
a request is never passed on, except the cut `iss`, `kid` and `jti` of a token in the audit stream.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from cds_service.ops.calls import ABORTED, CallLog, current, request_id

_ALWAYS = frozenset({"stages", "cards", "ms"})
_JSON = msgspec.json.Encoder(order="sorted", enc_hook=str)
_LOGGER = logging.getLogger("cds_service")


def log_request(call: CallLog, method: str, seconds: float) -> None:
    """Write the line of one call. Durations are in milliseconds."""
    facts = {
        "method": method,
        "status": call.status or ABORTED,
        "ms": round(seconds * 1000, 3),
        "stages": {name: round(spent * 1000, 3) for name, spent in call.stages.items()},
        "cards": [shown.card for shown in call.cards],
        "request_id": call.request_id,
        "service": call.service,
        "hook": call.hook,
        "client": call.client,
        "tier": call.tier,
        "rules": call.rules,
        "knowledge": call.knowledge,
        "skipped": call.skipped,
        "foreign": call.foreign,
    }
    said = {name: value for name, value in facts.items() if value or name in _ALWAYS}
    _write("request", logging.INFO, "request", said)


def audit(event: str, **facts: object) -> None:
    """Write a line of the audit stream: who was let in or not, what configuration is in force."""
    if (request := request_id()) is not None:
        facts["request_id"] = request
    _write(event, logging.INFO, "audit", facts)


def warn(event: str, **facts: object) -> None:
    """Write a warning to the service's own stream."""
    _write(event, logging.WARNING, "service", facts)


def failed(error: BaseException, path: str) -> None:
    """Write down a bug of ours: the type of the error and where, never its message.

    The message of an error may quote the chart.
    """
    facts = {"error": type(error).__name__, "at": path, "request_id": current().request_id}
    _write("unexpected", logging.ERROR, "service", facts)


# --- set-up ---


def _write(event: str, level: int, stream: str, facts: Mapping[str, object]) -> None:
    if _LOGGER.isEnabledFor(level):
        # `Logger.log` would look for the caller's line, which no line of ours has.
        record = logging.LogRecord(_LOGGER.name, level, "", 0, event, None, None)
        record.stream, record.facts = stream, facts
        _LOGGER.handle(record)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON, with the type of an error but not its message.

    Written with msgspec, which is here anyway: a formatter of a library copies every attribute of
    a record and would have to be told what to leave out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line: dict[str, object] = {"level": record.levelname.lower(), "timestamp": at}
        facts: Mapping[str, object] | None = getattr(record, "facts", None)
        if facts is not None:
            line |= {"event": record.msg, "stream": getattr(record, "stream", "service"), **facts}
        else:
            line |= {"event": record.getMessage(), "stream": "library", "logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return _JSON.encode(line).decode()


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever is standard error at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(JsonFormatter())

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # the base class keeps one for good
        """Standard error now."""
        return sys.stderr


def configure() -> None:
    """Write our own lines as JSON. Without it, as on the command line, warnings are plain text."""
    if not _LOGGER.handlers:
        _LOGGER.addHandler(StandardError())
        _LOGGER.setLevel(logging.INFO)
        _LOGGER.propagate = False


LIBRARY_LOGS: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": f"{__name__}.StandardError"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"httpx": {"level": "WARNING"}, "uvicorn.access": {"level": "CRITICAL"}},
}
"""For logging.config.dictConfig (uvicorn's `log_config`). httpx logs URLs at INFO: patient ids."""
