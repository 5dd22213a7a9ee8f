"""The bodies that all contenders are asked: one hip replacement, and a record of any size."""

from __future__ import annotations

import json
from typing import Any

PATIENT = "pat-1"
SIZES = (10, 100, 1_000, 10_000)
"""Numbers of conditions: about 7 kB, 70 kB, 700 kB and 7 MB."""

# Problems that mean nothing here, as an EHR lists them (SNOMED CT and ICD-10-CM side by side).
_DULL = (
    ("38341003", "Hypertensive disorder", "I10", "Essential (primary) hypertension"),
    ("55822004", "Hyperlipidemia", "E78.5", "Hyperlipidemia, unspecified"),
    ("195662009", "Acute viral pharyngitis", "J02.9", "Acute pharyngitis, unspecified"),
    ("444814009", "Viral sinusitis", "J32.9", "Chronic sinusitis, unspecified"),
    ("10509002", "Acute bronchitis", "J20.9", "Acute bronchitis, unspecified"),
    ("271737000", "Anemia", "D64.9", "Anemia, unspecified"),
    ("15777000", "Prediabetes", "R73.03", "Prediabetes"),
)
_PREVIOUS_HO = ("444748003", "Postoperative heterotopic ossification", None, None)


def conditions(number: int) -> list[dict[str, Any]]:
    """So many Conditions, each different; the one in the middle is previous HO, a high risk."""
    found = []
    for place in range(number):
        kind = _PREVIOUS_HO if place == number // 2 else _DULL[place % len(_DULL)]
        found.append(_condition(place, *kind))
    return found


def _condition(
    place: int, sct: str, words: str, icd: str | None, icd_words: str | None
) -> dict[str, Any]:
    year, month, day = 1990 + place % 36, 1 + place % 12, 1 + place % 28
    coding = [{"system": "http://snomed.info/sct", "code": sct, "display": words}]
    if icd is not None:
        system = "http://hl7.org/fhir/sid/icd-10-cm"
        coding.append({"system": system, "code": icd, "display": str(icd_words)})
    base = "http://terminology.hl7.org/CodeSystem/condition"
    return {
        "resourceType": "Condition",
        "id": f"condition-{place}",
        "clinicalStatus": {"coding": [{"system": f"{base}-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{base}-ver-status", "code": "confirmed"}]},
        "code": {"coding": coding, "text": words},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "onsetDateTime": f"{year}-{month:02}-{day:02}T08:{place % 60:02}:00Z",
        "recordedDate": f"{year}-{month:02}-{day:02}",
    }


def order(number: int = 0) -> dict[str, Any]:
    """A draft for a total hip replacement."""
    words = "Total replacement of right hip joint"
    return {
        "resourceType": "ServiceRequest",
        "id": f"order-{number}",
        "status": "draft",
        "intent": "order",
        "priority": "routine",
        "code": {
            "coding": [{"system": "http://snomed.info/sct", "code": "443435007", "display": words}],
            "text": words,
        },
        "subject": {"reference": f"Patient/{PATIENT}"},
        "requester": {"reference": "Practitioner/surgeon-1"},
        "authoredOn": "2026-11-23",
    }


def blood_test(words: str) -> dict[str, Any]:
    """A draft for a laboratory test, which is harmless for any patient."""
    display = "Creatinine [Mass/volume] in Serum or Plasma"
    coding = {"system": "http://loinc.org", "code": "2160-0", "display": display}
    return order() | {"code": {"coding": [coding], "text": words}}


def body(number: int, orders: int = 1) -> bytes:
    """A call for order-sign with so many conditions and draft orders, as compact JSON."""
    return _call([order(place) for place in range(orders)], conditions(number))


def laboratory(number: int, words: str = "Creatinine") -> bytes:
    """The same with one order for a laboratory test of this name."""
    return _call([blood_test(words)], conditions(number))


def silent(number: int) -> bytes:
    """The same with a hip replacement, for a patient without any risk."""
    plain = [_condition(place, *_DULL[place % len(_DULL)]) for place in range(number)]
    return _call([order()], plain)


def _call(orders: list[dict[str, Any]], problems: list[dict[str, Any]]) -> bytes:
    patient = {
        "resourceType": "Patient",
        "id": PATIENT,
        "gender": "female",
        "birthDate": "1966-08-15",
    }
    empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    others = ("procedures", "medications", "allergies", "observations", "familyHistory",
              "serviceRequests")  # fmt: skip
    call = {
        "hook": "order-sign",
        "hookInstance": "9f1c2f0e-5b1d-4f7c-8d3a-2a6f0b9c1e77",
        "context": {
            "userId": "Practitioner/surgeon-1",
            "patientId": PATIENT,
            "encounterId": "enc-1",
            "draftOrders": _bundle(orders, "collection"),
        },
        "prefetch": {
            "patient": patient,
            "conditions": _bundle(problems, "searchset"),
            **dict.fromkeys(others, empty),
        },
    }
    return json.dumps(call, separators=(",", ":")).encode()


def _bundle(resources: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    base = "https://ehr.example/fhir"
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r} for r in resources
        ],
    }
