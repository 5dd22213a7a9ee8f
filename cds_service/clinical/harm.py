"""Tells what an order does that genetic HO forbids, and which orders are never removed."""

from __future__ import annotations

from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.code_selection import any_holds, selected, words_of
from cds_service.clinical.order_words import is_medicine, names
from cds_service.clinical.triggers import trigger_of
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.order_schema import Harm, KeptOrder


def harm_of(order: DraftOrder, knowledge: Knowledge) -> Harm:
    """The first harm that fits an order that is not known to be harmless. There always is one:
    the last of the knowledge fits every order."""
    trigger = trigger_of(order, knowledge)
    kind = trigger.kind if trigger else None
    for harm in knowledge.once(_harms):
        if harm.fits(order, kind):
            return harm.rule
    raise AssertionError("the content check asks for a harm that fits any order")


def names_harm(order: DraftOrder, knowledge: Knowledge) -> bool:
    """Whether the words of the order name a known harm, whatever its codes are."""
    return any(harm.named(order) for harm in knowledge.once(_harms))


def is_kept(order: DraftOrder, knowledge: Knowledge) -> bool:
    """Whether removing the order could cost a life: urgent, adrenaline, antidotes and the like."""
    return any(kept.fits(order) for kept in knowledge.once(_kept))


def _harms(knowledge: Knowledge) -> tuple[_ReadyHarm, ...]:
    return tuple(_ReadyHarm(rule) for rule in knowledge.harms.values() if rule.enabled)


def _kept(knowledge: Knowledge) -> tuple[_ReadyKept, ...]:
    return tuple(_ReadyKept(rule) for rule in knowledge.kept.values() if rule.enabled)


class _ReadyHarm:
    """One harm, made ready."""

    def __init__(self, rule: Harm) -> None:
        self.rule = rule
        self._codes = selected(rule.codes)
        self._resources = frozenset(rule.resources)
        self._routes = selected(rule.routes)
        self._words = words_of(rule.words)
        self._medicine = words_of(rule.medicine_words)
        self._notes = words_of(rule.note_words)
        self._unless = words_of(rule.unless)

    def fits(self, order: DraftOrder, kind: str | None) -> bool:
        if self.rule.intramuscular and kind != "intramuscular":
            return False
        if self.rule.route_disagrees and not order.route_disagrees:
            return False
        if kind in self.rule.orders or order.resource_type in self._resources:
            return True
        said = order.said
        if any(any_holds(self._codes, element) for element in said.elements):
            return True
        if self._routes and any(any_holds(self._routes, route.codings) for route in said.routes):
            return True
        return self.named(order) or self.rule.any_order

    def named(self, order: DraftOrder) -> bool:
        """By the words of what is ordered and how it is given. A note may say something else, so
        only words that tell how it is done count there."""
        said, medicine = order.said, is_medicine(order)
        told = (*said.names, *(w for r in said.routes for w in r.words))
        if not (said.routes and medicine):  # a stated route is believed
            told += said.instructions
        if self._unless is not None and any(self._unless.search(text) for text in told):
            return False
        if self._medicine is not None and medicine and names(self._medicine, told):
            return True
        if self._notes is not None and not medicine and names(self._notes, said.notes):
            return True
        return names(self._words, told)


class _ReadyKept:
    """One kind of order that is never removed, made ready."""

    def __init__(self, rule: KeptOrder) -> None:
        self._codes = selected(rule.codes)
        self._words = words_of(rule.words)
        self._priorities = frozenset(rule.priorities)

    def fits(self, order: DraftOrder) -> bool:
        said = order.said
        return (
            said.priority in self._priorities
            or any(any_holds(self._codes, element) for element in said.elements)
            or names(self._words, said.names)
        )
