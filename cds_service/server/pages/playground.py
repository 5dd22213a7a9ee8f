"""Answers the playground: the engine of a call, within the same limits, with trace and timing.

Nothing is fetched from a FHIR server and nothing is stored: these calls come from a page.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Raw

from cds_service import hooks
from cds_service.cdshooks import feedback as feedback_items
from cds_service.cdshooks import models
from cds_service.cdshooks import request as envelope
from cds_service.errors import UnknownService
from cds_service.fhir import record_to_call
from cds_service.ops import telemetry
from cds_service.server import feedback, limits
from cds_service.server.pages.samples import Samples
from cds_service.server.pages.tree import grow
from cds_service.services import SERVICES, service_of

NAME = "playground"
"""The service in logs and figures."""

_ORDERS_TO_ADD = frozenset({"hip"})

router = APIRouter(prefix="/playground")
_samples = Samples()


@router.get("/samples/{name}")
async def sample(request: Request) -> Response:
    """One request to try."""
    found = _samples.request(request.path_params["name"], hooks.runtime_of(request).today)
    if found is None:
        raise UnknownService("there is no sample of this name", "name")
    return hooks.json_response(found)


@router.get("/kit")
async def kit(request: Request) -> Response:
    """What can be put into a request."""
    runtime = hooks.runtime_of(request)
    told = _samples.kit(runtime.today) | {"egfrCodes": _egfr_codes(runtime)}
    return hooks.json_response(msgspec.json.encode(told))


def _egfr_codes(runtime: hooks.Runtime) -> list[str]:
    """LOINC codes of what the knowledge takes for an eGFR."""
    value_set = runtime.knowledge.value_sets["lab-egfr"]
    return [c["code"] for part in value_set["compose"]["include"] for c in part["concept"]]


@router.post("/answer")
async def answer(request: Request) -> Response:
    """Answer a CDS Hooks request or a FHIR Bundle (`?order=hip` adds an order to one without)."""
    runtime = hooks.runtime_of(request)
    telemetry.current().service = NAME
    order = request.query_params.get("order")
    text = await hooks.read_body(request, runtime.settings)
    with telemetry.stage("parse"):
        order = order if order in _ORDERS_TO_ADD else None
        call = record_to_call.as_call(text, runtime.knowledge.index, order)
        parsed = envelope.parse(call)
        limits.check_orders(parsed.context.draft_orders, runtime.settings)
    hooks.check_hook(parsed, SERVICES)
    told: dict[str, Any] = {"wrapped": None if call is text else Raw(call)}
    told |= _decide(parsed, runtime)
    stages = telemetry.current().stages
    told["stages"] = [{"name": name, "ms": spent * 1000} for name, spent in stages.items()]
    return hooks.json_response(msgspec.json.encode(told))


def _decide(request: models.CDSRequest, runtime: hooks.Runtime) -> dict[str, Any]:
    """The answer as the EHR gets it, and why. Raises MissingData."""
    knowledge, context = runtime.knowledge, request.context
    service = service_of(request.hook)
    chart, assessment = hooks.decide(request, knowledge, runtime.today)
    hooks.refuse_unread(request, chart, assessment, None)
    notes = list(request.notes)
    if request.has_fhir_access:
        notes.append("the playground reads nothing from fhirServer")
    with telemetry.stage("cards"):
        composer = runtime.composer
        told = composer.compose(assessment, chart, context.encounter_id, context.user_id)
    return {
        "service": service.id if service else None,
        "answer": told,
        "trace": grow(assessment, chart, knowledge),
        "notes": notes,
    }


@router.post("/feedback/{service_id}")
async def check_feedback(request: Request) -> Response:
    """Read feedback as its endpoint does and answer the same, but store nothing."""
    runtime = hooks.runtime_of(request)
    service_id = request.path_params["service_id"]
    telemetry.current().service = NAME
    if not any(service.id == service_id for service in SERVICES):
        raise UnknownService("there is no service of this id; see /cds-services", "id")
    text = await hooks.read_body(request, runtime.settings)
    items = feedback_items.read(text, service_id, NAME, runtime.clock())
    return hooks.json_response(msgspec.json.encode(feedback.acknowledge(items)))
