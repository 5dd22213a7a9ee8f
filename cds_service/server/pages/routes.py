"""Serves the pages for people, and the files they load.

Everything comes from this service, so that pages work offline and nobody else learns of a visit.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cds_service.errors import UnknownService
from cds_service.server.pages import evidence, evidence_lists, insights, playground, transparency
from cds_service.server.pages.assets import MOUNT
from cds_service.server.pages.html import ASSETS, answer, page, policy, render
from cds_service.server.pages.operator import Operators as Operators
from cds_service.server.routes import runtime_of

router = APIRouter()
# Of two that fit an address the first answers: the lists come before the pages of one rule.
for part in (
    playground.router,
    transparency.router,
    evidence_lists.router,
    evidence.router,
    insights.router,
):
    router.include_router(part)


@router.api_route("/", methods=["GET", "HEAD"])
async def show_playground(request: Request) -> Response:
    """The playground."""
    runtime = runtime_of(request)
    anonymous = runtime.trust.gate.anonymous
    values = {"anonymous": anonymous, "modules": playground.MODULES, "first": playground.FIRST}
    content = render("playground.html", runtime.knowledge, **values)
    allowed = {"Content-Security-Policy": policy(*playground.servers(runtime.settings))}
    return page(content, request, headers=allowed)


@router.api_route(MOUNT + "/{version}/{path:path}", methods=["GET", "HEAD"])
async def file(request: Request) -> Response:
    """A file of a page. Its address changes with the content, so it may be kept for ever."""
    asset = ASSETS.find(request.path_params["version"], request.path_params["path"])
    if asset is None:
        raise UnknownService("there is no such file; reload the page", "path")
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return answer(asset.content, asset.packed, asset.media_type, request, kept)
