"""Which codes of the value sets stand for their descendants, and what is listed already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.knowledge.code_systems import canonical
from cds_service.knowledge.model import ValueSet
from cds_service.knowledge.namespaces import in_force
from cds_service.knowledge.terminology import extensions

EXPANDED_FROM: Final = "expanded-from"
"""Name of our extension on a code that `knowledge expand` wrote: the code it stands below."""

Key = tuple[str, str]
"""Canonical system and code."""


@dataclass(frozen=True, slots=True)
class Root:
    """A code that stands for its descendants, in the value set that says so."""

    value_set: str
    system: str
    code: str
    display: str
    confidence: str
    side: str | None

    @property
    def key(self) -> Key:
        return self.system, self.code

    def __str__(self) -> str:
        return f"{self.value_set}: {self.code} ({self.display})"


@dataclass(frozen=True, slots=True)
class Listed:
    """What the content and the site's own rows list: roots by value set, value sets by code."""

    roots: Mapping[str, tuple[Root, ...]]
    sets: Mapping[Key, frozenset[str]]


@dataclass
class _Reading:
    roots: dict[str, dict[Key, Root]] = field(default_factory=dict)
    sets: dict[Key, set[str]] = field(default_factory=dict)


def listed(base: Mapping[str, ValueSet], overlay: Path) -> Listed:
    """The rows of the content and of a (checked) overlay, without those written by an expansion.

    A row of low confidence is never acted on, so nothing below it is asked.
    """
    reading = _Reading()
    for id_, value_set in base.items():
        _read(reading, id_, value_set)
    for file in value_set_files(overlay):
        _read(reading, file.stem, msgspec.json.decode(in_force(file.read_bytes())))
    return Listed(
        {id_: tuple(found.values()) for id_, found in reading.roots.items()},
        {key: frozenset(ids) for key, ids in reading.sets.items()},
    )


def value_set_files(overlay: Path) -> Iterable[Path]:
    """The ValueSet files of an overlay, in the order of their names."""
    return sorted((overlay / "valuesets").glob("*.json"))


def concepts(value_set: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """(canonical system, concept, our extensions by name) of every code of a ValueSet."""
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", ()):
            yield canonical(include["system"]), concept, extensions(concept)


def _read(reading: _Reading, id_: str, value_set: Mapping[str, Any]) -> None:
    for system, concept, said in concepts(value_set):
        if EXPANDED_FROM in said or said.get("confidence") == "low":
            continue
        key = system, concept["code"]
        if said.get("match") != "prefix":
            reading.sets.setdefault(key, set()).add(id_)
        if said.get("match") == "descendants":
            root = Root(
                id_, *key, concept["display"], said.get("confidence", "high"), said.get("side")
            )
            reading.roots.setdefault(id_, {})[key] = root
