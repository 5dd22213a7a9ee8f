"""Builds the FHIR R4 resources of a synthetic patient from its pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from cds_service.tools.synthetic.catalogue import LEFT, RIGHT, Habits, coded, is_sided

Resource = dict[str, Any]

_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_UCUM: Final = "http://unitsofmeasure.org"
# SNOMED qualifiers and site, verified in the value sets side-*, site-hip.
_SIDES: Final = {
    RIGHT: {"system": "http://snomed.info/sct", "code": "24028007", "display": "Right"},
    LEFT: {"system": "http://snomed.info/sct", "code": "7771000", "display": "Left"},
    "both": {"system": "http://snomed.info/sct", "code": "51440002", "display": "Right and left"},
}
_HIP: Final = {
    "system": "http://snomed.info/sct",
    "code": "24136001",
    "display": "Hip joint structure",
}


@dataclass(slots=True)
class Maker:
    """Makes resources of one patient: ids count up, dates lie before `today`."""

    patient_id: str
    today: date
    habits: Habits
    rng: Random
    side: str | None = None
    _counts: dict[str, int] = field(default_factory=dict)

    def base(self, kind: str, owner: str = "subject") -> Resource:
        """Type, id and patient."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return {
            "resourceType": kind,
            "id": f"{self.patient_id}-{kind.lower()}-{self._counts[kind]}",
            owner: {"reference": f"Patient/{self.patient_id}"},
        }

    def day(self, ago: Any) -> str:
        """A day between `ago` days before today, least and most."""
        least, most = ago
        return (self.today - timedelta(days=self.rng.randint(least, most))).isoformat()

    def concept(self, choices: Any, side: str | None = None) -> dict[str, Any]:
        return coded(choices, self.habits, side)

    def part(self, part: Mapping[str, Any], side: str | None) -> tuple[Resource, str]:
        """The resource of one part of a piece, with the prefetch key or `draft` it belongs to."""
        for kind, (make, key) in _MAKERS.items():
            if kind in part:
                draft = kind == "medication" and part.get("draft")
                return make(self, part, side), "draft" if draft else key
        raise KeyError(f"no part of a known kind: {sorted(part)}")


def patient(maker: Maker, sex: str, age: int, number: int) -> Resource:
    """The Patient, plainly synthetic, this many whole years old and well off a birthday."""
    days = maker.rng.randint(40, 320)
    try:
        year = maker.today.replace(year=maker.today.year - age)
    except ValueError:  # 29 February
        year = maker.today.replace(year=maker.today.year - age, day=28)
    return {
        "resourceType": "Patient",
        "id": maker.patient_id,
        "active": True,
        "name": [{"family": "Synthetic", "given": [f"Patient{number}"]}],
        "gender": sex,
        "birthDate": (year - timedelta(days=days)).isoformat(),
    }


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": _HL7 + system, "code": code}]}


def _site(maker: Maker, part: Mapping[str, Any], choices: Any, side: str | None) -> list[Any]:
    """Body sites, where the code does not say the side itself."""
    site = part.get("site")
    sites: list[Any] = [{"coding": [dict(_HIP)]} if site == "hip" else {"text": site}] * bool(site)
    if part.get("both") and not _says_both(maker, choices):
        sites.append({"coding": [dict(_SIDES["both"])]})
    elif side is not None and not is_sided(choices, maker.habits):
        sites.append({"coding": [dict(_SIDES[side])]})
    return sites


def _says_both(maker: Maker, choices: Any) -> bool:
    return "ilateral" in str(maker.concept(choices).get("text"))


def condition(maker: Maker, part: Mapping[str, Any], side: str | None) -> Resource:
    """A Condition with both statuses and its dates."""
    resource = maker.base("Condition")
    resource["clinicalStatus"] = _status("condition-clinical", part.get("state", "active"))
    checked = part.get("checked", "confirmed")
    resource["verificationStatus"] = _status("condition-ver-status", checked)
    resource["code"] = maker.concept(part["condition"], side or maker.side)
    if sites := _site(maker, part, part["condition"], side):
        resource["bodySite"] = sites
    resource["onsetDateTime"] = maker.day(part["ago"])
    resource["recordedDate"] = resource["onsetDateTime"]
    return resource


def procedure(maker: Maker, part: Mapping[str, Any], side: str | None) -> Resource:
    """A Procedure that was done."""
    resource = maker.base("Procedure") | {"status": "completed"}
    resource["code"] = maker.concept(part["procedure"], side)
    if sites := _site(maker, part, part["procedure"], side):
        resource["bodySite"] = sites
    if "reason" in part:
        resource["reasonCode"] = [maker.concept(part["reason"])]
    resource["performedDateTime"] = maker.day(part["ago"])
    return resource


def medication(maker: Maker, part: Mapping[str, Any], side: str | None = None) -> Resource:
    """A MedicationRequest, active, drafted or stopped (`stopped`: days since it was written)."""
    draft, stopped = part.get("draft"), part.get("stopped")
    resource = maker.base("MedicationRequest")
    state = "draft" if draft else "stopped" if stopped else "active"
    resource |= {"status": state, "intent": "order"}
    resource["medicationCodeableConcept"] = maker.concept(part["medication"])
    starts = part.get("starts")
    written = maker.today.isoformat() if draft or starts == 0 else maker.day(stopped or [20, 200])
    resource["authoredOn"] = written
    if dosage := _dosage(part):
        resource["dosageInstruction"] = [dosage]
    return resource


