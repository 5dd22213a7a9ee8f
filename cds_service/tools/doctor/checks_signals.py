"""Whether a service hears what a source says in its answer about what it does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cds_service.cdshooks.conformance.statements import Level
from cds_service.knowledge.completeness_schema import SourceSignal
from cds_service.knowledge.loader import load
from cds_service.tools.doctor import patients
from cds_service.tools.doctor.session import ExaminationRun, decoded, plain_cards

Json = dict[str, Any]
_EMPTY_REASON: Final = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_FINE: Final = frozenset({200, 412})


def check(session: ExaminationRun, service: Json, base: Json) -> None:
    """One signal of each kind under every prefetch key: is the answer another than that to a record
    that is empty? No failure: whether the service needed the data cannot be seen from outside."""
    if not base.get("prefetch"):
        return
    path = f"cds-services/{service['id']}"
    empty = _answer(session, path, base, patients.EMPTY)
    for signal, value in _examples():
        what = f"POST {service['id']}, every key: {signal.label}"
        status, cards = _answer(session, path, base, value)
        heard = status in _FINE and (status, cards) != empty
        said = f"{signal.label} ({signal.id}): {signal.about} "
        if heard:
            session.tell("PD-02", True, f"{said}It is heard ({status})", what, level=Level.ADVICE)
        else:
            said += f"The answer is that to an empty record ({status}): perhaps not heard"
            session.skip("PD-02", said, what)


def _answer(session: ExaminationRun, path: str, base: Json, value: Any) -> tuple[int, Any]:
    seen = session.post(path, patients.with_prefetch(base, value))
    return seen.status, plain_cards(decoded(seen)[0]) if seen.status == 200 else None


def _examples() -> Iterator[tuple[SourceSignal, Json]]:
    """The first signal of each kind that withholds, with an answer of a search that says so."""
    kinds: set[str] = set()
    for signal in load().signals.values():
        value = _example(signal)
        if value is not None and signal.state == "withheld" and signal.kind not in kinds:
            kinds.add(signal.kind)
            yield signal, value


def _example(signal: SourceSignal) -> Json | None:
    code = next(iter(signal.codes), "")
    if signal.kind in {"issue", "vendor"}:
        issue: Json = {"severity": "warning", "code": code}
        if signal.kind == "vendor":
            coding = {"system": f"{signal.systems[0]}1", "code": code}
            issue = {"severity": "warning", "code": "processing", "details": {"coding": [coding]}}
        return _bundle({"resource": {"resourceType": "OperationOutcome", "issue": [issue]}})
    if signal.kind == "empty-reason":
        reason = {"coding": [{"system": _EMPTY_REASON, "code": code}]}
        listed = {"resourceType": "List", "status": "current", "mode": "working"}
        return _bundle({"resource": listed | {"emptyReason": reason}})
    if signal.kind == "absent-reason":
        return _bundle({"extension": [{"url": _ABSENT, "valueCode": code}]})
    if signal.kind == "label":
        return _bundle() | {"meta": {"security": [{"code": code}]}}
    return None


def _bundle(*entries: Json) -> Json:
    rest: Json = {"entry": list(entries)} if entries else {}
    return {"resourceType": "Bundle", "type": "searchset"} | rest
