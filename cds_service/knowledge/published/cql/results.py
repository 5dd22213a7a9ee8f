"""Results of the laboratory in CQL: which units are read, and which answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cds_service.knowledge.published.cql.text import literal
from cds_service.knowledge.when import MeasurementTest, Quantity

# UCUM codes with the factor that leads to the unit of the rules, as in `clinical/units.py`.
UNITS: Final[Mapping[Quantity, Mapping[str, str]]] = {
    "egfr": {"mL/min/{1.73_m2}": "1.0", "mL/min/1.73.m2": "1.0", "mL/min": "1.0"},
    "potassium": {"mmol/L": "1.0", "meq/L": "1.0"},
    "platelets": {"10*9/L": "1.0", "10*3/uL": "1.0", "/nL": "1.0", "/uL": "0.001"},
    "weight": {"kg": "1.0", "g": "0.001", "[lb_av]": "0.45359237"},
}
CONCEPTS: Final[Mapping[Quantity, str]] = {
    "egfr": "lab-egfr",
    "potassium": "lab-potassium",
    "platelets": "lab-platelets",
    "weight": "lab-body-weight",
    "pregnancy-test": "lab-pregnancy-test",
    "pregnancy-status": "lab-pregnancy-status",
}
_ANSWERS: Final[Mapping[Quantity, tuple[str, str]]] = {
    "pregnancy-test": ("positive", "negative"),
    "pregnancy-status": ("pregnant", "not-pregnant"),
}
_REASSURING: Final = frozenset({"negative", "not-pregnant"})


def measured(test: MeasurementTest, scope: Any) -> str:
    """A test of a result. No result within its days is unknown, never normal."""
    if test.quantity in UNITS:
        scope.lose(
            "A result in a unit that is no UCUM code of the list is unknown: units in words."
        )
    if test.quantity == "egfr":
        scope.lose("An eGFR is not calculated from creatinine.")
    results = f'"{test.quantity} results", {test.within_days}'
    if test.answer is not None:
        reassures = "true" if test.answer in _REASSURING else "false"
        asked = f'Facts."Answered"({results}, {literal(test.answer)}, {reassures})'
        quiet = "Unless No Answer"
    else:
        bounds = ", ".join(_bound(one) for one in (test.below, test.at_least, test.above))
        asked, quiet = f'Facts."Measured"({results}, {bounds})', "Unless No Result"
    return f'Facts."{quiet}"({asked}, {results})' if test.quantity in scope.quiet else asked


def _bound(value: float | None) -> str:
    return "null as System.Decimal" if value is None else repr(float(value))


def results_defines(scope: Any) -> list[str]:
    """The results of every quantity, each with its date and number or answer."""
    made = []
    for quantity, concept in CONCEPTS.items():
        scope.used.add(concept)
        value = _number(quantity) if quantity in UNITS else _said(quantity, scope)
        made.append(
            f'define "{quantity} results":\n'
            f'  Facts."Results" O\n    where Codes."in {concept}"(O.code)\n'
            f'    return Tuple {{\n      moment: Facts."Date Of Result"(O),\n      {value}\n    }}'
        )
    return made


def _number(quantity: Quantity) -> str:
    units = ", ".join(
        f"Tuple {{ unit: {literal(unit)}, factor: {factor} }}"
        for unit, factor in UNITS[quantity].items()
    )
    return f'number: Facts."Number"(O, {{ {units} }})'


def _said(quantity: Quantity, scope: Any) -> str:
    """The one answer of a coded result; null where it says both or neither."""
    yes, no = _ANSWERS[quantity]
    scope.used |= {f"answer-{yes}", f"answer-{no}"}
    value = "O.value as FHIR.CodeableConcept"
    is_yes, is_no = (f'Codes."in answer-{one}"({value})' for one in (yes, no))
    return (
        "said: case\n"
        f'        when not Facts."Final"(O) or ({is_yes} and {is_no}) then null as System.String\n'
        f"        when {is_yes} then {literal(yes)}\n"
        f"        when {is_no} then {literal(no)}\n"
        "        else null as System.String\n      end"
    )
