"""Makes the one card about genetic HO of a call, for all orders that it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from cds_service.clinical.assessment import AlsoSaid, Finding, Guidance
from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.genetic import (
    Genetics,
    early_findings,
    family_findings,
    open_questions,
    question_findings,
)
from cds_service.clinical.harm import harm_of, is_kept
from cds_service.clinical.harmless import known_harmless
from cds_service.clinical.outcome import card_for, listed, named
from cds_service.clinical.risk import Case
from cds_service.clinical.triggers import looked_at, order_words, trigger_of
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import GENETIC_CHECK_CODE, GENETIC_FAMILY, GENETIC_QUESTION
from cds_service.knowledge.schema import Trigger

_SEVERITY = ("critical", "warning", "info")
_NAMED = 2  # kinds of order in the summary; the detail lists every order


def may_harm(order: DraftOrder, knowledge: Knowledge) -> bool:
    """Whether the order would get a card where FOP is on record: it is live, and a trigger or not
    known to be harmless."""
    if not order.live:
        return False
    return trigger_of(order, knowledge) is not None or not known_harmless(order, knowledge)


def any_may_harm(
    orders: Iterable[DraftOrder], knowledge: Knowledge, selections: Collection[str] = ()
) -> bool:
    """Whether the chart matters for one of the orders that the question is about."""
    return any(may_harm(order, knowledge) for order in looked_at(orders, selections))


def on_record(case: Case, found: Genetics, orders: Iterable[DraftOrder]) -> list[Guidance]:
    """The card of each order that is not known to be harmless, by what it does: FOP on record."""
    findings = (found.finding,) if found.finding else ()
    made = []
    for order in orders:
        if may_harm(order, case.knowledge):
            harm = harm_of(order, case.knowledge)
            trigger = trigger_of(order, case.knowledge)
            by_kind = trigger is not None and trigger.kind in harm.orders
            noun = order_words((order,), case.knowledge) if by_kind else harm.noun
            words = {**found.words, "order": noun}
            made.append(card_for(case, harm.card, (order,), findings, words))
    return made


def suspected_harm(
    case: Case,
    found: Genetics,
    orders: Iterable[DraftOrder],
    triggered: list[tuple[DraftOrder, Trigger]],
) -> list[Guidance]:
    """Warnings of a disease that is only suspected, for orders that are known harm of it and no
    trigger by their code (rows 1 to 3); what is not recognised is passed over."""
    if found.certain or found.rule is None or not found.rule.every_order:
        return []
    known = {id(order) for order, _ in triggered}
    cards = {card for card in found.rule.cards.values() if card}
    harmful = (
        order for order in orders if id(order) not in known and _of_rows_1_to_3(order, case, cards)
    )
    return [
        replace(card, indicator="warning") if card.indicator == "critical" else card
        for card in on_record(case, found, harmful)
    ]


def _of_rows_1_to_3(order: DraftOrder, case: Case, cards: Collection[str]) -> bool:
    """Whether an order is known surgery, biopsy, excision or a needle into muscle, by a card of the
    disease or by the harm itself."""
    harm = harm_of(order, case.knowledge)
    return harm.card in cards or harm.also_suspected


def by_trigger(case: Case, found: Genetics, order: DraftOrder, trigger: Trigger) -> Guidance | None:
    """The card of a genetic disease for one order that triggers; None where it has nothing to say.
    A disease that is only suspected warns."""
    if found.rule is None or found.finding is None:
        return None
    card = found.rule.cards[trigger.kind]
    if found.rule.every_order and (harm := harm_of(order, case.knowledge)).life_saving:
        card = harm.card
    if card is None:
        return None
    made = card_for(case, card, (order,), (found.finding,), found.words)
    weaker = not found.certain and made.indicator == "critical"
    return replace(made, indicator="warning") if weaker else made


def one_card(case: Case, found: Genetics, cards: list[Guidance]) -> Iterator[Guidance]:
    """At most one: the most severe, with the orders, findings and first advice of the others."""
    if not cards:
        return
    ranked = sorted(cards, key=_rank)
    first = ranked[0]
    orders = tuple({id(o): o for g in cards for o in g.orders}.values())
    params = {**dict(first.params), "order": _nouns(ranked)}
    lead = first
    if found.doubted_at is not None and first.indicator == "critical":
        words = {**found.words, "order": params["order"]}
        lead = card_for(case, GENETIC_CHECK_CODE, orders, first.findings, words)
        params = dict(lead.params)
    findings = {(f.role, f.rule): f for g in ranked for f in g.findings}
    kept = tuple(order for order in orders if is_kept(order, case.knowledge))
    others = (g for g in ranked if g.card != lead.card)
    also = {g.card: AlsoSaid(str(g.card), g.params) for g in others}
    yield replace(
        lead,
        orders=orders,
        findings=tuple(findings.values()),
        params=tuple(params.items()),
        also=tuple(also.values()),
        kept=kept,
    )


def _rank(guidance: Guidance) -> tuple[int, bool]:
    """The most severe first; a question about FOP or POH before what only informs."""
    return _SEVERITY.index(guidance.indicator or "info"), guidance.card != GENETIC_QUESTION


def _nouns(cards: list[Guidance]) -> str:
    nouns = list(dict.fromkeys(dict(g.params)["order"] for g in cards))
    shown = " and ".join(nouns[:_NAMED])
    return f"{shown} and {len(nouns) - _NAMED} more" if len(nouns) > _NAMED else shown


# --- questions ---


def asked_harm(
    case: Case,
    found: Genetics,
    orders: Iterable[DraftOrder],
    triggered: list[tuple[DraftOrder, Trigger]],
) -> list[DraftOrder]:
    """Orders that are no trigger by their code, and known harm of FOP (rows 1 to 3), where the
    chart only hints at FOP or names it in words: before these it asks, too."""
    known = {id(order) for order, _ in triggered}
    rest = [order for order in orders if id(order) not in known]
    if found.rule is not None or not rest:
        return []
    rules = case.knowledge.genetic
    named = [rules[f.rule] for f in question_findings(case.facts, case.knowledge)]
    cards = {card for rule in named if rule.every_order for card in rule.cards.values() if card}
    if not cards:
        return []
    rest = [order for order in rest if may_harm(order, case.knowledge)]
    return [order for order in rest if _of_rows_1_to_3(order, case, cards)]


def questions(
    case: Case,
    found: Genetics,
    triggered: list[tuple[DraftOrder, Trigger]],
    also: list[DraftOrder],
) -> Iterator[Guidance]:
    """What only asks: a disease in words, signs of one in a child, a relative who has it. `also`
    are the orders of `asked_harm`."""
    orders = tuple(order for order, _ in triggered)
    every = question_findings(case.facts, case.knowledge)
    of_family = family_findings(case.chart, case.knowledge)
    open_ = _open(case, found, triggered) if every or of_family else frozenset[str]()
    asked = [f for f in every if f.rule in open_]
    family = [f for f in of_family if f.rule in open_]
    if asked:
        rules = {f.rule for f in asked}
        told = (*asked, *(f for f in family if f.rule in rules))
        words = _words(case, asked)
        if also:
            nouns = [order_words(orders, case.knowledge)] if orders else []
            nouns += [harm_of(order, case.knowledge).noun for order in also]
            words["order"] = " and ".join(dict.fromkeys(nouns))
        yield card_for(case, GENETIC_QUESTION, (*orders, *also), told, words)
        family = [f for f in family if f.rule not in rules]
    early = case.knowledge.early
    concerned = tuple(order for order, trigger in triggered if trigger.kind in early.orders)
    signs = early_findings(case.facts, case.knowledge) if found.rule is None else ()
    if concerned and signs:
        words = listed((early.label[:1].upper() + early.label[1:],))
        yield card_for(case, early.card, concerned, signs, words)
    if family:
        yield card_for(case, GENETIC_FAMILY, orders, tuple(family), _words(case, family))


def _open(
    case: Case, found: Genetics, triggered: list[tuple[DraftOrder, Trigger]]
) -> frozenset[str]:
    """The diseases about which there is something to ask before these orders."""
    kinds = {trigger.kind for _, trigger in triggered}
    asked = open_questions(found, case.knowledge)
    return frozenset(id_ for id_ in asked if _matters(case, id_, kinds))


def in_words(case: Case, found: Genetics) -> Iterator[Guidance]:
    """The question of names in words where the patient alone is looked at."""
    open_ = open_questions(found, case.knowledge)
    every = question_findings(case.facts, case.knowledge)
    asked = [f for f in every if f.rule in open_ and _on_record(case, f)]
    if asked:
        words = {**_words(case, asked), "order": "any procedure"}
        yield card_for(case, GENETIC_QUESTION, (), tuple(asked), words)


def _on_record(case: Case, finding: Finding) -> bool:
    return case.knowledge.genetic[finding.rule].card_on_record is not None


def _matters(case: Case, rule: str, kinds: Collection[str]) -> bool:
    """A disease that has something to say about none of these orders asks nothing, save FOP and
    POH, about which there is always something to ask."""
    genetic = case.knowledge.genetic[rule]
    return genetic.card_on_record is not None or any(
        card for kind, card in genetic.cards.items() if kind in kinds
    )


def _words(case: Case, findings: list[Finding]) -> dict[str, str]:
    rules = case.knowledge.genetic
    diseases = " or ".join(dict.fromkeys(rules[f.rule].label for f in findings))
    return {**listed(named(findings, case.knowledge)), "disease": diseases}
