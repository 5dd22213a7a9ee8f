"""Asks about an order that may be a hip arthroplasty, where the chart holds a high risk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cds_service.clinical.assessment import Guidance, Tier
from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.existing_prophylaxis import planned
from cds_service.clinical.not_understood import may_be
from cds_service.clinical.outcome import card_for, listed, merge, named
from cds_service.clinical.risk import Case, factors_of, tier_of

_CARD = "hip-order-not-understood"
_KIND = "arthroplasty"


def hip_questions(case: Case, orders: Iterable[DraftOrder]) -> list[Guidance]:
    """At most one card for all of them. Without a high risk nothing is asked: the answer's
    extension tells that the order was not understood."""
    made = []
    for order in orders:
        trigger = may_be(order, case.knowledge)
        if trigger is None or trigger.kind != _KIND:
            continue
        meant = replace(order, kinds=order.kinds | {trigger.value_sets[0]})
        factors = factors_of(case, meant)
        if tier_of(case, factors) is not Tier.HIGH:
            continue
        if planned(case.view(meant, cautious=True), case.knowledge):
            continue  # the prophylaxis that would be asked for is there
        words = {**listed(named(factors, case.knowledge)), "ordered": order.label}
        made.append(card_for(case, _CARD, (meant,), factors, words, Tier.HIGH))
    return merge(made, case.knowledge)
