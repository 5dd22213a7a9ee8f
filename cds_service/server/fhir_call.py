"""A call of the FHIR base taken apart: its parameters, its paging, and what it accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Request

from cds_service.errors import BadRequest, RequestError, UnsupportedBody
from cds_service.knowledge.published.catalogue import SEARCHED, Criterion
from cds_service.server import body
from cds_service.server.routes import runtime_of

FHIR_JSON: Final = "application/fhir+json"
MOST: Final = 100
"""Resources of one page."""
_USUAL: Final = 20
_MOST_BYTES: Final = 1 << 16
_FORM: Final = "application/x-www-form-urlencoded"
_FORMATS: Final = frozenset({"json", "application/json", FHIR_JSON, "application/fhir json"})
_RESULT: Final = ("_count", "_offset", "_summary")
_HARMLESS: Final = frozenset({"_format", "_pretty", "_total", "_elements"})

Pairs = Sequence[tuple[str, str]]


class NotAcceptable(RequestError):
    """The caller accepts no JSON."""

    status = 406
    code = "not-supported"


@dataclass(frozen=True, slots=True)
class Search:
    """A search: what is asked for, and which page of it.

    `ignored`: the call has parameters that are not known here.
    """

    criteria: tuple[Criterion, ...]
    count: int
    offset: int
    summary: str
    kept: Pairs
    ignored: bool

    def url(self, base: str, offset: int) -> str:
        """The URL of a page of this search, with the parameters that count."""
        paging = [("_count", str(self.count)), ("_offset", str(offset))]
        said = [("_summary", self.summary)] if self.summary != "false" else []
        return f"{base}?{urlencode([*self.kept, *said, *paging])}"


def refuse_other_formats(request: Request) -> None:
    """Raise NotAcceptable where the caller wants something else than JSON."""
    asked = request.query_params.get("_format", "json").partition(";")[0].strip().lower()
    said = request.headers.get("accept", "*/*").lower()
    parts = [one.partition(";")[0].strip() for one in said.split(",")]
    if "_format" in request.query_params:
        parts = [asked] if asked in _FORMATS else []
    if not any("json" in one or one in ("*/*", "application/*", "") for one in parts):
        raise NotAcceptable(f"this base speaks {FHIR_JSON} only")


def search_of(pairs: Pairs, *, strict: bool) -> Search:
    """A search from its parameters.

    Raises BadRequest for values that cannot be used, and with `strict` for parameters that are not
    known (FHIR R4 3.1.1.5.3 `Prefer: handling=strict`).
    """
    said = {name: value for name, value in pairs if name in _RESULT}
    known = [(name, value) for name, value in pairs if name.partition(":")[0] in SEARCHED and value]
    rest = [name for name, _ in pairs if name not in _RESULT and name not in _HARMLESS]
    ignored = any(name.partition(":")[0] not in SEARCHED for name in rest)
    if strict and ignored:
        raise BadRequest(f"the search parameters here are {', '.join(SEARCHED)}")
    summary = said.get("_summary", "false")
    if summary not in ("true", "false", "data", "count"):
        raise BadRequest("one of true, false, data and count is wanted", "_summary")
    count = min(_whole(said, "_count", _USUAL), MOST)
    if count == 0:  # FHIR R4 3.1.1.5.5: as _summary=count
        summary = "count"
    offset = _whole(said, "_offset", 0)
    return Search(tuple(_criteria(known)), count, offset, summary, known, ignored)


def _criteria(known: Pairs) -> Iterable[Criterion]:
    for name, value in known:
        plain, _, modifier = name.partition(":")
        yield plain, modifier, tuple(re.split(r"(?<!\\),", value))


def _whole(said: Mapping[str, str], name: str, usual: int) -> int:
    value = said.get(name, str(usual))
    if not value.isascii() or not value.isdecimal() or len(value) > 6:
        raise BadRequest("a whole number from 0 is wanted", name)
    return int(value)


async def _content(request: Request) -> bytes:
    """The body of a call, which anybody may send: far smaller than a chart. Raises TooLarge."""
    settings = runtime_of(request).settings
    least = min(settings.max_body_bytes, _MOST_BYTES)
    small = settings.model_copy(update={"max_body_bytes": least})
    return await body.read(request.scope, request.receive, small)


async def form_of(request: Request) -> Pairs:
    """The parameters of a search by POST: those of the URL, and those of the form."""
    if _media_type(request) != _FORM:
        raise UnsupportedBody(f"a search by POST is sent as {_FORM}")
    content = await _content(request)
    return [*request.query_params.multi_items(), *parse_qsl(content.decode())]


async def parameters_of(request: Request) -> Mapping[str, Any]:
    """The parameters of an operation: of the URL, and by POST those of a Parameters resource.

    Raises BadRequest for a body that is none, or for a parameter that is sent twice.
    """
    found: list[tuple[str, Any]] = list(request.query_params.multi_items())
    if request.method == "POST":
        if _media_type(request) not in (FHIR_JSON, "application/json"):
            raise UnsupportedBody(f"the parameters of an operation are sent as {FHIR_JSON}")
        content = await _content(request)
        found += _members(content)
    asked = dict(found)
    if len(asked) < len(found):
        raise BadRequest("a parameter is sent twice")
    return asked


def _members(content: bytes) -> Iterable[tuple[str, Any]]:
    try:
        sent = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(sent, dict) or sent.get("resourceType") != "Parameters":
        raise BadRequest("a resource of type Parameters is wanted", "resourceType")
    listed = sent.get("parameter", [])
    if not isinstance(listed, list):
        raise BadRequest("a list is wanted", "parameter")
    for one in listed:
        values = (
            [] if not isinstance(one, dict) else [v for n, v in one.items() if n[:5] == "value"]
        )
        if len(values) != 1 or not isinstance(one.get("name"), str):
            raise BadRequest("each parameter has a name and one value", "parameter")
        value = values[0]
        yield one["name"], value if isinstance(value, dict) else _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
