"""Turns templates into pages with the headers that keep them to themselves."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds_service import __version__
from cds_service.cards.prose import capital
from cds_service.server.pages.assets import Assets

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge


def policy(*servers: str) -> str:
    """The content security policy of a page, which may call this service, and `servers`."""
    connect = " ".join(("'self'", *servers))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


HEADERS = {
    "Content-Security-Policy": policy(),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}
Headers = Mapping[str, str]
_HTML = "text/html; charset=utf-8"

ASSETS = Assets()

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(static=ASSETS.url, service_version=__version__)


def shown(text: object) -> str:
    """Text with signs that cannot be seen written out: they could reorder what people read."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain)


def short(text: str) -> str:
    """The beginning of a citation, whole words of at most 60 characters."""
    return text if len(text) <= 60 else text[:60].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


_templates.filters.update(shown=shown, short=short, capital=capital)


def render(name: str, knowledge: Knowledge, **values: Any) -> bytes:
    """The HTML of a template; every value is escaped."""
    return _templates.get_template(name).render(knowledge=knowledge, **values).encode()


def page(
    content: bytes, request: Request, status: int = 200, headers: Headers | None = None
) -> Response:
    """A page. It is asked for anew each time, because it may change with the knowledge."""
    return packed_page(content, gzip.compress(content), request, status, headers)


def packed_page(
    content: bytes,
    packed: bytes,
    request: Request,
    status: int = 200,
    headers: Headers | None = None,
) -> Response:
    """The same with its gzip at hand."""
    said = {"Cache-Control": "no-cache", **(headers or {})}
    return answer(content, packed, _HTML, request, said, status)


def answer(
    content: bytes,
    packed: bytes,
    media_type: str,
    request: Request,
    headers: Headers,
    status: int = 200,
) -> Response:
    """An answer with the headers of every page, packed where the browser takes that."""
    said = {**HEADERS, **headers}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, status, said | {"Content-Encoding": "gzip"}, media_type)
    return Response(content, status, said, media_type)


def file_to_keep(content: bytes, media_type: str, name: str, request: Request) -> Response:
    """A file that a browser stores under this name; letters, digits, dots and hyphens only."""
    kept = {"Cache-Control": "no-cache", "Content-Disposition": f'attachment; filename="{name}"'}
    return answer(content, gzip.compress(content), media_type, request, kept)
