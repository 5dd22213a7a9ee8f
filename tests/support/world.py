"""The records of the world as data (tests/world/*.yaml), and what the service makes of each row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from cds_service.fhir.mentions import mentions_of
from cds_service.fhir_map import ChartReader
from cds_service.knowledge.loader import Knowledge
from tests.support.offline import answer

ROWS: Final = Path(__file__).parent.parent / "world"
TODAY: Final = date(2026, 11, 23)
EXTENSION: Final = "notUnderstood"
UNDERSTOOD, ASKED, NOT_UNDERSTOOD, NO_CONCERN, SILENT = (
    "understood", "asked", "not understood", "no concern", "silent",
)  # fmt: skip
VERDICTS: Final = (UNDERSTOOD, ASKED, NOT_UNDERSTOOD, NO_CONCERN)
_PATIENT: Final = {"reference": "Patient/p1"}
_KEYS: Final = {
    "Condition": "conditions", "Procedure": "procedures", "Observation": "observations",
    "AllergyIntolerance": "allergies", "MedicationRequest": "medications",
    "MedicationStatement": "medications",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One coding as a record of that world sends it, where it was seen, and what must come of it.

    `seen` is blank where no public source was read.
    """

    expect: str
    world: str
    system: str | None = None
    code: str | None = None
    words: str | None = None
    kind: str = "Condition"
    seen: str = ""
    also: list[dict[str, str]] = field(default_factory=list)

    @property
    def concept(self) -> dict[str, Any]:
        """The CodeableConcept."""
        coding = {"system": self.system, "code": self.code}
        codings = [{k: v for k, v in coding.items() if v}] if self.code else []
        concept: dict[str, Any] = {"coding": [*codings, *self.also]} if codings else {}
        return concept | ({"text": self.words} if self.words else {})


def rows(name: str) -> list[Row]:
    """The rows of one file."""
    return [Row(**row) for row in yaml.safe_load((ROWS / f"{name}.yaml").read_text("utf-8"))]


def resource(row: Row) -> dict[str, Any]:
    """A small resource of our own that carries the coding."""
    found: dict[str, Any] = {"resourceType": row.kind, "id": "r1"}
    if row.kind.startswith("Medication"):
        found |= {"status": "active", "medicationCodeableConcept": row.concept}
    else:
        found["code"] = row.concept
    if row.kind in {"Procedure", "Observation"}:
        found["status"] = "completed" if row.kind == "Procedure" else "final"
    owner = "patient" if row.kind == "AllergyIntolerance" else "subject"
    return found | {owner: _PATIENT}


def of_record(row: Row, knowledge: Knowledge) -> str:
    """What becomes of an entry of the record."""
    reader = ChartReader(
        knowledge.index, "p1", TODAY, knowledge.once(mentions_of), signals=_signals(knowledge)
    )
    reader.read_prefetch({_KEYS[row.kind]: _raw(resource(row))})
    chart = reader.chart()
    if chart.conditions or chart.procedures or chart.medications or chart.allergies:
        asked = {c for fact in chart.conditions for c in fact.concepts} == {"fop-possible"}
        return ASKED if asked else UNDERSTOOD
    if chart.measurements or chart.set_aside:
        return UNDERSTOOD
    if chart.mentions or chart.unidentified or chart.family:
        return ASKED
    if any(report.state.value in {"none-stated", "unknown", "withheld"} for report in chart.inputs):
        return UNDERSTOOD  # it says that there is none, or that nobody knows
    return NOT_UNDERSTOOD if chart.not_understood else NO_CONCERN


def of_order(row: Row, knowledge: Knowledge) -> str:
    """What becomes of a hip order, in the chart of a woman with previous HO."""
    order = {
        "resourceType": "ServiceRequest", "id": "o1", "status": "draft", "intent": "order",
        "subject": _PATIENT, "code": row.concept,
    }  # fmt: skip
    history = {
        "resourceType": "Condition", "id": "c1", "subject": _PATIENT,
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "444748003"}]},
    }  # fmt: skip
    woman = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-01-01"}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": history}]}
    call = {
        "hook": "order-sign", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/d", "patientId": "p1",
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
        },
        "prefetch": {"patient": woman, "conditions": bundle},
    }  # fmt: skip
    said = json.loads(answer(json.dumps(call).encode(), knowledge, TODAY))
    if any(card["indicator"] == "warning" for card in said["cards"]):
        return UNDERSTOOD
    if said["cards"]:
        return ASKED
    return NOT_UNDERSTOOD if f'"{EXTENSION}"' in json.dumps(said) else SILENT


def _signals(knowledge: Knowledge) -> Any:
    from cds_service.fhir.completeness import signals_of

    return knowledge.once(signals_of)


def _raw(value: Any) -> Any:
    from msgspec import Raw

    return Raw(json.dumps(value).encode())
