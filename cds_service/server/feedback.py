"""The feedback endpoint: what clinicians did with cards, stored before it is acknowledged."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from cds_service import hooks
from cds_service.cdshooks import feedback
from cds_service.errors import UnknownService
from cds_service.ops import telemetry
from cds_service.store.records import FeedbackItem

NOTES_SHOWN = 20
"""Notes in one answer; the client that needs more of them has made its point."""

router = APIRouter()


@router.post("/cds-services/{service_id}/feedback")
async def receive(request: Request) -> Response:
    """Feedback on cards (CDS Hooks 2.0 "Feedback", FB-01 to FB-08).

    200 says that every item is committed, now or by an earlier call: `feedback` is their number,
    `notes` says what was unusual and tolerated. 400 and 503 store nothing that is acknowledged.
    """
    runtime = hooks.runtime_of(request)
    service_id: str = request.path_params["service_id"]
    if not any(service.id == service_id for service in hooks.SERVICES):
        raise UnknownService("there is no service of this id; see /cds-services", "id")
    if not runtime.store.is_kept:
        raise UnknownService("this service keeps no feedback")
    telemetry.current().service = service_id
    body = await hooks.read_body(request, runtime.settings)
    client = hooks.client_of(request)
    with telemetry.stage("parse"):
        items = feedback.read(body, service_id, client, runtime.clock())
    if items:
        with telemetry.stage("store"):
            await runtime.store.save(items)
    return hooks.json_response(msgspec.json.encode(acknowledge(items)))


def acknowledge(items: tuple[FeedbackItem, ...]) -> dict[str, Any]:
    """What is answered to items that were taken."""
    notes = (
        f"feedback[{index}]: {feedback.WORDS[feedback.Note(note)]}"
        for index, item in enumerate(items)
        for note in item.notes
    )
    shown = list(islice(notes, NOTES_SHOWN))
    if shown:
        telemetry.warn("feedback with unusual members", notes=shown)
    return {"feedback": len(items)} | ({"notes": shown} if shown else {})
