"""Asks a CDS service about a hip replacement, as an EHR would: the Sandbox itself cannot draft one.

What comes back is for the Sandbox's Card Demo, which renders one card that somebody pastes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from cds_service.tools.sandbox.fhir_server import StandIn
from cds_service.tools.sandbox.patients import Json, hip_order

_HOOK = "order-sign"
_SECONDS = 15
_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")


class NoAnswerError(Exception):
    """The service did not answer; the message says why."""


async def hip_card(discovery: str, stand_in: StandIn, patient_id: str) -> Json | None:
    """The first card for a hip replacement drafted for this patient, None for silence.

    `discovery` is the URL of a CDS service's discovery. Raises NoAnswerError.
    """
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            service = _order_sign(_json(await client.get(discovery)))
            call = hip_call(service, stand_in, patient_id)
            answer = _json(await client.post(f"{discovery}/{service['id']}", json=call))
    except httpx.HTTPError as error:
        raise NoAnswerError(f"{discovery} cannot be reached: {type(error).__name__}") from None
    cards = answer.get("cards")
    if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
        raise NoAnswerError(f"{discovery}/{service['id']} did not answer with cards")
    return cards[0] if cards else None


def hip_call(service: Mapping[str, Any], stand_in: StandIn, patient_id: str) -> Json:
    """An order-sign call about this patient, with what the stand-in gives for each prefetch
    template. As in the Sandbox, what it does not give is left out."""
    context = {
        "userId": "Practitioner/surgeon",
        "patientId": patient_id,
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": hip_order(patient_id)}],
        },
    }
    prefetch = {}
    for key, template in (service.get("prefetch") or {}).items():
        url = _TOKEN.sub(lambda found: str(context.get(found[1], "")), str(template))
        status, resource = stand_in.fetch(url)
        if status == 200:
            prefetch[key] = resource
    return {"hook": _HOOK, "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}


def _order_sign(discovery: Json) -> Json:
    services = discovery.get("services")
    for service in services if isinstance(services, list) else ():
        if isinstance(service, dict) and service.get("hook") == _HOOK and service.get("id"):
            return service
    raise NoAnswerError(f"discovery names no service for {_HOOK}")


def _json(response: httpx.Response) -> Json:
    if response.status_code != 200:
        raise NoAnswerError(
            f"{response.url} answered {response.status_code}: {response.text[:500]}"
        )
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoAnswerError(f"{response.url} did not answer with a JSON object")
    return value
