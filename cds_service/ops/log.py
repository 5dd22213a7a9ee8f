"""Logs as JSON lines on standard error: one a request, an audit stream, warnings, libraries.

A terminal gets the same facts as lines for people. Nothing of a chart or a token gets in: what is
logged comes from closed lists, see `calls`. Text of a request is never passed on, except the cut
`iss`, `kid` and `jti` of a token in the audit stream.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import msgspec

from cds_service.ops import log_sink
from cds_service.ops.calls import ABORTED, CallLog, current, request_id
from cds_service.ops.log_writer import AUDIT, OTHER, LogQueue
from cds_service.ops.quota import Quota, close_all

_PACKAGE = Path(__file__).parent.parent
_STRICT_SECONDS = 1.0
_SIMPLE = re.compile(r"[\w./:+-]+", re.ASCII)
_SHORT = 80  # characters of one claim of a refused token

_JSON = msgspec.json.Encoder(order="sorted", enc_hook=str)
_LOGGER = logging.getLogger("cds_service")


def log_request(call: CallLog, method: str, seconds: float) -> None:
    """Write the line of one call. Durations are in milliseconds."""
    if not _LOGGER.handlers:  # as on the command line: only warnings are shown
        return
    line = RequestLine(
        cards=[shown.card for shown in call.cards] if call.cards else [],
        client=call.client,
        event="request",
        foreign=call.foreign,
        hook=call.hook,
        knowledge=call.knowledge,
        level="info",
        method=method,
        mode=call.mode,
        ms=_milliseconds(seconds),
        not_understood=call.not_understood,
        request_id=call.request_id,
        rules=call.rules,
        service=call.service,
        skipped=call.skipped,
        stages={name: _milliseconds(t) for name, t in call.stages.items()} if call.stages else {},
        status=call.status or ABORTED,
        stream="request",
        tier=call.tier,
        timestamp=datetime.now(UTC),
        withheld=[shown.card for shown in call.withheld] if call.withheld else [],
    )
    _OTHER.put(line)


def _milliseconds(seconds: float) -> float:
    """To the microsecond; `round` goes through text and takes ten times as long."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def audit(event: str, **facts: object) -> None:
    """Write a line of the audit stream: who was let in or not, what configuration is in force."""
    if (request := request_id()) is not None:
        facts["request_id"] = request
    _write(event, logging.INFO, "audit", facts)


async def audit_surely(event: str, **facts: object) -> bool:
    """Write a line of the audit stream, and tell whether it was written within a second."""
    dropped = _AUDIT.dropped
    audit(event, **facts)
    if _AUDIT.trouble or _AUDIT.dropped > dropped:
        return False
    try:
        async with asyncio.timeout(_STRICT_SECONDS):
            await asyncio.wrap_future(_AUDIT.written())
    except TimeoutError:
        return False
    return True


def refused(
    reason: str, claims: Mapping[str, str], mismatch: Mapping[str, str], quota: Quota
) -> None:
    """Write a short audit line of a caller who was not let in, as far as the quota goes.

    `claims` are those of the token, `mismatch` tells of the one that decided.
    """
    if quota.allows(reason.partition(":")[0]):
        told_already = mismatch.get("claim")
        short = {k: v[:_SHORT] for k, v in claims.items() if k != told_already}
        audit("token refused", reason=reason, **short, **mismatch)


def refusals_held_back(held: Mapping[str, int]) -> None:
    """Write how many refusals have no line of their own, by reason."""
    audit("refusals held back", lines=held)


def requests_held_back(held: Mapping[str, int]) -> None:
    """Write how many requests of nobody that was let in have no line of their own, by status."""
    warn("requests held back", lines=held)


def warn(event: str, **facts: object) -> None:
    """Write a warning to the service's own stream."""
    _write(event, logging.WARNING, "service", facts)


def failed(error: BaseException, trace: TracebackType | None = None) -> None:
    """Write down a bug of ours: the type of the error and where, never its message.

    The message of an error may quote the chart.
    """
    path = _path_of(trace or error.__traceback__)
    facts = {"error": type(error).__name__, "at": path, "request_id": current().request_id}
    _write("unexpected", logging.ERROR, "service", facts)


def _path_of(trace: TracebackType | None) -> str:
    """The lines an error went through, innermost first; outside of this package only the first."""
    frames = traceback.extract_tb(trace)
    ours = [f for f in frames[:-1] if _PACKAGE in Path(f.filename).parents]
    names = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in [*ours, *frames[-1:]]]
    return " < ".join(reversed(names))


# --- set-up ---


def _write(event: str, level: int, stream: str, facts: Mapping[str, object]) -> None:
    if _LOGGER.isEnabledFor(level):
        # `Logger.log` would look for the caller's line, which no line of ours has.
        record = logging.LogRecord(_LOGGER.name, level, "", 0, event, None, None)
        record.stream, record.facts = stream, facts
        _LOGGER.handle(record)


Line: TypeAlias = "dict[str, object] | RequestLine"


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON, with the type of an error but not its message.

    Written with msgspec, which is here anyway: a formatter of a library copies every attribute of
    a record and would have to be told what to leave out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        return self.written(_facts_of(record))

    def written(self, line: Line) -> str:
        """A line of these facts."""
        return _escaped(line)


