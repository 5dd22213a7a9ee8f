"""A small FHIR R4 server in memory, open to the CDS Hooks Sandbox: it reads by id, and searches by
patient, status and code, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cds_service.tools.sandbox.patients import Json, SandboxPatient

Answer = tuple[int, Json]
"""An HTTP status and a FHIR resource."""

_TYPES = (
    "AllergyIntolerance",
    "Condition",
    "FamilyMemberHistory",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Patient",
    "Procedure",
    "ServiceRequest",
)
_SEARCHES = ("patient", "status", "code")


class StandIn:
    """The records of all patients. `base` is the URL of the server, without a slash at the end."""

    def __init__(self, patients: Mapping[str, SandboxPatient], base: str) -> None:
        self.patients = patients
        self.base = base

    def capabilities(self) -> Json:
        """The CapabilityStatement (FHIR R4 "http": `/metadata`)."""
        offered = [{"code": "read"}, {"code": "search-type"}]
        named = [{"name": name, "type": "token"} for name in _SEARCHES[1:]]
        named.append({"name": "patient", "type": "reference"})
        resources = [
            {"type": kind, "interaction": offered, "searchParam": named} for kind in _TYPES
        ]
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-11-25",
            "kind": "instance",
            "implementation": {"description": "Synthetic patients", "url": self.base},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [{"mode": "server", "resource": resources}],
        }

    def fetch(self, url: str) -> Answer:
        """The answer to a relative URL: `Patient/fop`, `Condition?patient=fop`."""
        path, mark, query = url.partition("?")
        kind, _, id_ = path.partition("/")
        return self.read(kind, id_) if id_ and not mark else self.search(kind, query)

    def read(self, kind: str, id_: str) -> Answer:
        """One resource, or 404."""
        for patient in self.patients.values():
            for resource in patient.resources:
                if (resource["resourceType"], resource["id"]) == (kind, id_):
                    return 200, resource
        return 404, _outcome("not-found", f"there is no {kind}/{id_} here")

    def search(self, kind: str, query: str) -> Answer:
        """A page of a search. What is not a parameter of ours is ignored, as FHIR allows.

        All patients are found where none is named, and only where Patient is asked for: a search
        of everything else without a patient is refused.
        """
        asked = dict(parse_qsl(query))
        if kind == "Patient":
            people = [p.resources[0] for p in self.patients.values()]
            wanted = asked.get("_id")
            return 200, self._page(kind, asked, [p for p in people if wanted in {None, p["id"]}])
        named = asked.get("patient", "").rpartition("/")[2]
        patient = self.patients.get(named)
        if patient is None:
            return 400, _outcome("required", "name one of the patients: patient=ID")
        if kind in patient.refused:
            return patient.refused[kind]
        found = [r for r in patient.resources if r["resourceType"] == kind and _fits(r, asked)]
        return 200, self._page(kind, asked, found, patient.page_size)

    def _page(self, kind: str, asked: dict[str, str], found: list[Json], size: int = 100) -> Json:
        start = int(asked["_offset"]) if asked.get("_offset", "").isdecimal() else 0
        links = [{"relation": "self", "url": f"{self.base}/{kind}?{urlencode(asked)}"}]
        if start + size < len(found):
            further = urlencode(asked | {"_offset": str(start + size)})
            links.append({"relation": "next", "url": f"{self.base}/{kind}?{further}"})
        entries = [
            {
                "fullUrl": f"{self.base}/{kind}/{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            for resource in found[start : start + size]
        ]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
        return bundle | ({"entry": entries} if entries else {})


def _fits(resource: Json, asked: Mapping[str, str]) -> bool:
    if "status" in asked and resource.get("status") not in asked["status"].split(","):
        return False
    if "code" not in asked:
        return True
    codings: list[Any] = resource.get("code", {}).get("coding", [])
    own = {f"{coding['system']}|{coding['code']}" for coding in codings}
    return not own.isdisjoint(asked["code"].split(","))


def _outcome(code: str, diagnostics: str) -> Json:
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
