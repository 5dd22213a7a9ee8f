"""The synthetic patient of an examination, and the calls that are made about it.

Nothing in here comes from anybody's record. Codes are those of the value sets of this project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from cds_service.cdshooks.prefetch_tokens import TOKEN, resolve

Json = dict[str, Any]

PATIENT: Final = "doctor-patient-1"
USER: Final = "Practitioner/doctor-practitioner-1"
ENCOUNTER: Final = "doctor-encounter-1"
HOSTILE: Final = "<img src=doctor onerror=alert(1)> [x](javascript:alert(1))"
_SUBJECT: Final = {"reference": f"Patient/{PATIENT}"}
_SCT, _HL7 = "http://snomed.info/sct", "http://terminology.hl7.org/CodeSystem/"


def _coded(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": _HL7 + system, "code": code}]}


def _resource(kind: str, more: Json, owner: str = "subject") -> Json:
    return {"resourceType": kind, "id": f"doctor-{kind.lower()}-1", owner: _SUBJECT} | more


def _days_ago(days: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=days)).isoformat()


def service_request() -> Json:
    """A draft for a total hip replacement."""
    code = _coded(_SCT, "52734007", "Total replacement of hip")
    return _resource("ServiceRequest", {"status": "draft", "intent": "order", "code": code})


def medication_request() -> Json:
    """A draft for acetaminophen."""
    system = "http://www.nlm.nih.gov/research/umls/rxnorm"
    medicine = _coded(system, "313782", "Acetaminophen 325 MG Oral Tablet")
    more = {"status": "draft", "intent": "order", "medicationCodeableConcept": medicine}
    return _resource("MedicationRequest", more | {"authoredOn": _days_ago(0)})


def _patient() -> Json:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "name": [{"family": "Synthetic", "given": ["Doctor"]}],
        "gender": "female",
        "birthDate": date(datetime.now(UTC).year - 60, 1, 15).isoformat(),
    }


def _condition() -> Json:
    more = {
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "code": _coded(_SCT, "444748003", "Postoperative heterotopic ossification"),
        "onsetDateTime": _days_ago(2000),
    }
    return _resource("Condition", more)


def _observation() -> Json:
    unit = "mL/min/{1.73_m2}"
    quantity = {"value": 88, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    code = _coded("http://loinc.org", "98979-8", "Glomerular filtration rate")
    more = {"status": "final", "code": code, "effectiveDateTime": _days_ago(10)}
    return _resource("Observation", more | {"valueQuantity": quantity})


def _encounter() -> Json:
    kind = {"system": f"{_HL7}v3-ActCode", "code": "AMB"}
    return _resource("Encounter", {"status": "in-progress", "class": kind})


def _practitioner() -> Json:
    return {"resourceType": "Practitioner", "id": USER.rpartition("/")[2], "active": True}


_MAKERS: Final[Mapping[str, Callable[[], Json]]] = {
    "Patient": _patient,
    "Practitioner": _practitioner,
    "Condition": _condition,
    "Observation": _observation,
    "Encounter": _encounter,
}


# --- calls ---


def _orders() -> Json:
    entries = [{"resource": service_request()}, {"resource": medication_request()}]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _appointments() -> Json:
    start = datetime.now(UTC) + timedelta(days=7)
    participant = {"actor": _SUBJECT, "status": "accepted"}
    appointment = {
        "resourceType": "Appointment",
        "id": "doctor-appointment-1",
        "status": "proposed",
        "start": start.isoformat(timespec="seconds"),
        "end": (start + timedelta(minutes=30)).isoformat(timespec="seconds"),
        "participant": [participant],
    }
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": appointment}]}


def context(hook: str, service: Mapping[str, Any]) -> Json:
    """A context that fits the hook; of a hook that is not known, what its templates ask for."""
    found: Json = {"userId": USER, "patientId": PATIENT, "encounterId": ENCOUNTER}
    if hook in {"order-sign", "order-select"}:
        found["draftOrders"] = _orders()
    if hook == "order-select":
        found["selections"] = ["ServiceRequest/doctor-servicerequest-1"]
    if hook == "appointment-book":
        found["appointments"] = _appointments()
    if hook == "order-dispatch":
        found = {"patientId": PATIENT, "performer": USER}
        found["dispatchedOrders"] = ["ServiceRequest/doctor-servicerequest-1"]
    templates = service.get("prefetch")
    for template in templates.values() if isinstance(templates, dict) else ():
        for name in re.findall(r"\{\{context\.([A-Za-z]+)\}\}", str(template)):
            found.setdefault(name, "doctor-value-1")
    return found


def call(service: Mapping[str, Any]) -> Json:
    """A call of one advertised service, with every prefetch template answered."""
    hook = str(service.get("hook"))
    about = context(hook, service)
    made: Json = {"hook": hook, "hookInstance": str(uuid4()), "context": about}
    templates = service.get("prefetch")
    if isinstance(templates, dict) and templates:
        made["prefetch"] = {
            key: _answer(str(template), about) for key, template in templates.items()
        }
    return made


def _answer(template: str, about: Mapping[str, Any]) -> Json | None:
    """What an EHR would put in for a template: a resource, a Bundle, or null."""
    today = datetime.now(UTC).date()
    query = resolve(template, about, today) or TOKEN.sub("unresolved", template)
    kind, _, rest = query.partition("?")
    name, _, id_ = kind.partition("/")
    make = _MAKERS.get(name)
    if not rest and id_:
        return make() | {"id": id_} if make else None
    bundle: Json = {"resourceType": "Bundle", "type": "searchset"}
    if make:
        bundle["entry"] = [{"resource": make()}]
    return bundle


# --- variants ---


def with_prefetch(base: Json, value: Any) -> Json:
    """The call with this value under every prefetch key."""
    return base | {"prefetch": {key: deepcopy(value) for key in base.get("prefetch", {})}}


def without(base: Json, *names: str) -> Json:
    """The call without these members."""
    return {name: value for name, value in base.items() if name not in names}


def with_strangers(base: Json) -> Json:
    """The call with members that nobody knows, at several levels."""
    made = deepcopy(base)
    made["unknownDoctorMember"] = {"a": [1, {"b": None}]}
    made["context"]["unknownDoctorMember"] = "x"
    return made


def with_extension(base: Json) -> Json:
    """The call with an extension as the specification has it: an object (Epic sends many)."""
    return base | {"extension": {"com.example.doctor": {"18": "order entry"}}}


def hostile(base: Json) -> Json:
    """The call with markup in every display and text."""

    def soil(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: HOSTILE if k in {"display", "text"} and isinstance(v, str) else soil(v)
                for k, v in value.items()
            }
        return [soil(item) for item in value] if isinstance(value, list) else value

    soiled: Json = soil(base)
    return soiled


OUTCOME: Final = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "timeout", "diagnostics": "search timed out"}],
}
EMPTY: Final = {"resourceType": "Bundle", "type": "searchset", "total": 0}
