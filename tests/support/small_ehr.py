"""A small FHIR server in memory: the record of an EHR where no HAPI FHIR server is at hand.

It reads by id, searches by patient, status, intent and code, sorts, pages with absolute `next`
links, says what it has (CapabilityStatement), and wants a bearer token. Nothing of the service is
in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TOKEN = "small-ehr-token-3f9a"
STATEMENTS = ("MedicationStatement", "MedicationUsage")
KINDS = (
    "Patient", "Condition", "Procedure", "MedicationRequest", *STATEMENTS, "AllergyIntolerance",
    "Observation", "FamilyMemberHistory", "ServiceRequest",
)  # fmt: skip
_EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-"
# As the CapabilityStatement of US Core has it for MedicationRequest.
_US_CORE = {
    "url": _EXTENSIONS + "search-parameter-combination",
    "extension": [
        {"url": _EXTENSIONS + "expectation", "valueCode": "SHALL"},
        {"url": "required", "valueString": "patient"},
        {"url": "required", "valueString": "intent"},
    ],
}
_CONTROLS = ("_count", "_offset", "_sort")


def resources_of(prefetch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All resources of the prefetch of a request."""
    found = []
    for value in prefetch.values():
        for entry in value.get("entry", [{"resource": value}]):
            if entry["resource"].get("resourceType") != "Bundle":
                found.append(entry["resource"])
    return found


class SmallEhr:
    """`resources` can be changed between calls. `page_size` is the most that one page holds.

    `without` names the resource types that it does not have: by default, as most EHRs, the
    statements of what is taken. `intent` says whether a search for MedicationRequest `needs` it,
    `refuses` it, or may have it. `declares` is False for one that does not tell what it has.
    """

    def __init__(
        self,
        resources: Iterable[dict[str, Any]] = (),
        page_size: int = 50,
        without: Collection[str] = STATEMENTS,
        intent: str = "may",
        *,
        declares: bool = True,
    ) -> None:
        self.resources = list(resources)
        self.page_size = page_size
        self.without = frozenset(without)
        self.intent = intent
        self.declares = declares
        self.app = Starlette(
            routes=[
                Route("/fhir/metadata", self._metadata),
                Route("/fhir/{kind}", self._search),
                Route("/fhir/{kind}/{id}", self._read),
            ]
        )

    async def _metadata(self, _request: Request) -> Response:
        if not self.declares:
            return _outcome(404, "not-found")
        resources: list[dict[str, Any]] = [
            {"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}]}
            for kind in KINDS
            if kind not in self.without
        ]
        if self.intent == "needs":
            orders = next(r for r in resources if r["type"] == "MedicationRequest")
            orders["extension"] = [_US_CORE]
        rest = [{"mode": "server", "resource": resources}]
        return _fhir({"resourceType": "CapabilityStatement", "rest": rest})

    async def _read(self, request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        kind, ident = request.path_params["kind"], request.path_params["id"]
        for resource in self.resources:
            if (resource["resourceType"], resource.get("id")) == (kind, ident):
                return _fhir(resource)
        return _outcome(404, "not-found")

    async def _search(self, request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        query = dict(request.query_params)
        kind = request.path_params["kind"]
        if kind in self.without:
            return _outcome(404, "not-supported")
        wrong = {"needs": "intent" not in query, "refuses": "intent" in query}
        if kind == "MedicationRequest" and wrong.get(self.intent, False):
            return _outcome(400, "invalid")
        found = [r for r in self.resources if r["resourceType"] == kind and _matches(r, query)]
        if query.get("_sort") == "-date":
            found.sort(key=lambda r: str(r.get("effectiveDateTime", "")), reverse=True)
        start = int(query.get("_offset", 0))
        size = min(int(query.get("_count", self.page_size)), self.page_size)
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": [{"relation": "self", "url": str(request.url)}],
        }
        if page := found[start : start + size]:
            bundle["entry"] = [{"resource": r, "search": {"mode": "match"}} for r in page]
        if start + size < len(found):
            query = {**query, "_offset": str(start + size)}
            url = f"{request.url.replace(query='')}?{urlencode(query)}"
            bundle["link"].append({"relation": "next", "url": url})
        return _fhir(bundle)


def _matches(resource: dict[str, Any], query: dict[str, str]) -> bool:
    """Unknown parameters are ignored, as some servers do."""
    subject = (resource.get("subject") or resource.get("patient") or {}).get("reference", "")
    if "patient" in query and subject.rpartition("/")[2] != query["patient"].rpartition("/")[2]:
        return False
    if "status" in query and resource.get("status") != query["status"]:
        return False
    if "intent" in query and resource.get("intent") not in query["intent"].split(","):
        return False
    if "code" in query:
        codings = resource.get("code", {}).get("coding", [])
        own = {f"{coding.get('system')}|{coding.get('code')}" for coding in codings}
        return not own.isdisjoint(query["code"].split(","))
    return True


def _refusal(request: Request) -> Response | None:
    if request.headers.get("authorization") == f"Bearer {TOKEN}":
        return None
    return _outcome(401, "login")


def _outcome(status: int, code: str) -> Response:
    issue = {"severity": "error", "code": code}
    return _fhir({"resourceType": "OperationOutcome", "issue": [issue]}, status)


def _fhir(resource: Any, status: int = 200) -> Response:
    content = json.dumps(resource).encode()
    return Response(content, status, media_type="application/fhir+json")
