"""The orders that may be of a kind that is looked at, although nothing surely says so: they ask.

By a row of a value set without a good source, a code that leaves the joint open, words where no
code can be read, or any certain code beside a modifier that is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from cds_service.clinical.chart import CodeSeen, DraftOrder
from cds_service.clinical.evaluate import CallFacts
from cds_service.clinical.not_understood import unread_system
from cds_service.clinical.order_names import OrderNames
from cds_service.clinical.triggers import (
    by_words,
    kind_of,
    looked_at,
    one_session,
    trigger_of,
    triggers,
)
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import (
    MODIFIER,
    NEEDS_HIP_SITE,
    SITE_ELSEWHERE,
    SITE_HIP,
    SURGICAL_CATEGORY,
)
from cds_service.knowledge.schema import Trigger
from cds_service.knowledge.system_names import ODD_MODIFIER

_GIVEN = ("Medication", "Immunization", "Nutrition")
_OPEN = frozenset({SURGICAL_CATEGORY, *NEEDS_HIP_SITE})
"""What says of an order too little to tell what it is."""
_ELSEWHERE = frozenset({SITE_HIP, SITE_ELSEWHERE})


class Doubt(StrEnum):
    """Why nobody knows for sure what an order is."""

    ROW = "row"
    SITE = "site"
    WORDS = "words"
    MODIFIER = "modifier"


WHY: Final[Mapping[Doubt, str]] = {
    Doubt.ROW: "its code is known from general knowledge only",
    Doubt.SITE: "its code leaves the joint open",
    Doubt.WORDS: "by its words; no code of it can be read",
    Doubt.MODIFIER: "it carries a modifier that is not known here",
}


@dataclass(frozen=True, slots=True)
class Possible:
    """An order as it would be if it is what it may be, with the trigger that it then is.

    `system` is that of the code that leaves it open, as it was sent.
    """

    order: DraftOrder
    trigger: Trigger
    doubt: Doubt
    system: str


def possible(order: DraftOrder, knowledge: Knowledge) -> Possible | None:
    """What an order may be; None where that is certain, or where nothing speaks for it."""
    modified = MODIFIER in order.said.members
    if not order.live or (order.kinds and not modified and _OPEN.isdisjoint(order.kinds)):
        return None  # nearly always
    certain = trigger_of(order, knowledge)
    if certain is not None and modified:
        return Possible(order, certain, Doubt.MODIFIER, ODD_MODIFIER)
    if order.resource_type.startswith(_GIVEN):
        return None
    for doubt, system, more in _meanings(order, knowledge):
        meant = replace(order, kinds=order.kinds | more)
        trigger = trigger_of(meant, knowledge) if more else None
        if trigger is not None and trigger is not certain:
            return Possible(meant, trigger, doubt, system)
    return None


def _meanings(
    order: DraftOrder, knowledge: Knowledge
) -> Iterable[tuple[Doubt, str, frozenset[str]]]:
    """The value sets in which the order may be, by each way of telling."""
    for coding in _codings(order):
        if more := knowledge.index.possible(coding.system, coding.code):
            yield Doubt.ROW, coding.system or "", more
    words = knowledge.once(OrderNames)
    left_open = order.kinds.intersection(NEEDS_HIP_SITE)
    if left_open and _ELSEWHERE.isdisjoint(order.sites) and not words.elsewhere(order):
        system = next((c.system for c in _codings(order) if c.system), "")
        yield Doubt.SITE, system, frozenset(NEEDS_HIP_SITE[one] for one in left_open)
    if order.kinds <= _OPEN and (unread := unread_system(order, knowledge)) is not None:
        yield Doubt.WORDS, unread, words.meant(order)


def _codings(order: DraftOrder) -> Iterable[CodeSeen]:
    return (coding for element in order.said.elements for coding in element)


def possible_orders(
    facts: CallFacts, knowledge: Knowledge
) -> tuple[tuple[DraftOrder, Possible], ...]:
    """The live orders of a call of which something is possible only, each with that."""

    def found() -> tuple[tuple[DraftOrder, Possible], ...]:
        told = ((order, possible(order, knowledge)) for order in facts.orders)
        return tuple((order, one) for order, one in told if one is not None)

    return facts.once("possible orders", found)


def open_orders(
    facts: CallFacts, looked_at: Iterable[DraftOrder], knowledge: Knowledge
) -> tuple[Possible, ...]:
    """What the orders that are looked at may be."""
    every = possible_orders(facts, knowledge)
    ids = {id(order) for order in looked_at} if every else ()
    return tuple(one for order, one in every if id(order) in ids)


def as_meant(facts: CallFacts, knowledge: Knowledge) -> CallFacts:
    """The call as it is if each order is what it may be."""
    meant = {id(order): one.order for order, one in possible_orders(facts, knowledge)}
    orders = tuple(meant.get(id(order), order) for order in facts.orders)
    hips = [o for o in orders if kind_of(o, knowledge) == "arthroplasty"]
    return CallFacts(facts.chart, facts.days, orders, both_hips=one_session(hips))


def may_trigger(
    orders: tuple[DraftOrder, ...],
    knowledge: Knowledge,
    selections: Collection[str] = (),
) -> bool:
    """Whether an order triggers, would if the chart had or named FOP (see `by_words`), or may be
    one that does: then the whole chart tells whether to ask."""
    if triggers(by_words(orders), knowledge, selections):
        return True
    return any(possible(order, knowledge) for order in looked_at(orders, selections))