def _facts_of(record: logging.LogRecord) -> dict[str, object]:
    line: dict[str, object] = {
        "level": record.levelname.lower(),
        "timestamp": datetime.fromtimestamp(record.created, UTC),
    }
    facts: Mapping[str, object] | None = getattr(record, "facts", None)
    if facts is not None:
        line |= {"event": record.msg, "stream": getattr(record, "stream", "service"), **facts}
    else:
        line |= {"event": record.getMessage(), "stream": "library", "logger": record.name}
    if record.exc_info and record.exc_info[0] is not None:
        line["error"] = record.exc_info[0].__name__
    return line


class RequestLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The line of one call, its members in the order of the alphabet; empty ones are left out. It
    is no record of `logging`: to make one costs more than all the rest of the line."""

    cards: list[str]
    client: str | None = None
    event: str
    foreign: int = 0
    hook: str | None = None
    knowledge: str | None = None
    level: str
    method: str
    mode: str | None = None
    ms: float
    not_understood: Mapping[str, Mapping[str, int]] = {}
    request_id: str
    rules: tuple[str, ...] = ()
    service: str | None = None
    skipped: int = 0
    stages: dict[str, float]
    status: int
    stream: str
    tier: str | None = None
    timestamp: datetime
    withheld: list[str] = []


class TerminalFormatter(JsonFormatter):
    """The same facts as a line for somebody who looks on: time (UTC), event, then `name=value`.

    Values are written as in JSON, so that nothing in them moves a cursor.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        return self.written(_facts_of(record))

    def written(self, line: Line) -> str:
        """See the class."""
        told = json.loads(super().written(line))
        day_time = told.pop("timestamp")[11:19]
        level, event = told.pop("level"), told.pop("event")
        said = " ".join(f"{name}={_plainly(value)}" for name, value in _worth_telling(told))
        mark = "" if level == "info" else f"{level.upper()} "
        return f"{day_time}Z {mark}{_escaped_text(event)}  {said}".rstrip()


def _worth_telling(line: Mapping[str, object]) -> list[tuple[str, object]]:
    """What is not empty; the long ones last."""
    kept = [(k, v) for k, v in line.items() if v not in (None, "", [], {}) and k != "stream"]
    return sorted(kept, key=lambda item: (item[0] == "request_id", isinstance(item[1], dict)))


def _plainly(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return text[1:-1] if isinstance(value, str) and _SIMPLE.fullmatch(value) else text


def _escaped_text(text: str) -> str:
    return json.dumps(text)[1:-1]


def _escaped(line: Line) -> str:
    """JSON in plain ASCII: no text from outside moves a cursor, turns the direction of writing or
    ends a line (C1 controls, bidirectional marks, U+2028) where the log is read."""
    try:
        text = _JSON.encode(line).decode()
    except UnicodeEncodeError:  # half a surrogate pair, as a token may hold
        text = ""
    if not text or not text.isascii():
        known = msgspec.to_builtins(line, enc_hook=str)
        text = json.dumps(known, sort_keys=True, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")


class StandardError(logging.Handler):
    """Hands lines to the queues that write them: what is audited has a queue of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        """See the class."""
        (_AUDIT if getattr(record, "stream", None) == AUDIT else _OTHER).put(record)


def configure() -> None:
    """Write our own lines as JSON. Without it, as on the command line, warnings are plain text."""
    if not _LOGGER.handlers:
        _LOGGER.addHandler(StandardError())
        _LOGGER.setLevel(logging.INFO)
        _LOGGER.propagate = False


def start() -> None:
    """Write on threads from here on, so that no call waits for a log that cannot be written.

    Python itself writes there, too, where an error has nowhere else to go: that becomes a line.
    """
    for lines in _QUEUES:
        lines.start()
    logging.captureWarnings(True)
    sys.unraisablehook = lambda lost: _lost(lost.exc_value, lost.exc_traceback)
    threading.excepthook = lambda lost: _lost(lost.exc_value, lost.exc_traceback)


def drain(seconds: float) -> None:
    """Wait at the end until all lines are written, so many seconds at most."""
    close_all()
    wait([lines.written() for lines in _QUEUES], timeout=seconds)


def problems() -> list[str]:
    """What operators should know of the log: lines that cannot be written, or that nobody gets."""
    found = [problem for lines in _QUEUES if (problem := lines.problem)]
    if not found and _OTHER.is_started and (why := log_sink.lost()):
        found.append(f"the log reaches nobody: {why}")
    return found


def _lost(error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None:
        failed(error, trace)


def _line_of(line: logging.LogRecord | RequestLine) -> bytes:
    facts = line if isinstance(line, RequestLine) else _facts_of(line)
    return f"{_FORMATTER.written(facts)}\n".encode()


def _formatter() -> JsonFormatter:
    """Lines for people where standard error is a terminal, JSON for everybody else."""
    try:
        return TerminalFormatter() if sys.stderr.isatty() else JsonFormatter()
    except (AttributeError, ValueError):  # there is no standard error, or it is closed
        return JsonFormatter()


_FORMATTER = _formatter()
_AUDIT: LogQueue[RequestLine] = LogQueue(AUDIT, _line_of)
_OTHER: LogQueue[RequestLine] = LogQueue(OTHER, _line_of)
_QUEUES = _AUDIT, _OTHER


LIBRARY_LOGS: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": f"{__name__}.StandardError"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"httpx": {"level": "WARNING"}, "uvicorn.access": {"level": "CRITICAL"}},
}
"""For logging.config.dictConfig (uvicorn's `log_config`). httpx logs URLs at INFO: patient ids."""
