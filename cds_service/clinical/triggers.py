"""Which draft orders are looked at, as what, and what a card calls them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta

from cds_service.clinical.chart import DraftOrder, FhirDate
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import MODIFIER, Side
from cds_service.knowledge.schema import Question, Trigger

# Which kind of order decides when one order is of several kinds.
_PRECEDENCE = (
    "arthroplasty", "excision-ho", "biopsy", "excision", "intramuscular", "surgery", "block",
)  # fmt: skip


def both_sides(sides: Iterable[Side]) -> bool:
    """Whether left and right are both among the sides."""
    seen = set(sides)
    return Side.BILATERAL in seen or {Side.LEFT, Side.RIGHT} <= seen


def one_session(orders: Iterable[DraftOrder]) -> bool:
    """Whether both hips are ordered for one session, as far as anybody says.

    Days that differ by more than one are two sessions; a day that is not stated may be any.
    """
    listed = list(orders)
    if any(o.side is Side.BILATERAL for o in listed):
        return True
    if len(listed) < 2:
        return False
    right = [o.when for o in listed if o.side is Side.RIGHT]
    left = [o.when for o in listed if o.side is Side.LEFT]
    return any(_may_be_one_day(one, other) for one in right for other in left)


def _may_be_one_day(one: FhirDate | None, other: FhirDate | None) -> bool:
    if one is None or other is None:
        return True
    return max(one.earliest, other.earliest) - min(one.latest, other.latest) <= timedelta(days=1)


def selected(question: Question, selections: Collection[str]) -> Collection[str]:
    """The `Type/id` of the orders that a question is about; empty where it is about all drafts."""
    return selections if question is Question.ORDER_SELECTED else ()


def triggers(
    orders: Iterable[DraftOrder],
    knowledge: Knowledge,
    selections: Collection[str] = (),
) -> list[tuple[DraftOrder, Trigger]]:
    """The orders that are looked at, each with the trigger it surely is.

    Where orders were selected, these are the ones. A draft without id cannot be named by a
    selection, so it is looked at, too; without selections, or with such that name no draft at all,
    all drafts are: silence would claim that they had been checked.
    """
    sure = (o for o in looked_at(orders, selections) if MODIFIER not in o.said.members)
    found = ((o, trigger_of(o, knowledge)) for o in sure)
    return [(order, trigger) for order, trigger in found if trigger is not None]


def by_words(orders: tuple[DraftOrder, ...]) -> tuple[DraftOrder, ...]:
    """The orders with the route that their words name. Words alone fire no card, so this is for
    charts in which FOP stands coded, or in which a question about it is open."""
    for order in orders:
        if order.says_intramuscular:
            return tuple(
                replace(o, intramuscular=o.intramuscular or o.says_intramuscular) for o in orders
            )
    return orders


def names_none(orders: Iterable[DraftOrder], selections: Collection[str]) -> bool:
    """Whether something was selected, and it is none of the drafts."""
    if not selections:
        return False
    return all(_names(order).isdisjoint(selections) for order in orders)


def looked_at(orders: Iterable[DraftOrder], selections: Collection[str]) -> list[DraftOrder]:
    """The orders that the question is about (see `triggers`)."""
    orders = list(orders)
    if not selections or names_none(orders, selections):
        return orders
    return [o for o in orders if o.resource_id is None or not _names(o).isdisjoint(selections)]


def _names(order: DraftOrder) -> set[str | None]:
    return {order.reference, order.resource_id}


def trigger_of(order: DraftOrder, knowledge: Knowledge) -> Trigger | None:
    """The trigger an order is, the first by precedence; None when the order is not looked at."""
    return knowledge.once(_Triggers).of(order) if order.live else None


class _Triggers:
    """The enabled triggers by precedence, found by the value sets of which they are."""

    def __init__(self, knowledge: Knowledge) -> None:
        enabled = (t for t in knowledge.triggers.values() if t.enabled)
        self._triggers = sorted(enabled, key=lambda t: _PRECEDENCE.index(t.kind))
        self._by_set: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        for place, trigger in enumerate(self._triggers):
            for value_set in trigger.value_sets:
                self._by_set.setdefault(value_set, []).append((place, trigger.reasons))
        kinds = enumerate(t.kind for t in self._triggers)
        self._by_route = [place for place, kind in kinds if kind == "intramuscular"]

    def of(self, order: DraftOrder) -> Trigger | None:
        """The first that the order is."""
        found = self._by_route[:] if order.intramuscular else []
        for kind in order.kinds:
            for place, reasons in self._by_set.get(kind, ()):
                if not reasons or not order.reasons.isdisjoint(reasons):
                    found.append(place)
        return self._triggers[min(found)] if found else None


def kind_of(order: DraftOrder, knowledge: Knowledge) -> str | None:
    """The kind of the trigger an order is; None when the order is not looked at."""
    trigger = trigger_of(order, knowledge)
    return trigger.kind if trigger else None


def order_words(orders: tuple[DraftOrder, ...], knowledge: Knowledge) -> str:
    """What a card calls its orders: `right hip arthroplasty`, `surgery on the right`."""
    nouns = []
    for order in orders:
        trigger = trigger_of(order, knowledge)
        noun = trigger.noun if trigger else "order"
        if noun not in nouns:
            nouns.append(noun)
    sides = {o.side for o in orders}
    words = " and ".join(nouns)
    side = ""
    if both_sides(sides):
        side = "bilateral" if one_session(orders) else "right and left"
    elif len(sides) == 1 and (only := next(iter(sides))) is not Side.UNKNOWN:
        side = only.value
    if not words or not side:
        return words or "this order"
    if words.startswith("hip"):
        return f"{side} {words}"
    # A noun without a part of the body takes no side before it: there is no right surgery.
    return f"{words} on {'both sides' if both_sides(sides) else f'the {side}'}"
