"""Orders whose codes nobody here can read: in which system they came, and what they may be."""

from __future__ import annotations

import re

from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.code_selection import words_of
from cds_service.clinical.order_words import names
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Trigger
from cds_service.knowledge.system_names import NO_CODE, NO_SYSTEM, is_read

_LONGEST = 300  # signs of a system
# Danish SKS: D and ICD-10, or K and NCSP, in one system; only the first is read.
_DANISH_PROCEDURE = re.compile(r"K[A-Z]{3}[0-9]{2}[A-Z0-9]*")
_GIVEN = ("Medication", "Immunization", "Nutrition")


def unread_system(order: DraftOrder) -> str | None:
    """The first system of the codes of an order where none of them can be read; NO_SYSTEM where no
    code has one, NO_CODE where there is no code; None where the order was understood, or could
    have been."""
    if order.kinds:
        return None
    unread = NO_CODE
    for element in order.said.elements:
        for coding in element:
            if not coding.code:
                continue
            if not coding.system:
                unread = NO_SYSTEM if unread == NO_CODE else unread
            elif is_read(coding.system) and not _DANISH_PROCEDURE.fullmatch(coding.code):
                return None
            elif unread in (NO_CODE, NO_SYSTEM):
                unread = coding.system[:_LONGEST]
    return unread


def may_be(order: DraftOrder, knowledge: Knowledge) -> Trigger | None:
    """What an order may be that is not understood: by a row of a value set that has no good source,
    or by its words where its codes cannot be read."""
    if order.kinds or not order.live or order.resource_type.startswith(_GIVEN):
        return None
    triggers = knowledge.once(_Askable)
    possible = triggers.by_row(order)
    if possible is not None or unread_system(order) is None:
        return possible
    return triggers.by_words(order)


class _Askable:
    """The triggers of one content that ask, made ready."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._index = knowledge.index
        self._triggers = [t for t in knowledge.triggers.values() if t.enabled and not t.reasons]
        self._worded = [
            (t, words_of(t.mentions), words_of(t.mentions_unless))
            for t in self._triggers
            if t.mentions
        ]

    def by_row(self, order: DraftOrder) -> Trigger | None:
        found: set[str] = set()
        for element in order.said.elements:
            for coding in element:
                found |= self._index.possible(coding.system, coding.code)
        return next((t for t in self._triggers if not found.isdisjoint(t.value_sets)), None)

    def by_words(self, order: DraftOrder) -> Trigger | None:
        said = order.said.names
        for trigger, words, unless in self._worded:
            if names(words, said) and not (unless and any(unless.search(text) for text in said)):
                return trigger
        return None
