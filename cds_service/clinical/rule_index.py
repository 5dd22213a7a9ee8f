"""Picks the rules that a chart can meet at all, so that most are never asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Generic, Protocol, TypeVar

from cds_service.clinical.laboratory import CONCEPTS
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Exclusion, Factor, Modifier, NonFactor
from cds_service.knowledge.when import When


class _Rule(Protocol):
    @property
    def enabled(self) -> bool: ...
    @property
    def when(self) -> When | None: ...


R = TypeVar("R", bound=_Rule)


class Candidates(Generic[R]):
    """The enabled rules of a list, found by the value sets of which they need at least one.

    A rule that is not picked would be answered no, or unknown without anything to show.
    """

    def __init__(self, rules: Iterable[R]) -> None:
        self._rules = tuple(rule for rule in rules if rule.enabled and rule.when is not None)
        self._always: list[int] = []
        self._by_set: dict[str, list[int]] = {}
        for place, rule in enumerate(self._rules):
            wanted = _wanted(rule.when) if rule.when is not None else frozenset()
            if wanted is None:
                self._always.append(place)
            for value_set in wanted or ():
                self._by_set.setdefault(value_set, []).append(place)

    def among(self, present: Set[str]) -> list[R]:
        """The rules that can hold where the chart has facts of these value sets, in their order."""
        by_set, places = self._by_set, set(self._always)
        for value_set in present:
            if value_set in by_set:
                places.update(by_set[value_set])
        return [self._rules[place] for place in sorted(places)]


def _wanted(when: When) -> frozenset[str] | None:
    """As `When.needs`, and a test of a result needs a result of that quantity."""
    if when.any:
        parts = [_wanted(part) for part in when.any]
        wanted = [part for part in parts if part is not None]
        return frozenset().union(*wanted) if len(wanted) == len(parts) else None
    if when.all:
        wanted = [part for w in when.all if (part := _wanted(w)) is not None]
        return min(wanted, key=len, default=None)
    if when.measurement is not None:
        return CONCEPTS[when.measurement.quantity]
    return when.needs


# --- of the knowledge; for `Knowledge.once` ---


def factors(knowledge: Knowledge) -> Candidates[Factor]:
    """The risk factors."""
    return Candidates(knowledge.factors.values())


def modifiers(knowledge: Knowledge) -> Candidates[Modifier]:
    """What is shown beside the factors."""
    return Candidates(knowledge.modifiers.values())


def non_factors(knowledge: Knowledge) -> Candidates[NonFactor]:
    """What is not counted on purpose."""
    return Candidates(knowledge.non_factors.values())


def exclusions(knowledge: Knowledge) -> Mapping[str, Candidates[Exclusion]]:
    """The exclusions of each option and regimen."""
    rules = knowledge.exclusions.values()
    targets = dict.fromkeys(target for rule in rules for target in rule.applies_to)
    return {t: Candidates(rule for rule in rules if t in rule.applies_to) for t in targets}
