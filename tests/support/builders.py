"""Builds whole CDS Hooks order-sign requests from a short readable description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from tests.support.releases import as_release
from tests.support.resources import (
    PATIENT_ID,
    allergy,
    condition,
    medication,
    observation,
    order,
    procedure,
    relative,
    service_request,
)
from tests.support.shorthand import SYSTEMS, TODAY, ShorthandError, birth_date, coding
from tests.support.signals import GONE, SAID

NORMAL_LABS = {
    "egfr": "loinc 98979-8 eGFR | = 85 mL/min/{1.73_m2}",
    "potassium": "loinc 2823-3 Potassium | = 4.2 mmol/L",
    "platelets": "loinc 777-3 Platelets | = 250 10*3/uL",
}
QUANTITY_OF = {
    "98979-8": "egfr", "98980-6": "egfr", "62238-1": "egfr", "69405-9": "egfr",
    "77147-7": "egfr", "33914-3": "egfr", "48642-3": "egfr", "48643-1": "egfr",
    "2160-0": "egfr", "14682-9": "egfr", "38483-4": "egfr",
    "2823-3": "potassium", "6298-4": "potassium",
    "777-3": "platelets", "26515-7": "platelets",
}  # fmt: skip

PREFETCH = {
    "conditions": "Condition",
    "procedures": "Procedure",
    "medications": "MedicationRequest",
    "allergies": "AllergyIntolerance",
    "observations": "Observation",
    "familyHistory": "FamilyMemberHistory",
    "serviceRequests": "ServiceRequest",
}


def planned(item: str, number: int = 1) -> dict[str, Any]:
    """A ServiceRequest of the record: already signed, so active unless said otherwise."""
    return service_request(item, number, draft=False)


BUILDERS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "conditions": condition,
    "procedures": procedure,
    "medications": medication,
    "allergies": allergy,
    "observations": observation,
    "familyHistory": relative,
    "serviceRequests": planned,
}
STATEMENTS = "medicationStatements"
"""The other list of medicines: no EHR is asked for it, so it comes only where a case names it."""


def statement(item: str, number: int = 1) -> dict[str, Any]:
    """A MedicationStatement, also where the line does not say that it is one."""
    return medication(f"{item} | statement", number)


BUILDERS[STATEMENTS] = statement
ALIASES = {"statements": STATEMENTS, "family": "familyHistory", "planned": "serviceRequests"}


def entries(name: str, items: Iterable[Any]) -> list[Any]:
    """The resources of one input; `{raw: ...}` stands as it is."""
    build = BUILDERS[ALIASES.get(name, name)]
    return [
        item["raw"] if isinstance(item, dict) else build(item, number)
        for number, item in enumerate(items, start=1)
    ]


def patient(description: Mapping[str, Any]) -> dict[str, Any]:
    """A Patient from `age` or `birthDate`, and `sex`; what is not said is left out."""
    resource: dict[str, Any] = {"resourceType": "Patient", "id": PATIENT_ID}
    if sex := description.get("sex"):
        resource["gender"] = sex
    if (age := description.get("age")) is not None:
        resource["birthDate"] = birth_date(int(age))
    elif born := description.get("birthDate"):
        resource["birthDate"] = str(born)
    return resource


def bundle(resources: list[Any]) -> dict[str, Any]:
    """A searchset Bundle; no `entry` where there is nothing (FHIR: no empty arrays)."""
    result: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if resources:
        result["entry"] = [{"resource": resource} for resource in resources]
    return result


def _observations(chart: Mapping[str, Any]) -> list[Any]:
    """Own results, and normal ones for the quantities that the case does not mention."""
    own = entries("observations", chart.get("observations") or [])
    if chart.get("labs") == "none":
        return own
    said = {
        QUANTITY_OF.get(item["code"]["coding"][0]["code"])
        for item in own
        if isinstance(item, dict) and item.get("code", {}).get("coding")
    }
    normal = [text for name, text in NORMAL_LABS.items() if name not in said]
    return own + [observation(text, 90 + number) for number, text in enumerate(normal)]


def prefetch(description: Mapping[str, Any]) -> dict[str, Any]:
    """All inputs as read, save those the case calls missing, failed, null or partial."""
    said = description.get("chart") or {}
    chart = {ALIASES.get(key, key): value for key, value in said.items()}
    unknown = set(chart) - set(PREFETCH) - {"labs", STATEMENTS}
    if unknown:
        raise ShorthandError(f"unknown chart parts: {sorted(unknown)}")
    result: dict[str, Any] = {"patient": patient(description.get("patient") or {})}
    for name in PREFETCH:
        labs = name == "observations"
        result[name] = bundle(
            _observations(chart) if labs else entries(name, chart.get(name) or [])
        )
    if STATEMENTS in chart:
        result[STATEMENTS] = bundle(entries(STATEMENTS, chart[STATEMENTS] or []))
    for name in description.get("missing") or []:
        del result[name]
    for name in description.get("failed") or []:
        result[ALIASES.get(name, name)] = _outcome()
    for name in description.get("null") or []:
        result[name] = None
    for name in description.get("partial") or []:
        url = f"https://ehr.example/fhir/{PREFETCH[name]}?page=2"
        result[name]["link"] = [{"relation": "next", "url": url}]
    for name, sign in (description.get("signals") or {}).items():
        result[name] = SAID[sign].of(PREFETCH[name])
    if record := description.get("record"):
        result["patient"] = GONE[record]
    return result


def _outcome() -> dict[str, Any]:
    issue = {"severity": "error", "code": "timeout", "diagnostics": "search timed out"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def request(description: Mapping[str, Any], release: str | None = None) -> dict[str, Any]:
    """A whole order-sign request. `release` is R4 (default), R5 or STU3."""
    release = release or description.get("release") or "R4"
    drafts = [order(item, number) for number, item in enumerate(description["orders"], start=1)]
    body: dict[str, Any] = {
        "hook": "order-sign",
        "hookInstance": "9f1c2f0e-5b1d-4f7c-8d3a-2a6f0b9c1e77",
        "context": {
            "userId": "Practitioner/surgeon-1",
            "patientId": PATIENT_ID,
            "encounterId": "enc-1",
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": draft} for draft in drafts],
            },
        },
        "prefetch": prefetch(description),
    }
    if description.get("prefetch") == "none":
        del body["prefetch"]
    return as_release(body, release)


def with_resource(body: dict[str, Any], name: str, resource: Any) -> dict[str, Any]:
    """A copy of the request with one more resource in an input, at the end."""
    result = deepcopy(body)
    result["prefetch"][name].setdefault("entry", []).append({"resource": resource})
    return result


__all__ = ["PATIENT_ID", "SYSTEMS", "TODAY", "coding", "request", "with_resource"]
