"""Serves the pages for people: HTML from templates, and the files they load.

Everything comes from this service, so that pages work offline and nobody else learns of a visit.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds_service import __version__, hooks
from cds_service.errors import UnknownService
from cds_service.markdown import clean
from cds_service.web import playground
from cds_service.web.assets import MOUNT, Assets

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}
_FOREVER = "public, max-age=31536000, immutable"

router = APIRouter()
router.include_router(playground.router)

_assets = Assets()
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(static=_assets.url, service_version=__version__)
_templates.filters["clean"] = clean


def render(name: str, runtime: hooks.Runtime, **values: Any) -> bytes:
    """The HTML of a template."""
    template = _templates.get_template(name)
    return template.render(knowledge=runtime.knowledge, **values).encode()


def html(content: bytes, request: Request, status: int = 200, **headers: str) -> Response:
    """A page. It is asked for anew each time, because it may change with the knowledge."""
    headers = {"Cache-Control": "no-cache"} | headers
    return _packed(content, gzip.compress, request, "text/html; charset=utf-8", status, headers)


def _packed(
    content: bytes,
    pack: Any,
    request: Request,
    media_type: str,
    status: int,
    headers: dict[str, str],
) -> Response:
    """An answer with the headers of every page, packed where the browser takes that."""
    headers = _HEADERS | headers
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = pack(content)
        headers["Content-Encoding"] = "gzip"
    return Response(content, status, headers, media_type)


@router.api_route(MOUNT + "/{version}/{path:path}", methods=["GET", "HEAD"])
async def file(version: str, path: str, request: Request) -> Response:
    """A file of a page. Its address changes with the content, so it may be kept for ever."""
    asset = _assets.find(version, path)
    if asset is None:
        raise UnknownService("there is no such file; reload the page", "path")
    kept = {"Cache-Control": _FOREVER}
    return _packed(asset.content, lambda _: asset.packed, request, asset.media_type, 200, kept)


@router.api_route("/", methods=["GET", "HEAD"])
async def show_playground(request: Request) -> Response:
    """The playground."""
    runtime = hooks.runtime_of(request)
    page = render("playground.html", runtime, anonymous=runtime.trust.gate.anonymous)
    return html(page, request)
