"""Our value sets as they are published, and what they expand to.

A row of low confidence is listed and never acted on. It is published under `compose.exclude`, with
where it comes from, so that no expansion holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cds_service.knowledge.model import Knowledge, ValueSet
from cds_service.knowledge.published.common import PUBLISHER, Resource, head, version_of
from cds_service.knowledge.terminology import extensions

_UNCLOSED: Final = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
"""Of an expansion that is not the whole set: a row of ours can stand for all codes below it."""


SIDES: Final = {f"coded-{side}": side for side in ("left", "right", "bilateral")}
"""Value sets of our own making: all codes that name a side of the body themselves."""


def ids(knowledge: Knowledge) -> tuple[str, ...]:
    """The ids of all value sets that are published."""
    return (*knowledge.value_sets, *SIDES)


def published(knowledge: Knowledge, id_: str) -> Resource:
    """The value set `id_` with its provenance. Raises KeyError where there is none."""
    if id_ in SIDES:
        return knowledge.once(_of_sides)[id_]
    written = knowledge.value_sets[id_]
    found = {**written, "version": version_of(knowledge, written["version"])}
    found |= {"experimental": False, "publisher": PUBLISHER, "compose": _compose(written)}
    order = ("resourceType", "id", "url", "version", "name", "title", "status", "experimental",
             "date", "publisher", "description", "copyright", "compose")  # fmt: skip
    return {name: found[name] for name in order if name in found}


def _of_sides(knowledge: Knowledge) -> Mapping[str, Resource]:
    """The codes that name a side, gathered from all value sets; for `Knowledge.once`."""
    found: dict[str, dict[tuple[str, str, str], Mapping[str, Any]]] = {id_: {} for id_ in SIDES}
    owners: set[str] = set()
    for id_ in knowledge.value_sets:
        whole = published(knowledge, id_)
        for system, concept in rows_of(whole):
            said = extensions(concept)
            if (name := f"coded-{said.get('side')}") in SIDES:
                found[name].setdefault((system, concept["code"], said.get("match", "")), concept)
                owners.update(whole.get("copyright", "").split(". "))
    return {id_: _of_side(id_, rows, knowledge, owners) for id_, rows in found.items()}


def _of_side(
    id_: str,
    rows: Mapping[tuple[str, str, str], Mapping[str, Any]],
    knowledge: Knowledge,
    owners: set[str],
) -> Resource:
    systems: dict[str, list[Mapping[str, Any]]] = {}
    for (system, _, _), concept in rows.items():
        systems.setdefault(system, []).append(concept)
    return {
        **head("ValueSet", id_, f"Codes that name a side themselves: {SIDES[id_]}", knowledge),
        "description": "Gathered from the value sets of the content, for the CQL libraries.",
        "copyright": ". ".join(sorted(one.strip(". ") for one in owners if one)) + ".",
        "compose": {
            "include": [{"system": one, "concept": rows_} for one, rows_ in systems.items()]
        },
    }


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
    for system, concept in rows_of(published_set):
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


def rows_of(value_set: ValueSet) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """System and concept of every row that is included."""
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", ()):
            yield include["system"], concept
