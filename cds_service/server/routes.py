"""The routes of CDS Hooks beside the calls themselves: discovery and feedback.

A call of a service never gets here: `middleware.Front` answers it.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cds_service import hooks
from cds_service.errors import UnknownService
from cds_service.knowledge import services
from cds_service.ops import calls
from cds_service.server import body, feedback
from cds_service.server.in_force import InForce
from cds_service.server.responses import json_response
from cds_service.trust import access

# Handlers take ids from `request.path_params`: for a parameter of its own FastAPI would load
# pydantic.v1 at the start, a tenth of the import.
router = APIRouter()


def runtime_of(request: Request) -> hooks.Runtime:
    """What is in force for whoever has no content of its own."""
    return in_force_of(request).runtime


def in_force_of(request: Request) -> InForce:
    """What `create_app` put into the application."""
    in_force: InForce = request.app.state.in_force
    return in_force


@router.api_route("/cds-services", methods=["GET", "HEAD"])
async def discover(request: Request) -> Response:
    """Discovery (DS-01)."""
    return json_response(in_force_of(request).discovery, cache="max-age=60")


@router.post("/cds-services/{service_id}/feedback")
async def receive_feedback(request: Request) -> Response:
    """Feedback on cards (CDS Hooks 2.0 "Feedback", FB-01 to FB-08).

    200 says that `feedback` items are committed, now or by an earlier call; `refused` lists the
    others, `notes` says what was unusual and tolerated. Any other answer stores nothing.
    """
    runtime = runtime_of(request)
    service_id = request.path_params["service_id"]
    services.find(service_id, runtime.knowledge)
    if not runtime.store.is_kept:  # told before a body is read
        raise UnknownService("this service keeps no feedback")
    calls.current().service = service_id
    feedback.check_media_type(request)
    content = await body.read(request.scope, request.receive, runtime.settings)
    caller = access.caller_of(request.scope)
    return json_response(await feedback.of(request).take(content, service_id, caller))
