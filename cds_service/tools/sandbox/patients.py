"""The synthetic patients of the FHIR stand-in: two that show the main cards, and awkward ones.

Nothing in here comes from anybody's record. Codes are those of the value sets of this project;
59204 is Epic's code for results that are withheld (onc-certification-g10-test-kit, issue 278).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

Json = dict[str, Any]

_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_SNOMED: Final = "http://snomed.info/sct"
FOP: Final = ("82725007", "Progressive myositis ossificans")
_FOP_IN_WORDS: Final = "Fibrodysplasia ossificans progressiva"
PREVIOUS_HO: Final = ("444748003", "Postoperative heterotopic ossification")
OSTEOARTHRITIS: Final = ("239872002", "Osteoarthritis of hip")


@dataclass(frozen=True, slots=True)
class SandboxPatient:
    """One patient of the stand-in.

    `about` says what the record holds. `refused` maps a resource type to what its search is
    answered with instead: a status and a resource. `page_size` is the most of one page.
    """

    id: str
    about: str
    resources: tuple[Json, ...]
    refused: Mapping[str, tuple[int, Json]] = field(default_factory=dict)
    page_size: int = 100


def sandbox_patients(today: date) -> dict[str, SandboxPatient]:
    """All patients by id, with dates that are recent on `today`."""
    made = (
        _hip(today),
        _fop(),
        SandboxPatient("healthy", "nothing on record", (_person("healthy", "Hanna"),)),
        _withheld(),
        _failing(),
        _merged(),
        _paged(),
        _in_words(),
    )
    return {patient.id: patient for patient in made}


def hip_order(patient_id: str) -> Json:
    """A draft for a total replacement of the right hip (SNOMED CT 443435007)."""
    concept = _concept("443435007", "Total replacement of right hip joint")
    named = {"resourceType": "ServiceRequest", "id": "hip-1", "status": "draft", "intent": "order"}
    return named | {"subject": _subject(patient_id), "code": concept}


# --- patients ---


def _hip(today: date) -> SandboxPatient:
    resources = (
        _person("hip", "Hugo", "male"),
        _condition("hip", 1, *PREVIOUS_HO) | {"onsetDateTime": _ago(today, 2000)},
        _condition("hip", 2, *OSTEOARTHRITIS),
        _egfr("hip", today),
    )
    about = "HO after an earlier operation, and an eGFR of 88"
    return SandboxPatient("hip", about, resources)


def _fop() -> SandboxPatient:
    resources = (_person("fop", "Fiona"), _condition("fop", 1, *FOP))
    return SandboxPatient("fop", "fibrodysplasia ossificans progressiva (FOP)", resources)


def _withheld() -> SandboxPatient:
    coding = {"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369", "code": "59204"}
    issue = {
        "severity": "warning",
        "code": "suppressed",
        "details": {"coding": [coding], "text": "Some results were withheld."},
    }
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
        "entry": [{"resource": outcome, "search": {"mode": "outcome"}}],
    }
    return SandboxPatient(
        "withheld",
        "the server withholds problems, and says so in a warning",
        (_person("withheld", "Wilma"),),
        {"Condition": (200, bundle)},
    )


def _failing() -> SandboxPatient:
    issue = {"severity": "error", "code": "timeout", "diagnostics": "the search took too long"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    resources = (_person("failing", "Fred", "male"), _condition("failing", 1, *PREVIOUS_HO))
    about = "the search for allergies fails with 504"
    return SandboxPatient("failing", about, resources, {"AllergyIntolerance": (504, outcome)})


def _merged() -> SandboxPatient:
    other = {"other": {"reference": "Patient/fop"}, "type": "replaced-by"}
    person = _person("merged", "Fiona") | {"active": False, "link": [other]}
    return SandboxPatient("merged", "an old record, replaced by that of fop, and empty", (person,))


def _paged() -> SandboxPatient:
    resources = (
        _person("paged", "Paula"),
        _condition("paged", 1, *OSTEOARTHRITIS),
        _condition("paged", 2, *FOP),
    )
    about = "FOP on the second page of the problems; the Sandbox reads the first"
    return SandboxPatient("paged", about, resources, page_size=1)


def _in_words() -> SandboxPatient:
    said = _condition("words", 1, *FOP) | {"code": {"text": _FOP_IN_WORDS}}
    about = "FOP in words, without a code"
    return SandboxPatient("words", about, (_person("words", "Walter", "male"), said))


# --- resources ---


def _person(id_: str, given: str, gender: str = "female") -> Json:
    name = {"family": "Sandbox", "given": [given]}  # the Sandbox shows no patient without `given`
    person = {"resourceType": "Patient", "id": id_, "active": True, "name": [name]}
    return person | {"gender": gender, "birthDate": "1970-04-12"}


def _condition(patient: str, number: int, code: str, display: str) -> Json:
    return {
        "resourceType": "Condition",
        "id": f"{patient}-problem-{number}",
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "category": [_status("condition-category", "problem-list-item")],
        "code": _concept(code, display),
        "subject": _subject(patient),
    }


def _egfr(patient: str, today: date) -> Json:
    unit = "mL/min/{1.73_m2}"
    coding = {"system": "http://loinc.org", "code": "98979-8"}
    return {
        "resourceType": "Observation",
        "id": f"{patient}-egfr",
        "status": "final",
        "code": {"coding": [coding]},
        "subject": _subject(patient),
        "effectiveDateTime": _ago(today, 10),
        "valueQuantity": {
            "value": 88,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def _subject(patient: str) -> Json:
    return {"reference": f"Patient/{patient}"}


def _concept(code: str, display: str) -> Json:
    return {"coding": [{"system": _SNOMED, "code": code, "display": display}], "text": display}


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": _HL7 + system, "code": code}]}


def _ago(today: date, days: int) -> str:
    return (today - timedelta(days=days)).isoformat()
