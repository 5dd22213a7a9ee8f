"""The code lists of the evidence page: every code of every value set, and a search in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.knowledge import evidence_anchors, terminology
from cds_service.knowledge.code_systems import name_of
from cds_service.server.pages.words import value_sets

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

MOST = 200
"""Codes shown for one search; a hint asks for a narrower one."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code. `used` is false where it is listed but never matched (low confidence)."""

    value_set: str
    system: str
    code: str
    display: str
    prefix: bool
    used: bool
    verified_in: str
    note: str


class CodeLists:
    """All value sets of the knowledge, with the rules that use each."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._sets = knowledge.value_sets
        self._codes = {id_: tuple(_codes(one)) for id_, one in self._sets.items()}
        self._lines = [
            (" ".join((c.code, c.display, c.system, c.value_set)).casefold(), c)
            for found in self._codes.values()
            for c in found
        ]
        self.users = _users(knowledge)

    def titles(self) -> dict[str, tuple[str, int]]:
        """Title and number of codes of every value set, by its id."""
        return {id_: (str(one["title"]), len(self._codes[id_])) for id_, one in self._sets.items()}

    def of(self, value_set: str) -> tuple[Code, ...] | None:
        """All codes of one value set, None when there is no such set."""
        return self._codes.get(value_set)

    def search(self, words: str) -> list[Code]:
        """Codes whose code, name, system or value set hold all words; at most MOST + 1."""
        wanted = words.casefold().split()
        found: list[Code] = []
        for line, code in self._lines if wanted else ():
            if all(word in line for word in wanted):
                found.append(code)
                if len(found) > MOST:
                    break
        return found


def _codes(value_set: Mapping[str, Any]) -> Iterator[Code]:
    concepts = (c for part in value_set["compose"]["include"] for c in part.get("concept", ()))
    for row, concept in zip(terminology.rows(value_set), concepts, strict=True):
        said = terminology.extensions(concept)
        yield Code(
            value_set=row.concept,
            system=name_of(row.system) or row.system,
            code=row.code,
            display=row.display,
            prefix=row.prefix,
            used=row.confidence != "low",
            verified_in=said.get("verified-in", ""),
            note=said.get("note", ""),
        )


def _users(knowledge: Knowledge) -> dict[str, list[tuple[str, str]]]:
    """For every value set the rules that name it, as (label, anchor)."""
    places = evidence_anchors.of_rules(knowledge)
    kinds = (
        knowledge.triggers,
        knowledge.genetic,
        knowledge.factors,
        knowledge.modifiers,
        knowledge.non_factors,
        knowledge.exclusions,
    )
    users: dict[str, list[tuple[str, str]]] = {}
    for rule in (rule for kind in kinds for rule in kind.values()):
        for value_set in value_sets(rule):
            users.setdefault(value_set, []).append((rule.label, places[rule.id]))
    return users
