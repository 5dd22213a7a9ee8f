"""Patients without a hip order, many and fast: their lines are filled into templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final

from cds_service.tools.synthetic.catalogue import Habits, catalogue, coded
from cds_service.tools.synthetic.population.wish import PopulationWish, book_of_populations
from cds_service.tools.synthetic.resources import Resource

Lines = dict[str, list[str]]
"""JSON lines by resource type."""

_ID, _PATIENT, _DAY = "@id@", "@patient@", "@day@"  # each once in a form, in this order
_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_UCUM: Final = "http://unitsofmeasure.org"
_YEARS: Final = 10  # of history in a record
_MOST: Final = {  # resources of a type in a record; half of it on average
    "Encounter": 2, "Condition": 5, "Observation": 10, "MedicationRequest": 3, "Procedure": 2,
    "ServiceRequest": 3, "AllergyIntolerance": 1, "FamilyMemberHistory": 1, "Immunization": 1,
}  # fmt: skip
_FEMALE: Final = 0.51
_ONE_UNDATED_IN: Final = 30


def compact(value: Mapping[str, Any]) -> str:
    """JSON without spaces, as exporters write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class LineTemplates:
    """Lines of each type in which id, patient and day are filled in (`%s`)."""

    person: str
    forms: Mapping[str, tuple[str, ...]]
    days: tuple[str, ...]

    def patient(self, lines: Lines, patient_id: str, rng: Random) -> None:
        """Add the lines of one patient."""
        days, draw = self.days, rng.random
        span = len(days)
        sex = "female" if draw() < _FEMALE else "male"
        born = f"{1925 + int(draw() * 95)}-{1 + int(draw() * 12):02d}-{1 + int(draw() * 28):02d}"
        lines["Patient"].append(self.person % (patient_id, sex, born))
        for kind, forms in self.forms.items():
            many, into = len(forms), lines[kind]
            for number in range(int(draw() * (_MOST[kind] + 1))):
                form = forms[int(draw() * many)]
                day = days[int(draw() * span)]
                into.append(form % (f"{patient_id}-{kind.lower()}-{number}", patient_id, day))


def templates(wish: PopulationWish, habits: Habits) -> LineTemplates:
    """The templates of one coding habit, made of the filler of the catalogue."""
    drawn = Random(wish.seed)  # noqa: S311  # made-up data, no secrets
    made = {kind: list(_forms(kind, habits, drawn)) for kind in _MOST if kind not in wish.lacking}
    start = wish.until - timedelta(days=365 * _YEARS)
    days = tuple((start + timedelta(days=n)).isoformat() for n in range(365 * _YEARS + 1))
    forms = {kind: tuple(_form(marked(one, wish.marker)) for one in ones)
             for kind, ones in made.items()}  # fmt: skip
    person = _form(marked(_person(), wish.marker)).replace("@sex@", "%s").replace("@born@", "%s")
    return LineTemplates(person, forms, days)


def marked(resource: Resource, marker: str) -> Resource:
    """The resource with the marker in its names and free texts; as it is without one."""
    if not marker:
        return resource
    kind = resource["resourceType"]
    if kind in {"Patient", "Practitioner"}:
        name = {"text": f"{marker} {marker}", "family": marker, "given": [marker]}
        told = {"name": [name], "identifier": [{"value": marker}],
                "telecom": [{"system": "email", "value": f"{marker}@example.org"}],
                "address": [{"text": marker, "line": [marker], "city": marker}]}  # fmt: skip
        return resource | told
    told = {"identifier": [{"system": "https://hospital.example/ids", "value": marker}]}
    owner = "patient" if "patient" in resource else "subject"
    told[owner] = resource[owner] | {"display": marker}
    if kind not in {"Encounter", "Medication"}:
        told["note"] = [{"text": f"Seen with {marker}."}]
    if "requester" in resource:
        told["requester"] = resource["requester"] | {"display": marker}
    return resource | told


def _form(resource: Resource) -> str:
    """A form for `%`, from a resource with placeholders."""
    text = compact(resource).replace("%", "%%")
    for name in (_ID, _PATIENT, _DAY):
        text = text.replace(name, "%s")
    return text


