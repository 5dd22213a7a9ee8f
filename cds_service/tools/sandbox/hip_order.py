"""Asks a CDS service about a hip replacement, as an EHR would: the Sandbox itself cannot draft one.

The Sandbox calls `patient-view` when it opens a chart. The bridge answers that hook with what the
service says at `order-sign` to a hip replacement drafted for this patient, and hands its feedback
on. For the Sandbox's Card Demo, which renders one card that somebody pastes, there is the card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import httpx

from cds_service.tools.sandbox.fhir_server import StandIn
from cds_service.tools.sandbox.patients import Json, hip_order

BRIDGE: Final = "hip-replacement-drafted"
"""Id of the service that the bridge offers."""

_HOOK = "order-sign"
_SECONDS = 15
_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")


class NoAnswerError(Exception):
    """The service did not answer as a CDS service does; the message says why."""


class HipOrder:
    """A CDS service that is asked at order-sign. `discovery` is the URL of its discovery."""

    def __init__(self, discovery: str, stand_in: StandIn) -> None:
        self._discovery = discovery
        self._stand_in = stand_in

    async def describe(self) -> Json:
        """The discovery of the bridge: one service at patient-view, with the prefetch templates of
        the service behind it. Raises NoAnswerError."""
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            service = await self._service(client)
        bridge = {
            "id": BRIDGE,
            "hook": "patient-view",
            "title": "As if a hip replacement were drafted",
            "description": f"Calls {service['id']} with a total hip replacement drafted.",
        }
        prefetch = service.get("prefetch")
        return {"services": [bridge | ({"prefetch": prefetch} if prefetch else {})]}

    async def ask(self, call: Json) -> httpx.Response:
        """What the service answers to a call of any hook about a patient, made into an order-sign
        call with a hip replacement drafted. Raises NoAnswerError."""
        context = call.get("context")
        context = context if isinstance(context, dict) else {}
        order = hip_order(str(context.get("patientId", "")))
        drafts = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}
        made = call | {"hook": _HOOK, "context": context | {"draftOrders": drafts}}
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            service = await self._service(client)
            return await self._post(client, f"{service['id']}", made)

    async def feedback(self, said: Json) -> httpx.Response:
        """Hand feedback on to the service that made the cards. Raises NoAnswerError."""
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            service = await self._service(client)
            return await self._post(client, f"{service['id']}/feedback", said)

    async def card(self, patient_id: str) -> Json | None:
        """The first card for a patient of the stand-in, None for silence. Raises NoAnswerError."""
        bridge = (await self.describe())["services"][0]
        answer = _json(await self.ask(self._opened(bridge, patient_id)))
        cards = answer.get("cards")
        if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
            raise NoAnswerError(f"{self._discovery} did not answer with cards")
        return cards[0] if cards else None

    def _opened(self, service: Mapping[str, Any], patient_id: str) -> Json:
        """A call as the Sandbox makes it: what the server does not give is left out of prefetch."""
        context = {"userId": "Practitioner/surgeon", "patientId": patient_id}
        prefetch = {}
        for key, template in service.get("prefetch", {}).items():
            url = _TOKEN.sub(lambda found: context.get(found[1], ""), str(template))
            status, resource = self._stand_in.fetch(url)
            if status == 200:
                prefetch[key] = resource
        return {
            "hook": service["hook"],
            "hookInstance": str(uuid4()),
            "context": context,
            "prefetch": prefetch,
        }

    async def _service(self, client: httpx.AsyncClient) -> Json:
        try:
            found = _json(await client.get(self._discovery)).get("services")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        for service in found if isinstance(found, list) else ():
            if isinstance(service, dict) and service.get("hook") == _HOOK and service.get("id"):
                return service
        raise NoAnswerError(f"{self._discovery} names no service for {_HOOK}")

    async def _post(self, client: httpx.AsyncClient, path: str, body: Json) -> httpx.Response:
        try:
            return await client.post(f"{self._discovery}/{path}", json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.HTTPError) -> NoAnswerError:
        return NoAnswerError(f"{self._discovery} cannot be reached: {type(error).__name__}")


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
