"""The libraries of rules as CQL: orders, risk factors, genetic diseases, exclusions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql import exclusions, factors, genetic, orders, plan
from cds_service.knowledge.published.cql.codes import codes_library
from cds_service.knowledge.published.cql.rules import LibraryPart, Lost
from cds_service.knowledge.published.cql.text import literal
from cds_service.knowledge.published.rows import rows_lost

TITLES: Final[Mapping[str, str]] = {
    "HOCodes": "Codes: membership in the value sets",
    "HOFacts": "Facts: what the rules ask of a chart",
    "HOTriggers": "Orders that are looked at",
    "HOFactors": "Risk factors and tiers of heterotopic ossification",
    "HOGenetic": "Genetic heterotopic ossification",
    "HOExclusions": "What speaks against an option",
    "HOPlan": "Conditions of the actions of the PlanDefinition",
}
_INCLUDED: Final[Mapping[str, tuple[str, ...]]] = {
    "HOTriggers": ("Codes", "Facts"),
    "HOFactors": ("Codes", "Facts", "Triggers"),
    "HOGenetic": ("Codes", "Facts"),
    "HOExclusions": ("Codes", "Facts", "Triggers"),
    "HOPlan": ("Facts", "Triggers", "Factors", "Genetic", "Exclusions"),
}
_PARTS: Final[Mapping[str, Callable[[Knowledge], LibraryPart]]] = {
    "HOTriggers": orders.part,
    "HOFactors": factors.part,
    "HOGenetic": genetic.part,
    "HOExclusions": exclusions.part,
    "HOPlan": plan.part,
}
_OF_FACTS: Final = ("site-hip", "site-elsewhere", "side-left", "side-right", "side-bilateral",
                    "coded-left", "coded-right", "coded-bilateral")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cql:
    """All libraries: text by name, the value sets that they name, and what is not exported."""

    texts: Mapping[str, str]
    value_sets: tuple[str, ...]
    lost: tuple[Lost, ...] = field(default_factory=tuple)

    def includes(self, name: str) -> tuple[str, ...]:
        """The names of the libraries of ours that a library includes."""
        if name == "HOFacts":
            return ("HOCodes",)
        return tuple(f"HO{one}" for one in _INCLUDED.get(name, ()))


def cql(knowledge: Knowledge) -> Cql:
    """The content as CQL; for `Knowledge.once`."""
    parts = {name: make(knowledge) for name, make in _PARTS.items()}
    used = {*_OF_FACTS, *(id_ for part in parts.values() for id_ in part.used)}
    facts = _facts().replace("{version}", knowledge.version)
    texts = {"HOCodes": codes_library(knowledge, used), "HOFacts": facts}
    texts |= {name: _library(name, part, knowledge) for name, part in parts.items()}
    lost = (*rows_lost(knowledge), *(one for part in parts.values() for one in part.lost))
    return Cql(texts, tuple(sorted(used)), lost)


@cache
def _facts() -> str:
    return files(__package__).joinpath("HOFacts.cql").read_text("utf-8")


def _library(name: str, part: LibraryPart, knowledge: Knowledge) -> str:
    version = literal(knowledge.version)
    includes = "\n".join(
        f"include HO{alias} version {version} called {alias}" for alias in _INCLUDED[name]
    )
    head = (
        f"// {TITLES[name]}. Generated from the content {knowledge.version}: do not edit.\n"
        f"library {name} version {version}\n\nusing FHIR version '4.0.1'\n\n"
        f"include FHIRHelpers version '4.0.1' called FHIRHelpers\n{includes}\n\ncontext Patient\n"
    )
    return "\n".join([head, *_spaced(part.defines)])


def _spaced(defines: Iterable[str]) -> Iterable[str]:
    for one in defines:
        yield one + "\n"
