"""Turns R4 resources of a request into their R5 and STU3 shapes: same facts, other members."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

Resource = dict[str, Any]


def _rename(resource: Resource, old: str, new: str) -> None:
    if old in resource:
        resource[new] = resource.pop(old)


def _code_of(concept: Any) -> Any:
    """STU3 has a plain code where R4 has a CodeableConcept."""
    return concept["coding"][0]["code"] if isinstance(concept, dict) else concept


def _r5_reference(resource: Resource, old: str, new: str) -> None:
    """A CodeableConcept, or a list of them, becomes CodeableReference."""
    if old not in resource:
        return
    value = resource.pop(old)
    if isinstance(value, list):
        resource[new] = [{"concept": item} for item in value]
    else:
        resource[new] = {"concept": value}


def _to_r5(resource: Resource) -> None:
    kind = resource.get("resourceType")
    if kind == "ServiceRequest":
        _r5_reference(resource, "code", "code")
    if kind in {"ServiceRequest", "MedicationRequest", "MedicationStatement", "Procedure"}:
        _r5_reference(resource, "reasonCode", "reason")
    _r5_reference(resource, "medicationCodeableConcept", "medication")
    if kind == "Procedure":
        _rename(resource, "performedDateTime", "occurrenceDateTime")
    if kind == "AllergyIntolerance" and "type" in resource:
        resource["type"] = {"coding": [{"code": resource["type"]}]}
    for dosage in resource.get("dosageInstruction", []) + resource.get("dosage", []):
        _rename(dosage, "asNeededBoolean", "asNeeded")


def _to_stu3(resource: Resource) -> None:
    kind = resource.get("resourceType")
    if kind in {"Condition", "AllergyIntolerance"}:
        for name in ("clinicalStatus", "verificationStatus"):
            if name in resource:
                resource[name] = _code_of(resource[name])
        _rename(resource, "recordedDate", "assertedDate")
    if kind == "Condition" and resource.get("stage"):
        resource["stage"] = resource["stage"][0]
    if kind == "ServiceRequest":
        resource["resourceType"] = "ProcedureRequest"
    if kind == "Procedure" and resource.get("status") == "not-done":
        resource |= {"status": "completed", "notDone": True}
    if kind == "Immunization":
        resource["notGiven"] = resource.get("status") == "not-done"
        resource["status"] = "completed"
    for dosage in resource.get("dosageInstruction", []) + resource.get("dosage", []):
        for dose in dosage.pop("doseAndRate", []):
            dosage.update(dose)


TURN: dict[str, Callable[[Resource], None]] = {
    "R4": lambda resource: None,
    "R5": _to_r5,
    "STU3": _to_stu3,
}


def as_release(body: Resource, release: str) -> Resource:
    """A copy of a CDS Hooks request whose resources speak another FHIR release."""
    result = deepcopy(body)
    turn = TURN[release]
    bundles = [result["context"]["draftOrders"], *(result.get("prefetch") or {}).values()]
    for holder in bundles:
        if not isinstance(holder, dict):
            continue
        for entry in holder.get("entry", []):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict):
                turn(resource)
    return result
