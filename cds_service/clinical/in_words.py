"""What rules would say of medicines that the chart names in words only, were they coded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cds_service.clinical.assessment import Effect, Reason
from cds_service.clinical.chart import MedicationFact
from cds_service.clinical.evaluate import CallFacts, OrderView
from cds_service.clinical.exclusions import reasons_for
from cds_service.knowledge.loader import Knowledge

_WITHHOLDS = frozenset({Effect.EXCLUDE, Effect.NO_DRAFT})


def withheld_by_words(view: OrderView, knowledge: Knowledge) -> frozenset[str]:
    """The options that no suggestion may draft: one that a rule takes from a coded medicine, alone
    or beside another, is not drafted where words name that medicine. They decide nothing more."""
    if not view.facts.unidentified:  # nearly always
        return frozenset()
    return frozenset(
        option.id
        for option in knowledge.options.values()
        if any(
            reason.effect in _WITHHOLDS
            for target in (option.id, *option.regimens)
            for reason in _of_words(target, view, knowledge, ordered=False)
        )
    )


def ruled_out_by_words(targets: Iterable[str], view: OrderView, knowledge: Knowledge) -> bool:
    """Whether words name a medicine that, were it coded, would exclude an option or a regimen that
    is ordered already, or leave a question about it open."""
    rules = knowledge.exclusions
    return any(
        reason.effect is Effect.EXCLUDE or rules[reason.rule].asks_of_ordered
        for target in targets
        for reason in _of_words(target, view, knowledge, ordered=True)
    )


def _of_words(
    target: str, view: OrderView, knowledge: Knowledge, *, ordered: bool
) -> Iterator[Reason]:
    """Reasons against a target that rest on a medicine which only words name."""
    named = view.facts.once("in words", lambda: _named(view.facts))
    if not named:
        return
    facts = view.facts.once("as if coded", lambda: _as_if_coded(view.facts, named))
    seen = facts.view(view.order, cautious=view.cautious, sure=view.sure)
    sources = {fact.source for fact in named}
    for reason in reasons_for(target, seen, knowledge, ordered=ordered):
        if not sources.isdisjoint(reason.sources):
            yield reason


def _named(facts: CallFacts) -> tuple[MedicationFact, ...]:
    return tuple(entry.as_if for entry in facts.unidentified if entry.as_if is not None)


def _as_if_coded(facts: CallFacts, named: tuple[MedicationFact, ...]) -> CallFacts:
    chart = replace(facts.chart, medications=(*facts.chart.medications, *named))
    return CallFacts(chart, facts.days, facts.orders, both_hips=facts.both_hips)
