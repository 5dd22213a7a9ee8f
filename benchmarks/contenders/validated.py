"""Ours in the usual way: every resource that comes in or goes out is a fhir.resources model."""

from datetime import date
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fhir.resources.R4B import get_fhir_model_class

from cds_service import hooks
from cds_service.cards import suggested_orders
from cds_service.cdshooks import models
from cds_service.cdshooks import request as envelope
from cds_service.knowledge.loader import load

app = FastAPI()
knowledge = load()


def validate(resource: Any) -> None:
    if isinstance(resource, dict) and "resourceType" in resource:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@app.post("/cds-services/{service}")
async def call(service: str, request: Request) -> Response:
    body = await request.body()
    sent = orjson.loads(body)
    for resource in (sent["context"]["draftOrders"], *sent["prefetch"].values()):
        validate(resource)
    answer = hooks.answer(envelope.parse(body), knowledge, date.today())
    for card in answer.cards:
        for suggestion in card.suggestions or ():
            for action in suggestion.actions or ():
                if action.resource is not None:
                    suggested_orders.validate(action.resource)
    return Response(models.to_bytes(answer), media_type="application/json")
