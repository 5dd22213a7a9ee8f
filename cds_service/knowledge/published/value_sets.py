"""Our value sets as they are published, and what they expand to.

A row of low confidence is listed and never acted on. It is published under `compose.exclude`, with
where it comes from, so that no expansion holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cds_service.knowledge.model import Knowledge, ValueSet
from cds_service.knowledge.published.common import PUBLISHER, Resource, version_of
from cds_service.knowledge.terminology import extensions

_UNCLOSED: Final = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
"""Of an expansion that is not the whole set: a row of ours can stand for all codes below it."""


def published(knowledge: Knowledge, id_: str) -> Resource:
    """The value set `id_` with its provenance. Raises KeyError where there is none."""
    written = knowledge.value_sets[id_]
    found = {**written, "version": version_of(knowledge, written["version"])}
    found |= {"experimental": False, "publisher": PUBLISHER, "compose": _compose(written)}
    order = ("resourceType", "id", "url", "version", "name", "title", "status", "experimental",
             "date", "publisher", "description", "copyright", "compose")  # fmt: skip
    return {name: found[name] for name in order if name in found}


def _compose(written: ValueSet) -> Resource:
    includes = written["compose"]["include"]
    kept, left_out = _part(includes, low=False), _part(includes, low=True)
    return {"include": kept, **({"exclude": left_out} if left_out else {})}


def _part(includes: Iterable[Mapping[str, Any]], *, low: bool) -> list[Resource]:
    parts = []
    for include in includes:
        concepts = [c for c in include.get("concept", ()) if is_low(c) is low]
        if concepts:
            parts.append({**include, "concept": concepts})
    return parts


def is_low(concept: Mapping[str, Any]) -> bool:
    """Whether a row has no source good enough to act on."""
    return extensions(concept).get("confidence") == "low"


def is_prefix(concept: Mapping[str, Any]) -> bool:
    """Whether a row stands for every code that begins so."""
    return extensions(concept).get("match") == "prefix"


def expansion(published_set: ValueSet, words: str = "") -> tuple[list[Resource], bool]:
    """The codes of a published value set, each once, and whether it is closed.

    `words` keeps those whose code or display holds them, in any case. Not closed: a row stands for
    all codes that begin so, and only the row itself is listed.
    """
    found: dict[tuple[str, str], Resource] = {}
    closed = True
    for system, concept in _rows(published_set):
        closed = closed and not is_prefix(concept)
        if words.casefold() in f"{concept['code']} {concept.get('display', '')}".casefold():
            row = {"system": system, "code": concept["code"]}
            if "display" in concept:
                row["display"] = concept["display"]
            found.setdefault((system, concept["code"]), row)
    return list(found.values()), closed


def expanded(
    published_set: ValueSet, when: str, words: str, offset: int, count: int | None
) -> Resource:
    """A value set with `expansion` (FHIR R4 `$expand`); `when` is the day of the content.

    `offset` and `count` are a page of the whole; without `count` all that follows.
    """
    rows, closed = expansion(published_set, words)
    kept = {name: value for name, value in published_set.items() if name != "compose"}
    parameters: list[Resource] = [{"name": "offset", "valueInteger": offset}]
    if count is not None:
        parameters.append({"name": "count", "valueInteger": count})
    if words:
        parameters.append({"name": "filter", "valueString": words})
    unclosed = [] if closed else [{"url": _UNCLOSED, "valueBoolean": True}]
    page = rows[offset:] if count is None else rows[offset : offset + count]
    made = {
        **({"extension": unclosed} if unclosed else {}),
        "identifier": f"{published_set['url']}|{published_set['version']}",
        "timestamp": when,
        "total": len(rows),
        "offset": offset,
        "parameter": parameters,
    }
    return {**kept, "expansion": {**made, "contains": page} if page else made}


def _rows(value_set: ValueSet) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", ()):
            yield include["system"], concept