def _dosage(part: Mapping[str, Any]) -> Resource:
    dosage: Resource = {}
    if part.get("prn"):
        dosage["asNeededBoolean"] = True
    if "route" in part:
        dosage["route"] = coded(part["route"], Habits.US)
    if "dose" in part:
        value, unit, frequency, days = part["dose"]
        repeat: Resource = {"frequency": frequency, "period": 1, "periodUnit": "d"}
        if days:
            bounds = {"value": days, "unit": "days", "system": _UCUM, "code": "d"}
            repeat = {"boundsDuration": bounds} | repeat
        dosage["timing"] = {"repeat": repeat}
        quantity = {"value": value, "unit": unit, "system": _UCUM, "code": unit}
        dosage["doseAndRate"] = [{"doseQuantity": quantity}]
    return dosage


def allergy(maker: Maker, part: Mapping[str, Any], side: str | None) -> Resource:
    """A confirmed allergy."""
    resource = maker.base("AllergyIntolerance", "patient")
    resource["clinicalStatus"] = _status("allergyintolerance-clinical", "active")
    resource["verificationStatus"] = _status("allergyintolerance-verification", "confirmed")
    resource |= {"type": "allergy", "code": maker.concept(part["allergy"])}
    resource["recordedDate"] = maker.day([300, 9000])
    return resource


def observation(maker: Maker, part: Mapping[str, Any], side: str | None = None) -> Resource:
    """A final result: a number, a coded answer, or words."""
    resource = maker.base("Observation") | {"status": "final"}
    resource["code"] = maker.concept(part["observation"])
    resource["effectiveDateTime"] = maker.day(part["ago"])
    if "answer" in part:
        resource["valueCodeableConcept"] = maker.concept(part["answer"])
        return resource
    if "written" in part:
        resource["valueString"] = part["written"]
        return resource
    least, most = part["value"]
    whole = isinstance(least, int) and isinstance(most, int)
    value = maker.rng.randint(least, most) if whole else _tenth(maker.rng, least, most)
    unit = part["unit"]
    resource["valueQuantity"] = {"value": value, "unit": unit, "system": _UCUM, "code": unit}
    return resource


def _tenth(rng: Random, least: float, most: float) -> float:
    return rng.randint(round(least * 10), round(most * 10)) / 10


def family(maker: Maker, part: Mapping[str, Any], side: str | None) -> Resource:
    """A condition of a relative."""
    resource = maker.base("FamilyMemberHistory", "patient") | {"status": "completed"}
    resource["relationship"] = {"text": part["relation"]}
    resource["condition"] = [{"code": maker.concept(part["family"])}]
    return resource


def planned(maker: Maker, part: Mapping[str, Any], side: str | None) -> Resource:
    """An order of the record that is still to happen."""
    resource = maker.base("ServiceRequest") | {"status": "active", "intent": "order"}
    resource["code"] = maker.concept(part["planned"])
    if "reason" in part:
        resource["reasonCode"] = [maker.concept(part["reason"])]
    if sites := _site(maker, part, part["planned"], None):
        resource["bodySite"] = sites
    resource["authoredOn"] = maker.day([1, 20])
    return resource


_MAKERS: Final = {
    "condition": (condition, "conditions"),
    "procedure": (procedure, "procedures"),
    "medication": (medication, "medications"),
    "allergy": (allergy, "allergies"),
    "observation": (observation, "observations"),
    "family": (family, "familyHistory"),
    "planned": (planned, "serviceRequests"),
}


# --- orders ---


def orders(maker: Maker, trigger: Mapping[str, Any], choices: Mapping[str, Any]) -> list[Resource]:
    """The draft orders of a trigger: one, or one for each hip."""
    kind = trigger.get("resource")
    if kind == "medication":
        return [medication(maker, {**trigger, "medication": choices, "draft": True})]
    if kind == "immunization":
        return [_vaccine(maker, trigger, choices)]
    sides = (RIGHT, LEFT) if trigger.get("both") else (maker.side,)
    return [_service(maker, trigger, choices, side) for side in sides]


def _service(
    maker: Maker, trigger: Mapping[str, Any], choices: Mapping[str, Any], side: str | None
) -> Resource:
    resource = maker.base("ServiceRequest") | {"status": "draft", "intent": "order"}
    resource["code"] = maker.concept(choices, side)
    if trigger.get("site") and side and not is_sided(choices, maker.habits):
        resource["bodySite"] = [{"coding": [dict(_SIDES[side])]}]
    if "reason" in trigger:
        resource["reasonCode"] = [maker.concept(trigger["reason"])]
    resource["authoredOn"] = maker.today.isoformat()
    return resource


def _vaccine(maker: Maker, trigger: Mapping[str, Any], choices: Mapping[str, Any]) -> Resource:
    resource = maker.base("Immunization", "patient") | {"status": "completed"}
    resource["vaccineCode"] = maker.concept(choices)
    resource["occurrenceDateTime"] = maker.today.isoformat()
    resource["primarySource"] = True
    resource["route"] = coded(trigger["route"], Habits.US)
    return resource
