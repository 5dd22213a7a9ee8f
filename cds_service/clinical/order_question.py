"""Asks about orders that may be of a kind that is looked at, where a certain order gets a card."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cds_service.clinical.assessment import Guidance, Tier
from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.genetic import Genetics
from cds_service.clinical.genetic_card import by_trigger, questions
from cds_service.clinical.outcome import Decided, card_for, listed, merge, named, named_facts
from cds_service.clinical.possible_orders import WHY, Doubt, Possible, as_meant
from cds_service.clinical.risk import Case
from cds_service.knowledge.names import MODIFIER_NOTE
from cds_service.knowledge.schema import Trigger

_CARD = "hip-order-not-understood"
_GENETIC = "genetic-order-not-understood"
_QUESTIONS = frozenset({"not-assessed", "partly-assessed", "ho-question", "ho-excision-question"})
"""Cards that ask anyway: they ask of such an order as of another."""

Decide = Callable[[Case, DraftOrder, Trigger], Guidance | None]
"""What is said of an order of a kind that is certain, genetic HO aside."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions: those about genetic HO, and the others."""

    genetic: tuple[Guidance, ...] = ()
    others: tuple[Guidance, ...] = ()


def order_questions(
    case: Case,
    found: Genetics,
    orders: tuple[Possible, ...],
    told: Iterable[Guidance],
    decide: Decide,
) -> Asked:
    """Each order is decided as if it were what it may be; where that gives a card, a question is
    asked. `told` are the cards about genetic HO that stand already."""
    if not orders:
        return Asked()
    case = Case(as_meant(case.facts, case.knowledge), case.knowledge)
    covered = {_key(order) for guidance in told for order in guidance.orders}
    genetic: list[Guidance] = []
    made: list[Decided] = []
    open_: list[tuple[DraftOrder, Trigger]] = []
    for one in orders:
        card = by_trigger(case, found, one.order, one.trigger)
        if _key(one.order) not in covered:
            open_.append((one.order, one.trigger))
            if card is not None:
                genetic.append(_about_disease(case, found, one))
        if card is None or (found.rule is not None and found.rule.beside):
            asked = _question(case, one, decide(case, one.order, one.trigger))
            made += [Decided(one.order, asked)] if asked is not None else []
    genetic += [_doubtful(question) for question in questions(case, found, open_, [])]
    others = merge(made, case.knowledge)
    return Asked(tuple(genetic), tuple(_doubtful(question) for question in others))


def _key(order: DraftOrder) -> tuple[int, str | None]:
    return order.index, order.reference


def _about_disease(case: Case, found: Genetics, one: Possible) -> Guidance:
    findings = (found.finding,) if found.finding is not None else ()
    card = card_for(case, _GENETIC, (one.order,), findings, {**found.words, **_words(one)})
    return _doubtful(card)


def _words(one: Possible) -> dict[str, str]:
    """What was ordered, why that is open, and in short what it may be."""
    ordered = one.order.label.removesuffix(MODIFIER_NOTE)
    bare = _with_article(one.trigger.noun)
    return {"ordered": ordered, "state": WHY[one.doubt], "bare": bare}


def _question(case: Case, one: Possible, outcome: Guidance | None) -> Guidance | None:
    """What is asked instead of an outcome; None where it is silence. Words alone ask at a high risk
    only, or where one cannot know (decisions 1)."""
    if outcome is None or outcome.card is None:
        return None
    if outcome.card in _QUESTIONS:
        return outcome
    kept = tuple(f for f in outcome.findings if f.role in {"factor", "undecided", "prophylaxis"})
    may_be_high = outcome.tier is Tier.HIGH or any(f.role == "undecided" for f in kept)
    if one.doubt is Doubt.WORDS and not (may_be_high or outcome.conflicts):
        return None
    words = {**_risk(case, outcome), **_words(one)}
    return card_for(case, _CARD, (one.order,), kept, words, outcome.tier)


def _risk(case: Case, outcome: Guidance) -> dict[str, str]:
    """What is at stake if the order is what it may be."""
    params = dict(outcome.params)
    if any(finding.role == "prophylaxis" for finding in outcome.findings):
        said = params.get("finding", "")
        return {"risk": f"check the ordered {params.get('ordered', 'NSAID')}", **listed((said,))}
    factors = tuple(f for f in outcome.findings if f.role == "factor")
    names = named(factors, case.knowledge)
    names += tuple(named_facts(f) for f in outcome.findings if f.role == "undecided")
    risk = f"{outcome.tier.value} HO risk"
    return {"risk": risk, **listed(names or ("bone that is excised grows back",))}


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _doubtful(guidance: Guidance) -> Guidance:
    """The same question, which does not take for granted what was ordered."""
    params = dict(guidance.params)
    noun = _with_article(params["order"])
    params["order"] = noun if guidance.card in {_CARD, _GENETIC} else f"what may be {noun}"
    return replace(guidance, params=tuple(params.items()))


def together(made: list[Guidance], asked: Iterable[Guidance]) -> list[Guidance]:
    """The outcomes with the questions: of a question that both have, one card."""
    found = list(made)
    for question in asked:
        same = next((n for n, one in enumerate(found) if one.card == question.card), None)
        if same is None:
            found.append(question)
            continue
        one = found[same]
        known = {_key(order) for order in one.orders}
        new = tuple(order for order in question.orders if _key(order) not in known)
        if new:
            words = dict(one.params)
            words["order"] = f"{words['order']} and {dict(question.params)['order']}"
            found[same] = replace(one, orders=(*one.orders, *new), params=tuple(words.items()))
    return found
