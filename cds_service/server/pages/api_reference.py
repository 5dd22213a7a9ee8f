"""The reference of the HTTP interface as a page: the OpenAPI document in words, and a place to try.

Server side, from the same document as `/openapi.json`. Two libraries were tried instead: RapiDoc
9.3.8 needs inline styles, which the policy of the pages forbids; Swagger UI 5.35.0 obeys it, and
brings 1.9 MB, and colours of too little contrast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from cds_service.errors import UnknownService
from cds_service.knowledge.services import served
from cds_service.server import call_examples, openapi
from cds_service.server.pages.html import page, render
from cds_service.server.routes import runtime_of

router = APIRouter()


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One operation, as it is shown. JSON is indented text, blank where there is none."""

    id: str
    method: str
    path: str
    address: str  # the path with the examples of its parameters
    summary: str
    description: str
    shape: str
    request: str
    answers: tuple[tuple[str, str, str], ...]  # status, what it means, media type
    answer: str


@router.api_route("/api", methods=["GET", "HEAD"])
async def show_reference(request: Request) -> Response:
    """The reference, where the description of the interface is served."""
    runtime = runtime_of(request)
    if not runtime.settings.shows_openapi:
        raise UnknownService("set CDS_OPENAPI to serve the description of the interface")
    document = openapi.document(served(runtime.knowledge), await call_examples.of(runtime))
    described = msgspec.json.decode(document)
    base = f"{request.url.scheme}://{request.url.netloc}"
    values = {"operations": list(operations(described)), "base": base, "described": described}
    return page(render("api.html", runtime.knowledge, **values), request)


def operations(described: dict[str, Any]) -> Iterator[ApiOperation]:
    """The operations of an OpenAPI document in its order."""
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            body = _json_content(one.get("requestBody", {}))
            answered = _json_content(one["responses"]["200"])
            yield ApiOperation(
                id=f"{method}-{path.strip('/').translate(_FLAT)}",
                method=method.upper(),
                path=path,
                address=_address(path, one),
                summary=one["summary"],
                description=one.get("description", ""),
                shape=_shown(_resolved(body.get("schema"), described)),
                request=_shown(body.get("example")),
                answers=tuple(_answers(one["responses"])),
                answer=_shown(answered.get("example")),
            )


_FLAT = str.maketrans({"/": "-", "{": None, "}": None, ".": "-"})


def _json_content(holder: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, dict[str, Any]] = holder.get("content", {})
    return next(iter(content.values()), {})


def _address(path: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", ()):
        path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    return path


def _resolved(schema: dict[str, Any] | None, described: dict[str, Any]) -> Any:
    """The shape that a reference names; references within it stay."""
    name = (schema or {}).get("$ref", "").rpartition("/")[2]
    return described["components"]["schemas"][name] if name else schema


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, said in sorted(responses.items()):
        yield status, said["description"], next(iter(said.get("content", {})), "")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
