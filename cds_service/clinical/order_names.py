"""Hears a hip prosthesis, a biopsy or an excision in the words of an order, in many languages."""

from __future__ import annotations

from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.code_selection import words_of
from cds_service.clinical.order_words import names
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import SURGICAL_CATEGORY, Side
from cds_service.knowledge.sayings import Sayings
from cds_service.knowledge.word_schema import OrderWords

_NOTHING: frozenset[str] = frozenset()


class OrderNames:
    """The words of the triggers of one content, made ready."""

    def __init__(self, knowledge: Knowledge) -> None:
        triggers = knowledge.triggers.values()
        self._triggers = [
            _Worded(t.value_sets[0], t.named) for t in triggers if t.enabled and t.named
        ]
        self._sayings = knowledge.once(Sayings)

    def meant(self, order: DraftOrder) -> frozenset[str]:
        """The value set of the trigger that the words of an order name; empty for none."""
        for worded in self._triggers:
            if worded.is_named(order):
                return frozenset({worded.value_set})
        return _NOTHING

    def elsewhere(self, order: DraftOrder) -> bool:
        """Whether the words name another joint and no hip."""
        said = order.said.names
        return bool(said) and self._sayings.is_elsewhere(". ".join(said))


class _Worded:
    """The words of one trigger."""

    def __init__(self, value_set: str, named: OrderWords) -> None:
        self.value_set = value_set
        self._words = words_of(named.words)
        self._unless = words_of(named.unless)
        self._short = words_of(named.abbreviations)
        self._beside = words_of(named.beside)
        self._not_beside = words_of(named.abbreviations_unless)

    def is_named(self, order: DraftOrder) -> bool:
        said = order.said.names
        if self._unless is not None and any(self._unless.search(text) for text in said):
            return False
        return names(self._words, said) or self._is_shortened(order)

    def _is_shortened(self, order: DraftOrder) -> bool:
        """An abbreviation that has other meanings counts beside a side, a hip or an operation."""
        said = order.said.names
        if self._short is None or not names(self._short, said):
            return False
        if self._not_beside is not None and any(self._not_beside.search(text) for text in said):
            return False
        stated = order.side is not Side.UNKNOWN or SURGICAL_CATEGORY in order.kinds
        return stated or (
            self._beside is not None and any(self._beside.search(text) for text in said)
        )
