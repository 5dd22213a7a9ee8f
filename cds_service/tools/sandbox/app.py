"""The stand-in over HTTP, for pages of any origin: FHIR, the hip cards, and the guide."""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cds_service.tools.sandbox.fhir_server import Answer, StandIn
from cds_service.tools.sandbox.hip_card import NoAnswerError, hip_card


def create_stand_in_app(stand_in: StandIn, discovery: str, guide: str) -> Starlette:
    """`discovery` is the URL of the CDS service that is asked for cards; `guide` the start page."""

    async def start(_: Request) -> Response:
        return PlainTextResponse(guide)

    async def card(request: Request) -> Response:
        patient_id = request.path_params["id"]
        if patient_id not in stand_in.patients:
            return PlainTextResponse(f"no patient {patient_id} here\n", 404)
        try:
            shown = await hip_card(discovery, stand_in, patient_id)
        except NoAnswerError as error:
            return PlainTextResponse(f"{error}\n", 502)
        if shown is None:
            return PlainTextResponse("no card: the service answered with silence\n", 404)
        # Plain text: browsers' views of JSON put more into the clipboard than the card.
        return PlainTextResponse(json.dumps(shown, indent=2, ensure_ascii=False))

    async def metadata(_: Request) -> Response:
        return _fhir((200, stand_in.capabilities()))

    async def read(request: Request) -> Response:
        return _fhir(stand_in.read(request.path_params["kind"], request.path_params["id"]))

    async def search(request: Request) -> Response:
        query = (
            (await request.body()).decode("utf-8", "replace")
            if request.method == "POST"
            else request.url.query
        )
        return _fhir(stand_in.search(request.path_params["kind"], query))

    return Starlette(
        routes=[
            Route("/", start),
            Route("/card/{id}", card),
            Route("/fhir/metadata", metadata),
            Route("/fhir/{kind}", search),
            Route("/fhir/{kind}/_search", search, methods=["POST"]),
            Route("/fhir/{kind}/{id}", read),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=("*",),
                allow_methods=("GET", "POST"),
                allow_headers=("*",),
                allow_private_network=True,  # asked for by Chrome before 142
            )
        ],
    )


def _fhir(answer: Answer) -> Response:
    status, resource = answer
    content = json.dumps(resource, ensure_ascii=False)
    return Response(content, status, media_type="application/fhir+json")
