"""The clinical content as FHIR R4 for machines: value sets, and a Library of its sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from cds_service.errors import UnknownService
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.namespaces import FHIR_BASE
from cds_service.knowledge.schema import Evidence
from cds_service.server.routes import runtime_of

LIBRARY_ID = "ho-prophylaxis"

Resource = dict[str, Any]
router = APIRouter()


def value_set_bundle(knowledge: Knowledge) -> Resource:
    """All value sets as a searchset, without their codes (FHIR R4 3.1.1.5.8 `_summary`)."""
    entries = [
        {
            "fullUrl": value_set["url"],
            "resource": _summary(value_set),
            "search": {"mode": "match"},
        }
        for value_set in knowledge.value_sets.values()
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _summary(value_set: Mapping[str, Any]) -> Resource:
    kept = ("resourceType", "id", "url", "version", "name", "title", "status", "date")
    subsetted = {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "SUBSETTED",
    }
    named = {key: value_set[key] for key in kept if key in value_set}
    return {**named, "meta": {"tag": [subsetted]}}


def library(knowledge: Knowledge) -> Resource:
    """The content as a Library (FHIR R4 `Library`): use, limits, value sets and sources."""
    meta = knowledge.meta
    return {
        "resourceType": "Library",
        "id": LIBRARY_ID,
        "url": f"{FHIR_BASE}Library/{LIBRARY_ID}",
        "version": knowledge.version,
        "name": "HoProphylaxis",
        "title": meta.title,
        "status": "active",
        "type": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/library-type",
                    "code": "logic-library",
                }
            ]
        },
        "date": meta.date,
        "description": meta.intended_use,
        "usage": " ".join(meta.limits),
        "relatedArtifact": [
            *(_citation(source) for source in knowledge.evidence.values()),
            *(
                {"type": "depends-on", "resource": f"{value_set['url']}|{value_set['version']}"}
                for value_set in knowledge.value_sets.values()
            ),
        ],
    }


def _citation(source: Evidence) -> Resource:
    url = f"https://doi.org/{source.doi}" if source.doi else source.url
    if source.pmid:
        url = f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/"
    cited = {"type": "citation", "label": source.id, "citation": source.citation}
    return {**cited, "url": url} if url else cited


# --- HTTP ---


def _fhir(resource: Mapping[str, Any]) -> Response:
    return Response(
        msgspec.json.encode(resource),
        headers={"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"},
        media_type="application/fhir+json",
    )


@router.api_route("/fhir/ValueSet", methods=["GET", "HEAD"])
async def value_sets(request: Request) -> Response:
    """The list of value sets; nothing in it is about a patient."""
    return _fhir(value_set_bundle(runtime_of(request).knowledge))


@router.api_route("/fhir/ValueSet/{set_id}", methods=["GET", "HEAD"])
async def one_value_set(request: Request) -> Response:
    """One value set with its codes, each with source, confidence and way of matching."""
    found = runtime_of(request).knowledge.value_sets.get(request.path_params["set_id"])
    if found is None:
        raise UnknownService("there is no value set of this id; see /fhir/ValueSet", "id")
    return _fhir(found)


@router.api_route(f"/fhir/Library/{LIBRARY_ID}", methods=["GET", "HEAD"])
async def one_library(request: Request) -> Response:
    """What the decisions rest on, by version."""
    return _fhir(library(runtime_of(request).knowledge))
