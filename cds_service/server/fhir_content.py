"""The clinical content as a FHIR R4 base for machines: read, search, and its terminology.

Nothing here is about a patient, and nothing can be written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from cds_service.errors import RequestError, UnknownService, operation_outcome
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import catalogue, operations
from cds_service.knowledge.published.capability import capability_statement
from cds_service.server import fhir_call
from cds_service.server.fhir_call import FHIR_JSON, Search
from cds_service.server.responses import not_allowed, refusal
from cds_service.server.routes import runtime_of

Resource = dict[str, Any]
router = APIRouter()

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_READS: Final = frozenset({"GET", "HEAD"})
_ASKS: Final = frozenset({"GET", "HEAD", "POST"})
_OF_TYPE: Final = {"ValueSet": ("$expand", "$validate-code"),
                   "CodeSystem": ("$lookup", "$validate-code")}  # fmt: skip
_HEADERS: Final = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}


@router.api_route("/fhir", methods=_METHODS)
@router.api_route("/fhir/{path:path}", methods=_METHODS)
async def base(request: Request) -> Response:
    """Every call of the FHIR base. Errors are OperationOutcomes in its media type."""
    path = request.path_params.get("path", "").removesuffix("/")
    try:
        methods = _methods(path.split("/"))
        if request.method not in methods:
            return _as_fhir(not_allowed(request.method, {*methods}))
        fhir_call.refuse_other_formats(request)
        return await _answer(request, path.split("/"))
    except RequestError as error:
        return _as_fhir(refusal(error))


def _methods(steps: Sequence[str]) -> frozenset[str]:
    """The methods of a path. Raises UnknownService where there is nothing."""
    if [*steps] == ["metadata"]:
        return _READS
    kind, *rest = steps
    if kind in catalogue.TYPES:
        if len(rest) <= 1 and not (rest and rest[0].startswith(("$", "_"))):
            return _READS
        if rest == ["_search"]:
            return frozenset({"POST"})
        instance = len(rest) == 2 and rest[1] != "$lookup"
        if (len(rest) == 1 or instance) and rest[-1] in _OF_TYPE.get(kind, ()):
            return _ASKS
    raise UnknownService("there is nothing at this path; /fhir/metadata says what there is")


async def _answer(request: Request, steps: Sequence[str]) -> Response:
    knowledge, root = runtime_of(request).knowledge, _root(request)
    kind, *rest = steps
    if kind == "metadata":
        return _sent(request, capability_statement(knowledge, root))
    if not rest or rest == ["_search"]:
        pairs = await fhir_call.form_of(request) if rest else request.query_params.multi_items()
        strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "")
        search = fhir_call.search_of(pairs, strict=strict)
        return _sent(request, _bundle(knowledge, kind, search, root))
    if not rest[-1].startswith("$"):
        return _one(request, knowledge, kind, rest[0])
    asked = await fhir_call.parameters_of(request)
    id_ = rest[0] if len(rest) > 1 else None
    return _sent(request, _operation(knowledge, kind, id_, rest[-1], asked))


def _operation(
    knowledge: Knowledge, kind: str, id_: str | None, name: str, asked: Mapping[str, Any]
) -> Resource:
    if name == "$expand":
        return operations.expand(knowledge, id_, asked)
    if name == "$lookup":
        return operations.lookup(knowledge, asked)
    return operations.validate_code(knowledge, kind, id_, asked)


def _one(request: Request, knowledge: Knowledge, kind: str, id_: str) -> Response:
    found = catalogue.read(knowledge, kind, id_)
    if found is None:
        raise UnknownService(f"there is no {kind} of this id; see /fhir/{kind}", "id")
    mark = _mark(msgspec.json.encode(found))
    named = {"resourceType": found["resourceType"], "id": found["id"], "meta": {"versionId": mark}}
    return _sent(request, {**named, **found}, mark)


def _bundle(knowledge: Knowledge, kind: str, search: Search, root: str) -> Resource:
    """A page of a search (FHIR R4 3.1.1.5.4): full resources, unless a summary is asked for."""
    found, url = catalogue.search(knowledge, kind, search.criteria), f"{root}/{kind}"
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    bundle["link"] = _links(search, len(found), url)
    page = [] if search.summary == "count" else found[search.offset : search.offset + search.count]
    entries = [_entry(knowledge, kind, id_, search, url) for id_ in page]
    if search.ignored:
        told = "parameters that are not known here were ignored; the link self has those that count"
        outcome = operation_outcome("not-supported", told, severity="warning")
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    return {**bundle, "entry": entries} if entries else bundle


def _entry(knowledge: Knowledge, kind: str, id_: str, search: Search, url: str) -> Resource:
    resource = catalogue.read(knowledge, kind, id_)
    assert resource is not None  # noqa: S101  # the search has just named it
    shown = catalogue.summary(resource) if search.summary == "true" else resource
    return {"fullUrl": f"{url}/{id_}", "resource": shown, "search": {"mode": "match"}}


def _links(search: Search, total: int, url: str) -> list[Resource]:
    count, offset = search.count, search.offset
    pages = {"self": offset}
    if search.summary != "count":
        pages["first"] = 0
        if offset:
            pages["previous"] = max(offset - count, 0)
        if offset + count < total:
            pages["next"] = offset + count
    return [{"relation": name, "url": search.url(url, at)} for name, at in pages.items()]


def _root(request: Request) -> str:
    """The URL of the base as callers see it."""
    public = runtime_of(request).settings.public_url
    return f"{(public or str(request.base_url)).rstrip('/')}/fhir"


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _sent(request: Request, resource: Resource, mark: str | None = None) -> Response:
    """The answer, or 304 where the caller has it (FHIR R4 3.1.0.1.1.1 and RFC 9110 13.1.2)."""
    content = msgspec.json.encode(resource)
    etag = f'W/"{mark or _mark(content)}"'
    headers = {**_HEADERS, "ETag": etag, "Vary": "Accept"}
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if request.method in _READS and (etag in known or etag[2:] in known or "*" in known):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=FHIR_JSON)


def _as_fhir(response: Response) -> Response:
    if response.body:
        response.headers["content-type"] = FHIR_JSON
    return response
