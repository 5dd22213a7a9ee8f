"""What an examination finds: one result for each look at a statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from cds_service.cdshooks.conformance.statements import STATEMENTS, Level, Version

_ORDER = (Level.SHALL, Level.SHOULD, Level.ADVICE)


class Status(StrEnum):
    """Outcome of one check. SKIP says that the check could not be made, and why."""

    PASS = "pass"  # noqa: S105  # an outcome, no password
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One look at one statement: `call` says which request it was, `piece` shows what offends.

    `level` differs from the statement's own where the text binds the client and the service only
    by good sense.
    """

    statement: str
    status: Status
    message: str
    call: str = ""
    piece: str | None = None
    level: Level | None = None

    @property
    def weight(self) -> Level:
        return self.level or STATEMENTS[self.statement].level


BLIND: Final = (
    "Whether a service needed the data that it was not given, and whether its silence was right.",
    "Whether tokens and patient data are logged, kept or handed on.",
    "Which versions of TLS and which certificates it accepts, and what a proxy before it changes.",
    "How its cards look in the EHR, and whether what they say is true.",
)
"""What nobody sees from outside, whatever is sent."""


@dataclass(slots=True)
class Examination:
    """The whole report."""

    url: str
    version: Version
    services: list[str] = field(default_factory=list)
    calls: int = 0
    limit: int = 0
    results: list[CheckResult] = field(default_factory=list)
    unusable: str | None = None  # why nothing could be examined
    cards: dict[str, int] = field(default_factory=dict)  # cards seen, by service
    notes: list[str] = field(default_factory=list)  # of requests of one's own, or sent twice
    requests: int = 0  # of one's own that were sent
    hooks: set[str] = field(default_factory=set)  # of the services that were examined

    @property
    def skipped(self) -> list[CheckResult]:
        """Checks that could not be made."""
        return [result for result in self.results if result.status is Status.SKIP]

    def fails(self, level: Level) -> list[CheckResult]:
        """Failures at this level or above."""
        heavy = _ORDER[: _ORDER.index(level) + 1]
        return [r for r in self.results if r.status is Status.FAIL and r.weight in heavy]

    def counts(self) -> Counter[tuple[Level, Status]]:
        """How many statements passed, failed or were skipped at each level: one fails if any of
        its results does, and passes if any does and none fails."""
        return Counter((level, status) for _, level, status in self.statements())

    def statements(self) -> list[tuple[str, Level, Status]]:
        """Each statement that was looked at, with its level and outcome, in checklist order."""
        seen: dict[str, list[CheckResult]] = {}
        for result in self.results:
            seen.setdefault(result.statement, []).append(result)
        return [(id_, _heaviest(seen[id_]), _worst(seen[id_])) for id_ in STATEMENTS if id_ in seen]


def _worst(results: Iterable[CheckResult]) -> Status:
    found = {result.status for result in results}
    return next(s for s in (Status.FAIL, Status.PASS, Status.SKIP) if s in found)


def _heaviest(results: list[CheckResult]) -> Level:
    """The level of the failures where there are any."""
    failed = [r for r in results if r.status is Status.FAIL] or results
    return min((r.weight for r in failed), key=_ORDER.index)


def piece_of(value: Any, limit: int = 200) -> str:
    """The offending piece as one line."""
    text = value if isinstance(value, str) else repr(value)
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
