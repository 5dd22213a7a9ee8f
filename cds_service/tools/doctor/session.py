"""What the checks of an examination share: calls with tokens, and the results so far."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cds_service.cdshooks.conformance.shapes import strict_json
from cds_service.cdshooks.conformance.statements import STATEMENTS, Level, Version, Violation
from cds_service.tools.doctor.client import MOST_BYTES, DoctorClient, Seen
from cds_service.tools.doctor.results import CheckResult, Examination, Status, piece_of
from cds_service.tools.doctor.tokens import Signer
from cds_service.tools.validate.findings import json_path

_LATER = {Version.V1: 1, Version.V2: 2, Version.V3: 3}
_DENIED = frozenset({401, 403})
_MOST_ALIKE = 20
"""Breaches of one statement by one message that are shown."""


@dataclass(slots=True)
class ExaminationRun:
    """One examination under way. `closed`: the service wants a token."""

    caller: DoctorClient
    report: Examination
    signer: Signer | None = None
    closed: bool = False
    forged: bool = False  # tokens that must be refused were sent
    let_in: bool = False  # a call was answered otherwise than by asking for a token
    asked: Version | None = None  # the version whose rules were asked for, whatever is named
    seconds: list[float] = field(default_factory=list)  # of calls that were answered with 200
    feedback: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)  # hookInstances of calls that got 200
    hooks: dict[str, set[str]] = field(default_factory=dict)  # those that an id serves

    @property
    def version(self) -> Version:
        return self.report.version

    # --- calls ---

    def get(self, path: str, **headers: str) -> Seen:
        """GET with a token where there is a key."""
        return self.caller.send("GET", path, headers=self.headers(path) | headers)

    def post(self, path: str, body: Any, **headers: str) -> Seen:
        """POST of JSON, or of bytes as they are, with a token where there is a key."""
        sent = self.headers(path) | headers
        if isinstance(body, bytes):
            return self.caller.send("POST", path, content=body, headers=sent)
        return self.caller.send("POST", path, json=body, headers=sent)

    def headers(self, path: str) -> dict[str, str]:
        """A token for this path, where there is a key."""
        if self.signer is None:
            return {}
        return {"Authorization": f"Bearer {self.signer.token(self.caller.url(path))}"}

    def denied(self, seen: Seen) -> bool:
        """Whether an answer says that a token is wanted."""
        return seen.status in _DENIED

    # --- results ---

    def saw_cards(self, service: Mapping[str, Any], number: int) -> None:
        """Write down how many cards came of one call."""
        name = f"{service['id']} ({service['hook']})"
        self.report.cards[name] = self.report.cards.get(name, 0) + number

    def tell(
        self,
        statement: str,
        good: bool,
        message: str,
        call: str = "",
        piece: Any = None,
        level: Level | None = None,
    ) -> None:
        """Write down what came of one check."""
        status = Status.PASS if good else Status.FAIL
        shown = None if good or piece is None else piece_of(piece)
        self._add(CheckResult(statement, status, message, call, shown, level))

    def tell_outcome(self, seen: Seen, call: str) -> None:
        """Whether an error has an OperationOutcome as its body (ER-05)."""
        good = _is_outcome(decoded(seen)[0])
        said = "an OperationOutcome in the error" if good else "no OperationOutcome in the error"
        self.tell("ER-05", good, said, call, seen.told)

    def tell_redirect(self, seen: Seen, call: str) -> None:
        """Whether an answer leads elsewhere (DS-18)."""
        good = not 300 <= seen.status < 400
        said = "no redirect" if good else f"a redirect ({seen.status})"
        self.tell("DS-18", good, said, call, seen.told)

    def skip(self, statement: str, why: str, call: str = "") -> None:
        """Write down that a check could not be made."""
        self._add(CheckResult(statement, Status.SKIP, why, call))

    def violations(self, found: Iterable[Violation], looked_at: Iterable[str], call: str) -> None:
        """Write down what a message breaks, and that it breaks nothing else that was looked at. Of
        many breaches of one statement the first are shown, and the others counted."""
        broken: Counter[str] = Counter()
        for violation in found:
            broken[violation.statement] += 1
            if broken[violation.statement] > _MOST_ALIKE:
                continue
            place = json_path(violation.path)
            self.tell(
                violation.statement, False, f"{place}: {violation.message}", call, violation.piece
            )
        for statement, times in broken.items():
            if times > _MOST_ALIKE:
                self.tell(statement, False, f"and {times - _MOST_ALIKE:,} more of the kind", call)
        for statement in looked_at:
            if statement not in broken:
                self.tell(statement, True, "nothing is wrong", call)

    def _add(self, result: CheckResult) -> None:
        """Each result once; statements that came later than the version are left out."""
        since = STATEMENTS[result.statement].since
        if _LATER[since] <= _LATER[self.version] and result not in self.report.results:
            self.report.results.append(result)


def decoded(seen: Seen) -> tuple[Any, str | None]:
    """The JSON of an answer, or why it is none."""
    if seen.is_cut:
        return None, f"longer than {MOST_BYTES:,} bytes: not read to the end"
    try:
        return strict_json(seen.body), None
    except ValueError as error:
        return None, str(error)[:120]


def _is_outcome(body: Any) -> bool:
    """Whether JSON is an OperationOutcome with what FHIR requires of one."""
    issues = body.get("issue") if isinstance(body, dict) else None
    if not issues or not isinstance(issues, list) or body.get("resourceType") != "OperationOutcome":
        return False
    return all(isinstance(i, dict) and {"severity", "code"} <= i.keys() for i in issues)


def plain_cards(body: Any) -> Any:
    """Cards without what differs from call to call, to compare two answers."""
    if not isinstance(body, Mapping):
        return body
    return json.dumps(_stable(body.get("cards")), sort_keys=True)


def _stable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _stable(v) for k, v in value.items() if k not in {"uuid", "id", "extension"}}
    return [_stable(item) for item in value] if isinstance(value, list) else value
