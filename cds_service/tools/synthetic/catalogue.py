"""Loads the pieces of which synthetic patients are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from cds_service.knowledge.code_systems import TABLE

TEXT = "text"
SYSTEMS: Mapping[str, str] = {system.short: system.uri for system in TABLE if system.short} | {
    "house": "https://hospital.example/codes"
}
RIGHT, LEFT = "right", "left"


class Habits(StrEnum):
    """How a country codes."""

    US = "us"
    UK = "uk"


@dataclass(frozen=True, slots=True)
class ExpectedEffect:
    """What a clinician expects of a piece: a tier, options that are not offered, a short course."""

    tier: str = "none"
    group: str | None = None
    removes: frozenset[str] = frozenset()
    withholds: frozenset[str] = frozenset()
    against_ordered: frozenset[str] = frozenset()
    shortens: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: what goes in (`parts`), for which rule it is there, what follows (`effect`).

    `section` is its list in pieces.yaml; `more` holds what only some pieces have.
    """

    id: str
    section: str
    rule: str
    parts: tuple[Mapping[str, Any], ...] = ()
    effect: ExpectedEffect = field(default_factory=ExpectedEffect)
    sex: str | None = None
    age: tuple[int, int] | None = None
    class_: str | None = None
    side: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """All pieces by section, and what fills records up."""

    sections: Mapping[str, tuple[Piece, ...]]
    filler: Mapping[str, Any]

    def all(self) -> tuple[Piece, ...]:
        """Every piece, in the order of the file."""
        return tuple(piece for pieces in self.sections.values() for piece in pieces)


_KNOWN = frozenset({"id", "rule", "parts", "effect", "sex", "age", "class", "side"})


@cache
def catalogue() -> Catalogue:
    """The pieces of pieces.yaml. Raises KeyError for a piece without id or rule."""
    text = files("cds_service.tools.synthetic").joinpath("pieces.yaml").read_text(encoding="utf-8")
    book = yaml.safe_load(text)
    filler = book.pop("filler")
    sections = {name: tuple(_piece(name, raw) for raw in raws) for name, raws in book.items()}
    return Catalogue(sections, filler)


def _piece(section: str, raw: Mapping[str, Any]) -> Piece:
    effect = raw.get("effect") or {}
    age = raw.get("age")
    return Piece(
        id=raw["id"],
        section=section,
        rule=raw["rule"],
        parts=tuple(raw.get("parts") or ()),
        effect=ExpectedEffect(
            effect.get("tier", "none"),
            effect.get("group"),
            frozenset(effect.get("removes", ())),
            frozenset(effect.get("withholds", ())),
            frozenset(effect.get("against_ordered", ())),
            effect.get("shortens", False),
        ),
        sex=raw.get("sex"),
        age=(age[0], age[1]) if age else None,
        class_=raw.get("class"),
        side=raw.get("side"),
        more={key: value for key, value in raw.items() if key not in _KNOWN},
    )


def coded(choices: Any, habits: Habits, side: str | None = None) -> dict[str, Any]:
    """A CodeableConcept from `{us: ..., uk: ...}`; sided choices need the side."""
    line = choices if isinstance(choices, str) else choices.get(habits) or choices["us"]
    if not isinstance(line, str):
        line = line[side or RIGHT]
    system, _, rest = line.partition(" ")
    if system == TEXT:
        return {"text": rest}
    code, _, display = rest.partition(" ")
    coding = {"system": SYSTEMS[system], "code": code, "display": display}
    return {"coding": [coding], "text": display}


def is_sided(choices: Any, habits: Habits) -> bool:
    """Whether the code itself says the side."""
    line = choices if isinstance(choices, str) else choices.get(habits) or choices["us"]
    return not isinstance(line, str)
