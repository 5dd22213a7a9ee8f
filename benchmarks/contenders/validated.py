"""Ours in the usual way: every resource that comes in or goes out is a fhir.resources model."""

from datetime import date
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fhir.resources.R4B import get_fhir_model_class

from cds_service import hooks
from cds_service.cards import suggested_orders
from cds_service.knowledge.loader import load
from cds_service.trust.tokens import ANONYMOUS

app = FastAPI()
runtime = hooks.offline(load(), date.today())


def validate(resource: Any) -> None:
    if isinstance(resource, dict) and "resourceType" in resource:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@app.post("/cds-services/{service}")
async def call(service: str, request: Request) -> Response:
    body = await request.body()
    sent = orjson.loads(body)
    for resource in (sent["context"]["draftOrders"], *sent["prefetch"].values()):
        validate(resource)
    answer = await hooks.answer(service, body, ANONYMOUS, runtime)
    for card in orjson.loads(answer)["cards"]:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion.get("actions", ()):
                if "resource" in action:
                    suggested_orders.validate(action["resource"])
    return Response(answer, media_type="application/json")
