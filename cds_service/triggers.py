"""Which draft orders are looked at, as what, and what a card calls them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from cds_service.chart import DraftOrder, FhirDate, Side
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Trigger

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
    right = [o.when for o in listed if o.side is Side.RIGHT]
    left = [o.when for o in listed if o.side is Side.LEFT]
    return any(_may_be_one_day(one, other) for one in right for other in left)


def _may_be_one_day(one: FhirDate | None, other: FhirDate | None) -> bool:
    if one is None or other is None:
        return True
    return max(one.earliest, other.earliest) - min(one.latest, other.latest) <= timedelta(days=1)


def triggers(
    orders: Iterable[DraftOrder],
    knowledge: Knowledge,
    hook: str = "order-sign",
    selections: Collection[str] = (),
) -> list[tuple[DraftOrder, Trigger]]:
    """The orders that are looked at, each with the trigger it is.

    At order-select these are the selected ones. A draft without id cannot be named by a
    selection, so it is looked at, too; without selections all drafts are: silence would claim
    that they had been checked.
    """
    by_selection = hook == "order-select" and bool(selections)
    looked_at = [o for o in orders if not by_selection or _is_selected(o, selections)]
    return [(o, t) for o in looked_at if (t := trigger_of(o, knowledge)) is not None]


def _is_selected(order: DraftOrder, selections: Collection[str]) -> bool:
    names = {order.reference, order.resource_id}
    return order.resource_id is None or not names.isdisjoint(selections)


def trigger_of(order: DraftOrder, knowledge: Knowledge) -> Trigger | None:
    """The trigger an order is, the first by precedence; None when the order is not looked at."""
    if not order.live:
        return None
    return next((t for t in knowledge.once(_by_precedence) if _hits(order, t)), None)


def _by_precedence(knowledge: Knowledge) -> tuple[Trigger, ...]:
    enabled = (t for t in knowledge.triggers.values() if t.enabled)
    return tuple(sorted(enabled, key=lambda t: _PRECEDENCE.index(t.kind)))


def _hits(order: DraftOrder, trigger: Trigger) -> bool:
    if trigger.kind == "intramuscular" and order.intramuscular:
        return True
    if order.kinds.isdisjoint(trigger.value_sets):
        return False
    return not trigger.reasons or not order.reasons.isdisjoint(trigger.reasons)


def kind_of(order: DraftOrder, knowledge: Knowledge) -> str | None:
    """The kind of the trigger an order is; None when the order is not looked at."""
    trigger = trigger_of(order, knowledge)
    return trigger.kind if trigger else None


def order_words(orders: tuple[DraftOrder, ...], knowledge: Knowledge) -> str:
    """What a card calls the orders it is about: side and noun."""
    nouns = []
    for order in orders:
        trigger = trigger_of(order, knowledge)
        noun = trigger.noun if trigger else "order"
        if noun not in nouns:
            nouns.append(noun)
    sides = {o.side for o in orders}
    side = ""
    if both_sides(sides):
        side = "bilateral " if one_session(orders) else "right and left "
    if not side and len(sides) == 1 and (only := next(iter(sides))) is not Side.UNKNOWN:
        side = f"{only.value} "
    return side + " and ".join(nouns) if nouns else "this order"
