"""Changes the content rule by rule: does the second engine, with the package made anew, follow?"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final, Literal

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.libraries import cql
from tests.support.engine_agreement import Difference, Seen, differences
from tests.support.mutation import Mutant, moved_bounds, switched_off
from tests.support.second_engine import SecondEngine
from tests.support.two_engines import Ours, Value, Values, ours, rules_of, theirs

Verdict = Literal["followed", "not followed", "not comparable", "nobody noticed", "not exported"]
_PREFIX: Final = {
    "triggers": "order",
    "genetic": "genetic",
    "factors": "factor",
    "exclusions": "exclusion",
    "regimens": "offer",
}
_LIBRARY: Final = {"triggers": "HOTriggers", "factors": "HOFactors", "exclusions": "HOExclusions"}
_SHOWN: Final = 2
"""Patients whose answer changes that the engine is asked about, for each change."""
_LOOKED_AT: Final = 60
"""Patients whom the rule is about that are looked at, to find such."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of one change: the patients that were asked about, and where the engine did not
    change as the service did (patient, rule, service before and after, engine before and after).

    Not comparable: both differed before wherever the service has another answer now.
    """

    mutant: Mutant
    verdict: Verdict
    patients: tuple[str, ...] = ()
    astray: tuple[tuple[str, str, Any, Any, Any, Any], ...] = ()


def mutants(knowledge: Knowledge) -> list[Mutant]:
    """Each rule off, and each number of one moved.

    A list, for what was asked of a chart is remembered by the identity of the test.
    """
    return [*switched_off(knowledge), *moved_bounds(knowledge)]


class Changes:
    """Patients with the answers of both engines to the content as it is."""

    def __init__(self, patients: Sequence[Ours], knowledge: Knowledge, today: date) -> None:
        self._patients = patients
        self._knowledge = knowledge
        self._today = today
        self._before: dict[str, Values] = {}
        lost = knowledge.once(cql).lost
        self._lost = {(one.part, one.rule) for one in lost if one.how == "not exported"}

    def is_exported(self, mutant: Mutant) -> bool:
        """Whether the package says anything of the rule."""
        return mutant.section in _PREFIX and (mutant.section, mutant.rule) not in self._lost

    def choose(self, mutant: Mutant) -> list[tuple[Ours, Ours]]:
        """A few patients for whom the service answers otherwise, before and after."""
        found = (
            (one, after)
            for one in islice(self._touched(mutant), _LOOKED_AT)
            if changed(one.values, (after := self._ours(one, mutant.knowledge)).values)
        )
        return list(islice(found, _SHOWN)) if self.is_exported(mutant) else []

    def _touched(self, mutant: Mutant) -> Iterator[Ours]:
        """Patients for whom the rule says something, or something else than before."""
        rule = f"{_PREFIX[mutant.section]} {mutant.rule}"
        for one in self._patients:
            if mutant.section == "regimens":
                is_touched = any(name.startswith("offer ") for name in one.values)
            elif mutant.change == "off":
                is_touched = one.values.get(rule, False) is not False
            else:
                moved = rules_of(one.facts, mutant.knowledge, mutant.rule)
                is_touched = moved.get(rule) is not one.values.get(rule)
            if is_touched:
                yield one

    def _ours(self, one: Ours, knowledge: Knowledge) -> Ours:
        return ours(one.id, one.call, knowledge, self._today)

    def before(self, chosen: Sequence[Ours], engine: SecondEngine) -> None:
        """Ask the engine, which has the content as it is, about patients that will be needed."""
        for one in chosen:
            if one.id not in self._before:
                said = engine.ask(one.call, self._today, one.known)
                self._before[one.id] = theirs(said, self._knowledge)

    def _is_known(self, rule: str, mine: Value, other: Value, seen: Seen) -> bool:
        lost = (one for one in seen.knowledge.once(cql).lost if one.how == "a question")
        asked = other is None and any(rule == f"exclusion {one.rule}" for one in lost)
        return asked or any(one.explains(rule, mine, other, seen) for one in _reasons())

    def follow(
        self, mutant: Mutant, chosen: Sequence[tuple[Ours, Ours]], engine: SecondEngine
    ) -> Followed:
        """Load the changed content and compare what changes."""
        if not self.is_exported(mutant):
            return Followed(mutant, "not exported")
        if not chosen:
            return Followed(mutant, "nobody noticed")
        engine.load(mutant.knowledge)
        astray: list[tuple[str, str, Any, Any, Any, Any]] = []
        compared = False
        for was, now in chosen:
            said = engine.ask(was.call, self._today, now.known)
            if is_still_there(mutant, said.defines):
                astray.append((was.id, f"define {mutant.rule}", True, False, True, True))
            before, after = self._before[was.id], theirs(said, mutant.knowledge)
            moved = changed(was.values, now.values)
            compared |= any(rule in before and was.values[rule] == before[rule]
                            for rule in moved if rule in was.values)  # fmt: skip
            seen = Seen(now, said, mutant.knowledge)
            # A course is weighed only where a card comes; what is not weighed now says nothing.
            own = f"{_PREFIX[mutant.section]} {mutant.rule}"
            for rule in sorted({*was.values} & {*before} & {*now.values, own}):
                mine = was.values[rule], now.values.get(rule, False)
                other = before[rule], after.get(rule, False)
                # Where both agreed before they have to agree after, or differ for a known reason.
                parted = mine[0] == other[0] and mine[1] != other[1]
                if parted and not self._is_known(rule, mine[1], other[1], seen):
                    astray.append((was.id, rule, *mine, *other))
        told = tuple(was.id for was, _ in chosen)
        verdict: Verdict = "followed" if compared else "not comparable"
        if astray:
            verdict = "not followed"
        return Followed(mutant, verdict, told, tuple(astray))


@functools.cache
def _reasons() -> tuple[Difference, ...]:
    return tuple(differences())


def is_still_there(mutant: Mutant, defines: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a rule that is off has a define in the engine all the same.

    Without this look its own line would agree whatever the engine does: no answer counts as a no.
    """
    library = _LIBRARY.get(mutant.section)
    return mutant.change == "off" and library is not None and mutant.rule in defines[library]


def changed(before: Values, after: Values) -> Mapping[str, tuple[Any, Any]]:
    """The rules that have another answer; one that is gone says no."""
    return {
        rule: (before.get(rule, False), after.get(rule, False))
        for rule in {*before, *after}
        if before.get(rule, False) != after.get(rule, False)
    }
