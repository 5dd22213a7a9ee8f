"""Changes the content rule by rule: does the second engine, with the package made anew, follow?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final, Literal

from cds_service.knowledge.model import Knowledge
from tests.support.mutation import Mutant, moved_bounds, switched_off
from tests.support.second_engine import SecondEngine
from tests.support.two_engines import Ours, Values, ours, theirs

Verdict = Literal["followed", "not followed", "nobody noticed", "not exported"]
_PREFIX: Final = {
    "triggers": "order",
    "genetic": "genetic",
    "factors": "factor",
    "exclusions": "exclusion",
    "regimens": "offer",
}
_SHOWN: Final = 2
"""Patients whose answer changes that the engine is asked about, for each change."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of one change: the patients that were asked about, and where the engine did not
    change as the service did (patient, rule, service before and after, engine before and after)."""

    mutant: Mutant
    verdict: Verdict
    patients: tuple[str, ...] = ()
    astray: tuple[tuple[str, str, Any, Any, Any, Any], ...] = ()


def mutants(knowledge: Knowledge) -> Iterator[Mutant]:
    """Each exported rule off, and each number of one moved."""
    yield from switched_off(knowledge)
    yield from moved_bounds(knowledge)


class Changes:
    """Patients with the answers of both engines to the content as it is."""

    def __init__(self, patients: Sequence[Ours], knowledge: Knowledge, today: date) -> None:
        self._patients = patients
        self._knowledge = knowledge
        self._today = today
        self._before: dict[str, Values] = {}

    def choose(self, mutant: Mutant) -> list[tuple[Ours, Ours]]:
        """A few patients for whom the service answers otherwise, before and after."""
        found = (
            (one, after)
            for one in self._touched(mutant)
            if changed(one.values, (after := self._ours(one, mutant.knowledge)).values)
        )
        return list(islice(found, _SHOWN))

    def _touched(self, mutant: Mutant) -> Iterator[Ours]:
        """Patients for whom the rule is no plain no; for a moved number those about whom it may
        tell something else."""
        rule = f"{_PREFIX.get(mutant.section, '')} {mutant.rule}"
        for one in self._patients:
            if mutant.section == "regimens":
                if any(name.startswith("offer ") for name in one.values):
                    yield one
            elif one.values.get(rule, False) is not False or mutant.change != "off":
                yield one

    def _ours(self, one: Ours, knowledge: Knowledge) -> Ours:
        return ours(one.id, one.call, knowledge, self._today)

    def before(self, chosen: Sequence[Ours], engine: SecondEngine) -> None:
        """Ask the engine, which has the content as it is, about patients that will be needed."""
        for one in chosen:
            if one.id not in self._before:
                said = engine.ask(one.call, self._today, one.known)
                self._before[one.id] = theirs(said, self._knowledge)

    def follow(
        self, mutant: Mutant, chosen: Sequence[tuple[Ours, Ours]], engine: SecondEngine
    ) -> Followed:
        """Load the changed content and compare what changes."""
        if not chosen:
            return Followed(mutant, "nobody noticed")
        engine.load(mutant.knowledge)
        astray = []
        for was, now in chosen:
            said = engine.ask(was.call, self._today, now.known)
            before, after = self._before[was.id], theirs(said, mutant.knowledge)
            astray += [
                (was.id, rule, was.values[rule], now.values[rule], before.get(rule), after[rule])
                for rule in sorted({*was.values} & {*now.values} & {*before} & {*after})
                # Where both agreed before they have to agree after.
                if was.values[rule] == before[rule] and now.values[rule] != after[rule]
            ]
        told = tuple(was.id for was, _ in chosen)
        verdict: Verdict = "not followed" if astray else "followed"
        return Followed(mutant, verdict, told, tuple(astray))


def changed(before: Values, after: Values) -> Mapping[str, tuple[Any, Any]]:
    """The rules that both have and that have another answer."""
    return {
        rule: (before[rule], after[rule])
        for rule in {*before} & {*after}
        if before[rule] != after[rule]
    }
