"""The stand-in over HTTP, for pages of any origin: FHIR, the bridge to order-sign, the guide."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cds_service.tools.sandbox.card_services import PATH, CardServices
from cds_service.tools.sandbox.fhir_server import Answer, StandIn
from cds_service.tools.sandbox.hip_order import BRIDGE, HipOrder, NoAnswerError
from cds_service.tools.sandbox.patients import Json


def create_stand_in_app(stand_in: StandIn, hip: HipOrder, guide: str) -> Starlette:
    """`guide` is the start page."""

    async def start(_: Request) -> Response:
        return PlainTextResponse(guide)

    return Starlette(
        routes=[
            Route("/", start),
            *_fhir_routes(stand_in),
            *_hip_routes(stand_in, hip),
            *_card_routes(CardServices()),
        ],
        exception_handlers={NoAnswerError: _no_answer},
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


def _fhir_routes(stand_in: StandIn) -> list[Route]:
    async def metadata(_: Request) -> Response:
        return _fhir((200, stand_in.capabilities()))

    async def read(request: Request) -> Response:
        return _fhir(stand_in.read(request.path_params["kind"], request.path_params["id"]))

    async def search(request: Request) -> Response:
        query = request.url.query
        if request.method == "POST":
            query = (await request.body()).decode("utf-8", "replace")
        return _fhir(stand_in.search(request.path_params["kind"], query))

    return [
        Route("/fhir/metadata", metadata),
        Route("/fhir/{kind}", search),
        Route("/fhir/{kind}/_search", search, methods=["POST"]),
        Route("/fhir/{kind}/{id}", read),
    ]


def _hip_routes(stand_in: StandIn, hip: HipOrder) -> list[Route]:
    async def discovery(_: Request) -> Response:
        return JSONResponse(await hip.describe())

    async def call(request: Request) -> Response:
        return await _handed_on(request, hip.ask)

    async def feedback(request: Request) -> Response:
        return await _handed_on(request, hip.feedback)

    async def card(request: Request) -> Response:
        patient_id = request.path_params["id"]
        if patient_id not in stand_in.patients:
            return PlainTextResponse("no patient of this id here\n", 404)
        shown = await hip.card(patient_id)
        if shown is None:
            return PlainTextResponse("no card: the service answered with silence\n", 404)
        # Plain text: browsers' views of JSON put more into the clipboard than the card.
        return PlainTextResponse(json.dumps(shown, indent=2, ensure_ascii=False))

    return [
        Route("/cds-services", discovery),
        Route(f"/cds-services/{BRIDGE}", call, methods=["POST"]),
        Route(f"/cds-services/{BRIDGE}/feedback", feedback, methods=["POST"]),
        Route("/card/{id}", card),
    ]


def _card_routes(cards: CardServices) -> list[Route]:
    async def discovery(request: Request) -> Response:
        found = cards.describe(request.path_params["kind"])
        return PlainTextResponse("no such kind\n", 404) if found is None else JSONResponse(found)

    async def call(request: Request) -> Response:
        content = cards.answer(request.path_params["kind"], request.path_params["id"])
        if content is None:
            return PlainTextResponse("no card of this id here\n", 404)
        return Response(content, media_type="application/json")

    async def feedback(_: Request) -> Response:
        return JSONResponse({})

    base = f"{PATH}/{{kind}}/cds-services"
    return [
        Route(base, discovery),
        Route(f"{base}/{{id}}", call, methods=["POST"]),
        Route(f"{base}/{{id}}/feedback", feedback, methods=["POST"]),
    ]


async def _handed_on(
    request: Request, ask: Callable[[Json], Awaitable[httpx.Response]]
) -> Response:
    """The answer of the service behind, as it is."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return PlainTextResponse("the body must be a JSON object\n", 400)
    answer = await ask(body)
    return Response(
        answer.content, answer.status_code, media_type=answer.headers.get("content-type")
    )


async def _no_answer(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 502)


def _fhir(answer: Answer) -> Response:
    status, resource = answer
    content = json.dumps(resource, ensure_ascii=False)
    return Response(content, status, media_type="application/fhir+json")
