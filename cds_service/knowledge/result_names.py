"""Tells from words what a laboratory result measures, where its code tells nothing here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.word_search import NOTHING, folded, spoken


class ResultNames:
    """The result words of the knowledge, compiled; without a knowledge they name nothing."""

    def __init__(self, knowledge: Knowledge | None = None) -> None:
        rules = knowledge.result_words.values() if knowledge else ()
        self._rules = tuple(
            (rule.quantity, re.compile(spoken(rule.words)), re.compile(spoken(rule.but_not)))
            for rule in rules
        )
        self._codes = {code: rule.quantity for rule in rules for code in rule.codes}
        self._units = {unit: rule.quantity for rule in rules for unit in rule.units}
        self.in_unit = re.compile("|".join(map(re.escape, self._units)) or NOTHING.pattern).search

    def coded(self, codes: Iterable[str | None]) -> frozenset[str]:
        """The quantities that these codes mean, in whatever system."""
        return frozenset(self._codes[code] for code in codes if code in self._codes)

    def measured(self, unit: str) -> frozenset[str]:
        """The quantities that alone are measured in this unit."""
        if not self.in_unit(unit):  # nearly always
            return frozenset()
        return frozenset(quantity for part, quantity in self._units.items() if part in unit)

    def named(self, values: Iterable[str]) -> frozenset[str]:
        """The quantities that these texts name."""
        said = "\n".join(folded(value) for value in values)
        return frozenset(
            quantity
            for quantity, words, other in self._rules
            if words.search(said) and not other.search(said)
        )


NO_RESULTS: Final = ResultNames()
