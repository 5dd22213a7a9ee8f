"""Tells from words what a laboratory result measures, where its code tells nothing here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.word_search import folded, spoken


class ResultNames:
    """The result words of the knowledge, compiled; without a knowledge they name nothing."""

    def __init__(self, knowledge: Knowledge | None = None) -> None:
        rules = knowledge.result_words.values() if knowledge else ()
        self._rules = tuple(
            (rule.quantity, re.compile(spoken(rule.words)), re.compile(spoken(rule.but_not)))
            for rule in rules
        )

    def named(self, values: Iterable[str]) -> frozenset[str]:
        """The quantities that these texts name."""
        said = "\n".join(folded(value) for value in values)
        return frozenset(
            quantity
            for quantity, words, other in self._rules
            if words.search(said) and not other.search(said)
        )


NO_RESULTS: Final = ResultNames()
