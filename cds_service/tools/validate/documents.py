"""Tells what a JSON document is, and finds the FHIR resources in it with their places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cds_service.cdshooks.conformance.statements import Path
from cds_service.cdshooks.encoding import to_utf8
from cds_service.errors import RequestError
from cds_service.fhir.elements import Doc, kind_of, objects
from cds_service.fhir.release import Releases

CALL, ANSWER, DISCOVERY, FEEDBACK = "call", "answer", "discovery", "feedback"
BUNDLE, RESOURCE = "Bundle", "resource"
RELEASES = ("R4", "R4B", "R5", "STU3", "DSTU2")
_DEPTH = 6  # Bundles in Bundles, text in wrappers: deeper than anybody goes


class Unusable(ValueError):
    """A document of which nothing can be used; `line` is where, counted from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Located:
    """A resource in a document. `role` is draft, prefetch, entry, suggested or alone."""

    path: Path
    doc: Doc
    role: str
    full_url: str | None = None


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A decoded document: its text, what it is, and whether a member stands twice in it."""

    data: bytes
    text: str
    value: Any
    what: str
    twice: bool


def read(data: bytes) -> JsonDocument:
    """Decode JSON strictly (RFC 8259) and tell what it is. Raises Unusable."""
    try:
        plain = to_utf8(data, None)
    except RequestError as error:
        raise Unusable(str(error)) from None
    text = plain.decode()
    twice: list[bool] = []

    def members(pairs: list[tuple[str, Any]]) -> Doc:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice.append(True)
        return found

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise Unusable(f"not JSON: {error.msg} (column {error.colno})", error.lineno) from None
    except RecursionError:
        raise Unusable("nested too deeply") from None
    except ValueError as error:
        raise Unusable(f"not JSON: {str(error)[:100]}") from None
    return JsonDocument(plain, text, value, _what(value), bool(twice))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _what(value: Any) -> str:
    """What a document is. Raises Unusable when it is nothing that is known here."""
    if isinstance(value, dict):
        kind = kind_of(value)
        if kind is not None:
            return BUNDLE if kind == "Bundle" else RESOURCE
        if "hook" in value and ("context" in value or "hookInstance" in value):
            return CALL
        for name, what in (("cards", ANSWER), ("services", DISCOVERY), ("feedback", FEEDBACK)):
            if isinstance(value.get(name), list):
                return what
    raise Unusable("neither a FHIR resource nor a CDS Hooks message")


def resources(document: JsonDocument) -> Iterator[Located]:
    """Every resource of a document, those inside Bundles too, in the order of the text."""
    value, what = document.value, document.what
    if what in {BUNDLE, RESOURCE}:
        yield from _inside(value, (), "alone" if what == RESOURCE else "entry")
    elif what == CALL:
        yield from _of_call(value)
    elif what == ANSWER:
        yield from _of_answer(value)


def _of_call(call: Doc) -> Iterator[Located]:
    for context in objects(call.get("context"))[:1]:
        for name, value in context.items():
            yield from _inside(value, ("context", name), "draft")
    for prefetch in objects(call.get("prefetch"))[:1]:
        for name, value in prefetch.items():
            yield from _inside(value, ("prefetch", name), "prefetch")


def _of_answer(answer: Doc) -> Iterator[Located]:
    for i, card in enumerate(answer["cards"]):
        for j, suggestion in enumerate(objects(card.get("suggestions") if _is(card) else None)):
            for k, action in enumerate(objects(suggestion.get("actions"))):
                path = ("cards", i, "suggestions", j, "actions", k, "resource")
                yield from _inside(action.get("resource"), path, "suggested")
    for i, action in enumerate(objects(answer.get("systemActions"))):
        yield from _inside(action.get("resource"), ("systemActions", i, "resource"), "suggested")


def _inside(
    value: Any, path: Path, role: str, url: Any = None, depth: int = 0
) -> Iterator[Located]:
    """A resource, the entries of a Bundle, or the `{response, resource}` wrapper before 1.0."""
    if depth > _DEPTH:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _inside(item, (*path, index), role, None, depth + 1)
    elif not isinstance(value, dict):
        return
    elif kind_of(value) == "Bundle":
        yield Located(path, value, "bundle")
        entries = value.get("entry")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if kind_of(entry) is not None:  # a resource without the entry around it
                yield from _inside(entry, (*path, "entry", index), role, None, depth + 1)
            elif isinstance(entry, dict):
                at = (*path, "entry", index, "resource")
                full = entry.get("fullUrl")
                yield from _inside(entry.get("resource"), at, role, full, depth + 1)
    elif "resourceType" in value:
        yield Located(path, value, role, url if isinstance(url, str) else None)
    elif "resource" in value:
        yield from _inside(value["resource"], (*path, "resource"), role, None, depth + 1)


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def release_of(found: list[Located]) -> str:
    """The FHIR release that most resources speak; R4 where nothing tells."""
    signs = Releases()
    for located in found:
        if kind_of(located.doc) is not None:
            signs.look(located.doc)
    return signs.release()
