"""Calls that bring access to a FHIR server: what the tests of reading an EHR share."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import httpx
from fastapi import FastAPI

from cds_service.fhir.search import TEMPLATES
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.faulty_proxy import FaultyProxy
from tests.support.small_ehr import TOKEN, SmallEhr, resources_of

SIGN = "/cds-services/ho-order-sign"
SELECT = "/cds-services/ho-order-select"
VIEW = "/cds-services/ho-patient-view"
ALL = frozenset(str(name) for name in TEMPLATES)

HIGH = {
    "patient": {"age": 60, "sex": "female"},
    "orders": ["right hip replacement"],
    "chart": {"conditions": ["sct 444748003 Postoperative heterotopic ossification"]},
}
"""A short description of a call that gives one warning."""

RECORD = {
    "patient": {"age": 71, "sex": "male"},
    "orders": ["right hip replacement"],
    "chart": {
        "conditions": [
            "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02",
            "icd10cm N18.4 Chronic kidney disease, stage 4",
        ],
        "procedures": ["sct 52734007 Total hip replacement | on 2019-01-10"],
        "medications": ["rxnorm 1364430 apixaban | active"],
        "allergies": ["sct 293586001 Allergy to aspirin"],
        "observations": ["loinc 98979-8 eGFR | = 24 mL/min/{1.73_m2} | on 10 days ago"],
        "serviceRequests": [],
    },
}
"""A patient with something in most inputs: each of them changes the card."""


class EhrClient(AppClient):
    """Calls an application that reads from FHIR servers; its connections end with each call.

    Where the settings do not say which may be read, each server that a call names is named in
    CDS_FHIR_SERVERS: an application for each.
    """

    def __init__(self, knowledge: Knowledge, settings: dict[str, Any]) -> None:
        self._knowledge = knowledge
        self._settings = settings
        self._says_which = not settings.keys().isdisjoint({"host", "fhir_servers", "clients"})
        self._apps: dict[str | None, FastAPI] = {}
        super().__init__(self._app_for(None))

    def _app_for(self, server: str | None) -> FastAPI:
        named = server if server is not None and not self._says_which else None
        if named not in self._apps:
            reach = {} if named is None else {"fhir_servers": (named,)}
            settings = Settings(**(self._settings | reach))
            self._apps[named] = create_app(settings, self._knowledge, clock=lambda: NOW)
        return self._apps[named]

    async def _send(self, method: str, url: str, arguments: dict[str, Any]) -> httpx.Response:
        body = arguments.get("json")
        self.app = self._app_for(body.get("fhirServer") if isinstance(body, dict) else None)
        try:
            return await super()._send(method, url, arguments)
        finally:
            await self.app.state.runtime.trust.outgoing.aclose()


def client_of(knowledge: Knowledge, **settings: Any) -> EhrClient:
    """An application with time enough to read, unless told otherwise."""
    patience: dict[str, Any] = {"deadline_ms": 5000, "budget_ms": 6000, "database_url": "none"}
    return EhrClient(knowledge, patience | settings)


def record() -> dict[str, Any]:
    """The whole call with everything in prefetch."""
    return build(RECORD)


def ehr_of(body: dict[str, Any], page_size: int = 50) -> SmallEhr:
    """A FHIR server that holds what the prefetch of a call brings."""
    return SmallEhr(resources_of(body["prefetch"]), page_size)


def with_access(body: dict[str, Any], server: str, **authorization: Any) -> dict[str, Any]:
    """The call with a FHIR server and a token for it."""
    return body | {
        "fhirServer": server,
        "fhirAuthorization": {
            "access_token": TOKEN,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "user/*.read",
            "subject": "cds-service",
        }
        | authorization,
    }


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """The call without these prefetch keys; without all of them there is no prefetch."""
    left = {key: value for key, value in body["prefetch"].items() if key not in names}
    rest = {key: value for key, value in body.items() if key != "prefetch"}
    return rest | {"prefetch": left} if left else rest


def inputs_of(response: httpx.Response) -> dict[str, str]:
    """What became of each input, by the trace of the answer."""
    states: dict[str, str] = response.json()["extension"]["org.example.ho-cds"]["inputs"]
    return states


def cards_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The cards of a good answer."""
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["cards"]
    return found


def without_uuids(found: list[dict[str, Any]]) -> str:
    """Cards as text that two equal answers share."""
    plain = deepcopy(found)
    for card in plain:
        card.pop("uuid")
        for suggestion in card.get("suggestions", []):
            suggestion.pop("uuid")
    return json.dumps(plain, sort_keys=True)


def plain(response: httpx.Response) -> str:
    """The cards of an answer as text, without uuids: equal for equal guidance."""
    return without_uuids(cards_of(response))


def serving(ehr: SmallEhr) -> FaultyProxy:
    """A proxy in front of a small EHR."""
    transport = httpx.ASGITransport(ehr.app)
    return FaultyProxy(lambda: httpx.AsyncClient(transport=transport, base_url="http://small"))
