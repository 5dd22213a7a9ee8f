"""How a course of the content is taken, as a Dosage of FHIR R4."""

from __future__ import annotations

from typing import Any, Final

from cds_service.knowledge.schema import DoseForm

UCUM: Final = "http://unitsofmeasure.org"

# SNOMED CT 26643006 "Oral route": the route of HL7's own R4 MedicationRequest examples.
_ORAL: Final = {
    "system": "http://snomed.info/sct", "code": "26643006", "display": "Oral route",
}  # fmt: skip
_UCUM_CODES: Final = {"mg": "mg", "g": "g", "mcg": "ug", "µg": "ug"}
DAY: Final = {"unit": "days", "system": UCUM, "code": "d"}
"""Unit of a Duration in days."""


def dosage(course: DoseForm, days: int) -> dict[str, Any]:
    """The Dosage (FHIR R4 `Dosage`) of `course` over `days` days, by mouth."""
    amount: dict[str, Any] = {"value": _number(course.dose), "unit": course.unit}
    if course.unit in _UCUM_CODES:
        amount |= {"system": UCUM, "code": _UCUM_CODES[course.unit]}
    return {
        "text": course.instruction,
        "timing": {
            "repeat": {
                "boundsDuration": {"value": days, **DAY},
                "frequency": course.per_day,
                "period": 1,
                "periodUnit": "d",
            }
        },
        "route": {"coding": [dict(_ORAL)], "text": "by mouth"},
        "doseAndRate": [{"doseQuantity": amount}],
    }


def _number(value: float) -> int | float:
    """200 rather than 200.0: FHIR decimals keep the precision that is written."""
    return int(value) if value == int(value) else value
