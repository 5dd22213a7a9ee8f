"""What is known of the call that is being answered: ids, stages with their time, what was decided.

All of it comes from closed lists: ids of our services, clients, rules and cards, statuses and
durations. Nothing of a chart or a token gets in.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
EXAMINATION = "examination"
"""Mode of a call that says of itself that a conformance tool makes it. It is answered like any
other, and stands apart in all figures of what clinicians were shown."""
EXAMINATION_HEADER = "CDS-Examination"
"""The request header by which `cds-service doctor` marks its calls; others ignore it."""
ABORTED = 499
"""Status in logs and figures where the client went away before there was an answer."""


@dataclass(frozen=True, slots=True)
class CardShown:
    """What the figures know of one card: ids of our own knowledge, nothing of the patient."""

    row: str
    card: str
    tier: str
    indicator: str


@dataclass(slots=True)
class CallLog:
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
    not_understood: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)  # seconds
    started: float = field(default_factory=time.perf_counter)
    status: int | None = None  # of the answer, once it has begun

    @property
    def traceparent(self) -> str:
        """The header for calls made on behalf of this one (W3C Trace Context, level 1)."""
        return f"00-{self.request_id}-{secrets.token_hex(8)}-{self.flags}"


_current: ContextVar[CallLog | None] = ContextVar("call", default=None)


def begin(traceparent: str | None) -> CallLog:
    """Start the log of a call. Its id comes from a valid `traceparent`, else it is random."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found and found[1].strip("0") and found[2].strip("0"):
        call = CallLog(found[1], found[3])
    else:
        call = CallLog(secrets.token_hex(16))
    _current.set(call)
    return call


def current() -> CallLog:
    """The log of this call; a loose one outside of a call (command line, tests)."""
    return _current.get() or CallLog("0" * 32)


class stage:
    """Add the time spent inside a `with` to a stage of this call."""

    __slots__ = ("_call", "_name", "_started")

    def __init__(self, name: str) -> None:
        self._name = name
        self._call = current()
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        stages, name = self._call.stages, self._name
        stages[name] = stages.get(name, 0.0) + time.perf_counter() - self._started


def request_id() -> str | None:
    """The id of this call; None outside of one."""
    call = _current.get()
    return call.request_id if call is not None else None
