"""Answers the playground: the engine of a call, within the same limits, with trace and timing.

Nothing is fetched from a FHIR server and nothing is stored: these calls come from a page.
"""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Raw

from cds_service import hooks
from cds_service.cards.silence import why_silent
from cds_service.errors import UnknownService
from cds_service.fhir import record_to_call
from cds_service.fhir.search import TEMPLATES
from cds_service.knowledge import services
from cds_service.knowledge.services import listed_id
from cds_service.ops import calls
from cds_service.ops.settings import Settings
from cds_service.server import body, feedback
from cds_service.server.pages import html
from cds_service.server.pages.samples import Samples
from cds_service.server.pages.tree import grow
from cds_service.server.responses import json_response
from cds_service.server.routes import runtime_of
from cds_service.trust.tokens import ANONYMOUS

NAME = "playground"
"""The service in logs and figures."""

_ORDERS_TO_ADD = frozenset({"hip"})

MODULES = (
    "address", "api", "bar", "cards", "controls", "edit", "editor", "inside", "seen", "text",
)  # fmt: skip
"""The modules of the page that it needs for the first card; others are loaded when they are."""

_ANY_SERVER = ("https:", "http://127.0.0.1:*", "http://localhost:*")

router = APIRouter(prefix="/playground")
_samples = Samples()
FIRST = _samples.first
"""Id of the sample that the page begins with."""


@router.get("/samples/{name}")
async def sample(request: Request) -> Response:
    """One request to try."""
    found = _samples.request(request.path_params["name"], runtime_of(request).today)
    if found is None:
        raise UnknownService("there is no sample of this name", "name")
    return _packed(found, request)


@router.get("/kit")
async def kit(request: Request) -> Response:
    """What can be put into a request."""
    runtime = runtime_of(request)
    settings = runtime.settings
    told = _samples.kit(runtime.today) | {
        "egfrCodes": _egfr_codes(runtime),
        "maxBytes": settings.max_body_bytes,
        "services": _services(runtime),
        "templates": runtime.queries.templates(TEMPLATES),
        "readsServers": settings.is_alone,
        "fhirServers": settings.fhir_servers,
    }
    return _packed(msgspec.json.encode(told), request)


def _packed(content: bytes, request: Request) -> Response:
    """JSON for the page, packed: networks may be slow."""
    kept = {"Cache-Control": "no-store"}
    packed = gzip.compress(content, 6)
    return html.answer(content, packed, "application/json", request, kept)


def servers(settings: Settings) -> tuple[str, ...]:
    """Sources of a content security policy: which FHIR servers the page may read from the browser.

    Any on a service that nobody but this machine reaches; else those that the operator named.
    """
    if settings.is_alone:
        return _ANY_SERVER
    parts = map(urlsplit, settings.fhir_servers)
    return tuple(dict.fromkeys(f"{one.scheme}://{one.netloc}" for one in parts))


def _services(runtime: hooks.Runtime) -> dict[str, str]:
    """By hook, the id under which a call of it is answered."""
    every = reversed(list(runtime.knowledge.services.values()))  # the first one of a hook is asked
    return {service.hook: listed_id(service) for service in every}


def _egfr_codes(runtime: hooks.Runtime) -> list[str]:
    """LOINC codes of what the knowledge takes for an eGFR."""
    value_set = runtime.knowledge.value_sets["lab-egfr"]
    return [c["code"] for part in value_set["compose"]["include"] for c in part["concept"]]


@router.post("/answer")
async def answer(request: Request) -> Response:
    """Answer a CDS Hooks request or a FHIR Bundle (`?order=hip` adds an order to one without)."""
    runtime = runtime_of(request)
    calls.current().service = NAME
    order = request.query_params.get("order")
    text = await body.read(request.scope, request.receive, runtime.settings)
    order = order if order in _ORDERS_TO_ADD else None
    call = record_to_call.as_call(text, runtime.knowledge.index, order)
    consultation = await hooks.consult(None, call, ANONYMOUS, runtime.alone())
    chart, assessment = consultation.explained()
    notes = list(consultation.request.notes)
    if consultation.request.has_fhir_access:
        notes.append("the playground reads nothing from fhirServer")
    stages = calls.current().stages
    told: dict[str, Any] = {
        "wrapped": None if call is text else Raw(call),
        "service": listed_id(consultation.service),
        "answer": consultation.answer,
        "silence": why_silent(consultation.assessment),
        "trace": grow(assessment, chart, runtime.knowledge),
        "notes": notes,
        "stages": [{"name": name, "ms": spent * 1000} for name, spent in stages.items()],
    }
    return _packed(msgspec.json.encode(told), request)


@router.post("/feedback/{service_id}")
async def check_feedback(request: Request) -> Response:
    """Read feedback as its endpoint does and answer the same, but store nothing."""
    runtime = runtime_of(request)
    calls.current().service = NAME
    service_id = request.path_params["service_id"]
    services.find(service_id, runtime.knowledge)
    text = await body.read(request.scope, request.receive, runtime.settings)
    return json_response(feedback.acknowledge(feedback.of(request).read(text, service_id, NAME)))