def _person() -> Resource:
    return {"resourceType": "Patient", "id": _PATIENT, "active": True,
            "name": [{"family": "Synthetic", "given": ["Patient"]}],
            "gender": "@sex@", "birthDate": "@born@"}  # fmt: skip


def _base(kind: str, owner: str = "subject") -> Resource:
    return {"resourceType": kind, "id": _ID, "meta": {"versionId": "1"},
            owner: {"reference": f"Patient/{_PATIENT}"}}  # fmt: skip


def _forms(kind: str, habits: Habits, rng: Random) -> Iterator[Resource]:
    """The resources of a type, each with its placeholders."""
    filler, book = catalogue().filler, book_of_populations()
    match kind:
        case "Observation":
            for line in filler["observations"]:
                yield from (_observation(line, habits, rng) for _ in range(20))
        case "Condition":
            names = [*filler["conditions"][habits] * 3, *book["local"]["conditions"]]
            yield from _conditions((coded(line, habits) for line in names), rng)
        case "Procedure":
            for line in filler["procedures"][habits]:
                yield _base(kind) | {"status": "completed", "code": coded(line, habits),
                                     "performedDateTime": _DAY}  # fmt: skip
        case "MedicationRequest":
            for line in filler["medications"][habits]:
                told = {"medicationCodeableConcept": coded(line, habits), "authoredOn": _DAY}
                yield _base(kind) | {"status": "stopped", "intent": "order", **told}
        case "ServiceRequest":
            for line in book["everyday"]:
                told = {"code": coded(line, habits), "authoredOn": _DAY}
                asked = {"requester": {"reference": "Practitioner/physician-1"}}
                yield _base(kind) | {"status": "completed", "intent": "order", **told, **asked}
        case _:
            yield _beside(kind)


def _conditions(concepts: Iterable[dict[str, Any]], rng: Random) -> Iterator[Resource]:
    for number, concept in enumerate([*concepts] * 3):
        state = rng.choice(("active", "resolved"))
        told = {"clinicalStatus": {"coding": [{"system": f"{_HL7}condition-clinical",
                                               "code": state}]},
                "verificationStatus": {"coding": [{"system": f"{_HL7}condition-ver-status",
                                                   "code": "confirmed"}]},
                "code": concept}  # fmt: skip
        # An undated one keeps the day where it says nothing of when the fact was recorded.
        undated = number % _ONE_UNDATED_IN == 0
        day = {"meta": {"lastUpdated": f"{_DAY}T00:00:00Z"}} if undated else {"recordedDate": _DAY}
        whole = _base("Condition") | told
        if undated:
            del whole["meta"]
        yield whole | day


def _observation(line: list[Any], habits: Habits, rng: Random) -> Resource:
    code, least, most, unit = line
    quantity = {"value": rng.randint(least, most), "unit": unit, "system": _UCUM, "code": unit}
    category = {"coding": [{"system": f"{_HL7}observation-category", "code": "vital-signs"}]}
    return _base("Observation") | {
        "status": "final", "category": [category], "code": coded(code, habits),
        "effectiveDateTime": f"{_DAY}T08:15:00Z", "valueQuantity": quantity,
    }  # fmt: skip


def _beside(kind: str) -> Resource:
    """Types that no rule reads, and an allergy and a family history that nobody minds."""
    if kind == "Encounter":
        ambulatory = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        return _base(kind) | {"status": "finished", "class": ambulatory, "period": {"start": _DAY}}
    if kind == "Immunization":
        told = {"status": "completed", "vaccineCode": {"text": "Vaccine"}}
        return _base(kind, "patient") | told | {"occurrenceDateTime": _DAY, "primarySource": True}
    nothing = book_of_populations()["nothing"]
    if kind == "FamilyMemberHistory":
        told = {"status": "completed", "date": _DAY, "relationship": {"text": "mother"}}
        named = [{"code": coded(nothing["family"], Habits.US)}]
        return _base(kind, "patient") | told | {"condition": named}
    active = {"coding": [{"system": f"{_HL7}allergyintolerance-clinical", "code": "active"}]}
    told = {
        "clinicalStatus": active,
        "type": "allergy",
        "code": coded(nothing["allergy"], Habits.US),
    }
    return _base(kind, "patient") | told | {"recordedDate": _DAY}
