"""Small Bulk FHIR exports: resources from a few words, and files in the habits of servers."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
SNOMED = "http://snomed.info/sct"
CM = "http://hl7.org/fhir/sid/icd-10-cm"
HIP = (SNOMED, "52734007", "Total hip replacement")
HO = (SNOMED, "444748003", "Postoperative heterotopic ossification")
FOP = (CM, "M61.10", "Myositis ossificans progressiva, unspecified site")
HYPERTENSION = (CM, "I10", "Essential hypertension")
HABITS = {
    "plain": "{}.ndjson",
    "number behind": "{}.1.ndjson",
    "number before": "1.{}.ndjson",
    "zeros": "{}.000.ndjson",
    "synthea": "{}.1700000000000.ndjson",
}
CANARY = "Zzyzx-Quux"
EVERY_LIST = (
    "Condition", "Procedure", "MedicationRequest", "AllergyIntolerance", "Observation",
    "FamilyMemberHistory", "ServiceRequest",
)  # fmt: skip


def coded(coding: tuple[str, str, str]) -> Resource:
    system, code, display = coding
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def patient(ident: str = "a", sex: str = "female", born: str = "1950-01-01") -> Resource:
    named = {"name": [{"family": CANARY}], "address": [{"line": [CANARY]}]}
    return {"resourceType": "Patient", "id": ident, "gender": sex, "birthDate": born, **named}


def of(ident: str, kind: str, number: object, **more: Any) -> Resource:
    """A resource of a patient."""
    told = {"note": [{"text": CANARY}]} if kind != "AllergyIntolerance" else {}
    subject = "patient" if kind == "AllergyIntolerance" else "subject"
    named = {subject: {"reference": f"Patient/{ident}", "display": CANARY}}
    return {
        "resourceType": kind,
        "id": f"{ident}-{kind[0].lower()}{number}",
        **named,
        **told,
        **more,
    }


def order(
    ident: str = "a", day: str | None = "2024-04-20", number: object = 1, **more: Any
) -> Resource:
    """A hip order of the past."""
    dated = {"authoredOn": day} if day else {}
    told = {"status": "completed", "intent": "order", "code": coded(HIP)}
    return of(ident, "ServiceRequest", number, **{**told, **dated, **more})


def operation(
    ident: str = "a", day: str | None = "2024-05-03", number: object = 1, **more: Any
) -> Resource:
    """A hip operation of the past."""
    dated = {"performedDateTime": day} if day else {}
    told = {"status": "completed", "code": coded(HIP)}
    return of(ident, "Procedure", number, **{**told, **dated, **more})


def condition(
    ident: str = "a",
    day: str | None = "2019-06-02",
    code: tuple[str, str, str] = HO,
    number: object = 1,
    **more: Any,
) -> Resource:
    dated = {"recordedDate": day} if day else {}
    return of(ident, "Condition", number, code=coded(code), **{**dated, **more})


def lists(ident: str = "z") -> list[Resource]:
    """One resource of each list, of a patient without any event: the export has these types."""
    return [
        patient(ident),
        condition(ident, "2020-01-01", HYPERTENSION),
        of(ident, "Procedure", 1, status="completed", code={"text": "visit"}),
        of(ident, "MedicationRequest", 1, status="active", intent="order"),
        of(ident, "AllergyIntolerance", 1),
        of(ident, "Observation", 1, status="final", code={"text": "pulse"}),
        of(ident, "FamilyMemberHistory", 1, status="completed"),
        of(ident, "ServiceRequest", 1, status="completed", intent="order", code={"text": "bath"}),
    ]


def write(
    folder: Path, resources: Iterable[Resource], habit: str = "{}.ndjson", *, packed: bool = False
) -> Path:
    """Write one file a type, named by a habit."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[str]] = defaultdict(list)
    for one in resources:
        found[one["resourceType"]].append(json.dumps(one))
    for kind, lines in found.items():
        data = ("\n".join(lines) + "\n").encode()
        name = habit.format(kind) + (".gz" if packed else "")
        (folder / name).write_bytes(gzip.compress(data) if packed else data)
    return folder


def hospital(patients: int = 60) -> list[Resource]:
    """A year of hip orders: every third patient had HO before, every fifth gets it later."""
    found = lists()
    for number in range(patients):
        ident = f"h{number}"
        month = 1 + number % 12
        found.append(
            patient(ident, "male" if number % 2 else "female", f"19{40 + number % 40}-03-01")
        )
        requester = {"reference": f"Practitioner/s{number % 12}"}
        found.append(order(ident, f"2024-{month:02}-10", requester=requester))
        found.append(condition(ident, "2020-01-01", HYPERTENSION, "b"))
        if number % 3 == 0:
            found.append(condition(ident, "2019-06-02"))
        if number % 5 == 0:
            found.append(condition(ident, f"2025-{month:02}-10", number="late"))
        if number % 7 == 0:
            local = ("http://house.example/codes", "HX-4711", CANARY)
            found.append(condition(ident, None, local, "local"))
    return found
