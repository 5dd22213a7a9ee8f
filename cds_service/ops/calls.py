"""What is known of the call that is being answered: ids, stages with their time, what was decided.

All of it comes from closed lists: ids of our services, clients, rules and cards, statuses and
durations. Nothing of a chart or a token gets in.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
EXAMINATION = "examination"
"""Mode of a call that says of itself that a conformance tool makes it. It is answered like any
other, and stands apart in all figures of what clinicians were shown."""
EXAMINATION_HEADER = "CDS-Examination"
"""The request header by which `cds-service doctor` marks its calls; others ignore it."""
MOST_PARTS = 200
ABORTED = 499
"""Status in logs and figures where the client went away before there was an answer."""


@dataclass(frozen=True, slots=True)
class CardShown:
    """What the figures know of one card: ids of our own knowledge, nothing of the patient."""

    row: str
    card: str
    tier: str
    indicator: str


@dataclass(frozen=True, slots=True)
class CallPart:
    """A part of a call as its trace shows it. `began` and `ended` are of `time.perf_counter`,
    in seconds; all words are of closed lists, but the host, which a client registers."""

    name: str
    span: str
    parent: str
    began: float
    ended: float
    facts: Mapping[str, str | int] = field(default_factory=dict)
    leaves: bool = False  # for another server
    failed: bool = False


class CallLog(Struct):
    """What is known of one call, for its log line, its metrics and the header Server-Timing."""

    request_id: str
    flags: str = "00"
    service: str | None = None
    hook: str | None = None
    client: str | None = None
    tier: str | None = None
    rules: tuple[str, ...] = ()
    cards: tuple[CardShown, ...] = ()
    withheld: tuple[CardShown, ...] = ()  # decided, and not shown
    mode: str | None = None  # for the user of the call: live, shadow or off; or examination
    examined: bool = False  # by a conformance tool, as the call itself says
    inputs: tuple[tuple[str, str], ...] = ()  # each input that was looked at, and its state
    knowledge: str | None = None
    skipped: int = 0  # entries that could not be read
    foreign: int = 0  # resources of other patients
    # By input: entries in codes that cannot be read, by systems of a closed list.
    not_understood: Mapping[str, Mapping[str, int]] = {}
    stages: dict[str, float] = {}  # seconds
    started: float = msgspec.field(default_factory=time.perf_counter)
    status: int | None = None  # of the answer, once it has begun
    caller_span: str | None = None  # of the `traceparent` that came
    span: str = ""  # of this call, and `inside` of its part under way, where it has a trace
    inside: str = ""
    parts: list[CallPart] | None = None  # None where it has no trace

    @property
    def is_sampled(self) -> bool:
        """Whether whoever calls records a trace (W3C Trace Context, section 3.2.2.5)."""
        return bool(int(self.flags, 16) & 1)

    def record(self) -> None:
        """From here on keep the parts of this call for its trace."""
        self.span = self.inside = secrets.token_hex(8)
        self.parts, self.flags = [], "01"

    def note(self, part: CallPart) -> None:
        """Keep a part, unless there are very many."""
        if self.parts is not None and len(self.parts) < MOST_PARTS:
            self.parts.append(part)


_current: ContextVar[CallLog | None] = ContextVar("call", default=None)
reading: ContextVar[str | None] = ContextVar("reading", default=None)
"""The input of a call for which a server is being read, for its trace."""


def begin(traceparent: str | None) -> CallLog:
    """Start the log of a call. Its id comes from a valid `traceparent`, else it is random."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found and found[1].strip("0") and found[2].strip("0"):
        call = CallLog(found[1], found[3], caller_span=found[2])
    else:
        call = CallLog(os.urandom(16).hex())
    _current.set(call)
    return call


def leave() -> None:
    """The call is over. Needed where no task of its own ends with it."""
    _current.set(None)


def current() -> CallLog:
    """The log of this call; a loose one outside of a call (command line, tests)."""
    return _current.get() or CallLog("0" * 32)


class stage:
    """Add the time spent inside a `with` to a stage of this call."""

    __slots__ = ("_call", "_name", "_outer", "_span", "_started")

    def __init__(self, name: str) -> None:
        self._name = name
        self._call = current()
        self._started = 0.0

    def __enter__(self) -> None:
        if self._call.parts is not None:
            self._outer, self._span = self._call.inside, secrets.token_hex(8)
            self._call.inside = self._span
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        call, name, now = self._call, self._name, time.perf_counter()
        call.stages[name] = call.stages.get(name, 0.0) + now - self._started
        if call.parts is not None:
            call.inside = self._outer
            failed = kind is not None
            call.note(CallPart(name, self._span, self._outer, self._started, now, failed=failed))


class sending:
    """`with` it around a request to another server. `traceparent` is the header that it carries, so
    that the other side's log can be joined with ours (W3C Trace Context, level 1)."""

    __slots__ = ("_call", "_facts", "_parent", "_span", "_started", "traceparent")

    def __init__(self, host: str, port: int) -> None:
        self._call, self._span = current(), secrets.token_hex(8)
        self._parent = self._call.inside
        self._facts: dict[str, str | int] = {"server.address": host, "server.port": port}
        if (name := reading.get()) is not None:
            self._facts["cds.input"] = name
        self.traceparent = f"00-{self._call.request_id}-{self._span}-{self._call.flags}"
        self._started = 0.0

    def answered(self, status: int) -> None:
        """What the other side answered."""
        self._facts["http.response.status_code"] = status

    def __enter__(self) -> sending:
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._call.parts is None:
            return
        if kind is not None:
            self._facts["error.type"] = kind.__name__
        status = self._facts.get("http.response.status_code", 0)
        failed = kind is not None or int(status) >= 400
        now = time.perf_counter()
        self._call.note(
            CallPart("GET", self._span, self._parent, self._started, now, self._facts, True, failed)
        )


def request_id() -> str | None:
    """The id of this call; None outside of one."""
    call = _current.get()
    return call.request_id if call is not None else None
