"""Everything that is published, by type and id, and the searches in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cds_service.errors import BadRequest
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import value_sets
from cds_service.knowledge.published.activity_definitions import activity_definitions
from cds_service.knowledge.published.code_systems import code_systems
from cds_service.knowledge.published.common import Resource
from cds_service.knowledge.published.extensions import structure_definitions
from cds_service.knowledge.published.plan_definition import plan_definitions


def _libraries(knowledge: Knowledge) -> Mapping[str, Resource]:
    from cds_service.knowledge.published.libraries import libraries  # CQL, which few ask for

    return libraries(knowledge)


_MADE: Final[Mapping[str, Callable[[Knowledge], Mapping[str, Resource]]]] = {
    "ActivityDefinition": activity_definitions,
    "CodeSystem": code_systems,
    "Library": _libraries,
    "PlanDefinition": plan_definitions,
    "StructureDefinition": structure_definitions,
}
VALUE_SET: Final = "ValueSet"
TYPES: Final = (*sorted({*_MADE, VALUE_SET}),)
"""The types that can be read and searched."""

_KEPT: Final[tuple[str, ...]] = (
    "resourceType", "id", "url", "version", "name", "title", "status", "experimental", "date",
    "publisher", "content", "kind", "abstract", "type",
)  # fmt: skip
_SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
SEARCHED: Final[Mapping[str, str]] = {
    "_id": "token", "name": "string", "status": "token", "title": "string", "url": "uri",
    "version": "token",
}  # fmt: skip
"""Search parameters of every type, with the type of each (FHIR R4 `SearchParameter.type`)."""

Criterion = tuple[str, str, tuple[str, ...]]
"""A parameter, its modifier (blank: none) and the values of which one is wanted."""


def ids(knowledge: Knowledge, kind: str) -> Sequence[str]:
    """The ids of all resources of a type, in the order of the content."""
    return value_sets.ids(knowledge) if kind == VALUE_SET else (*knowledge.once(_MADE[kind]),)


def read(knowledge: Knowledge, kind: str, id_: str) -> Resource | None:
    """One resource, or None."""
    if kind != VALUE_SET:
        return knowledge.once(_MADE[kind]).get(id_)
    return value_sets.published(knowledge, id_) if id_ in value_sets.ids(knowledge) else None


def by_url(knowledge: Knowledge, kind: str, url: str, version: str | None) -> Resource | None:
    """The resource with this canonical URL (`url` or `url|version`), or None."""
    plain, _, pinned = url.partition("|")
    wanted = version or pinned
    for id_, said in _heads(knowledge, kind).items():
        if said["url"] == plain and wanted in ("", said["version"]):
            return read(knowledge, kind, id_)
    return None


def search(knowledge: Knowledge, kind: str, criteria: Sequence[Criterion]) -> list[str]:
    """The ids of the resources that meet all criteria. Raises BadRequest for a modifier that the
    parameter does not have."""
    heads = _heads(knowledge, kind)
    return [id_ for id_, said in heads.items() if all(_meets(said, one) for one in criteria)]


def summary(resource: Resource) -> Resource:
    """The resource without what `_summary=true` leaves out (FHIR R4 3.1.1.5.8), marked so."""
    named = {name: resource[name] for name in _KEPT if name in resource}
    return {**named, "meta": {"tag": [_SUBSETTED]}}


def _heads(knowledge: Knowledge, kind: str) -> Mapping[str, Resource]:
    """What is searched, of all resources of a type."""
    if kind == VALUE_SET:
        return knowledge.once(_value_set_heads)
    return knowledge.once(_MADE[kind])


def _value_set_heads(knowledge: Knowledge) -> Mapping[str, Resource]:
    """Made once: to decode all value sets for each search would take a tenth of a second."""
    made = {}
    for id_ in value_sets.ids(knowledge):
        whole = value_sets.published(knowledge, id_)
        made[id_] = {name: whole[name] for name in _KEPT if name in whole}
    return made


def _meets(said: Resource, criterion: Criterion) -> bool:
    name, modifier, values = criterion
    have = str(said.get(name.removeprefix("_"), ""))
    if SEARCHED[name] != "string":
        if modifier:
            raise BadRequest("this parameter takes no modifier here", name)
        pinned = f"{have}|{said['version']}"  # a canonical may name its version
        if SEARCHED[name] == "uri":
            return any(value in (have, pinned) for value in values)
        return any(have == value.rpartition("|")[2] for value in values)
    if modifier not in ("", "exact", "contains"):
        raise BadRequest("the modifiers of this parameter are exact and contains", name)
    if modifier == "exact":
        return have in values
    folded = have.casefold()
    wanted = (value.casefold() for value in values)
    return any(one in folded if modifier else folded.startswith(one) for one in wanted)
