"""Decides for every draft order whether it gets a card, which one, and why: a pure function."""

from __future__ import annotations

from collections.abc import Collection, Generator, Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import assert_never

from cds_service.clinical.alike import likeness
from cds_service.clinical.ask_ahead import ask_ahead
from cds_service.clinical.assessment import (
    Assessment,
    Finding,
    Guidance,
    NotAssessed,
    Standing,
    Tier,
)
from cds_service.clinical.chart import Chart, DraftOrder
from cds_service.clinical.days import Days
from cds_service.clinical.evaluate import CallFacts
from cds_service.clinical.existing_prophylaxis import (
    Conflict,
    Planned,
    conflicts,
    dose_unknown,
    enough_unknown,
    not_checked,
    planned,
)
from cds_service.clinical.genetic import Genetics, genetics, may_be
from cds_service.clinical.genetic_card import (
    asked_harm,
    by_trigger,
    in_words,
    on_record,
    one_card,
    questions,
    suspected_harm,
)
from cds_service.clinical.options import verdicts, waiting
from cds_service.clinical.order_question import order_questions, together
from cds_service.clinical.outcome import Decided, card_for, listed, merge, named_facts, silence
from cds_service.clinical.possible_orders import open_orders
from cds_service.clinical.result import assessment_of
from cds_service.clinical.risk import Case, beside, factors_of, seen, tier_of
from cds_service.clinical.steps import whole
from cds_service.clinical.triggers import (
    by_words,
    kind_of,
    looked_at,
    names_none,
    one_session,
    selected,
    triggers,
)
from cds_service.clinical.undecided import Undecided, hinted, undecided
from cds_service.clinical.unknown_inputs import meaning_of, state_words
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import HO_EXCISION, HO_SETS, InputName
from cds_service.knowledge.schema import Question, Trigger

_INPUT_WORDS: Mapping[InputName, str] = {
    InputName.PATIENT: "patient data",
    InputName.CONDITIONS: "problem list",
    InputName.PROCEDURES: "procedures",
    InputName.MEDICATIONS: "medicines",
    InputName.STATEMENTS: "medicines",
    InputName.ALLERGIES: "allergies",
    InputName.OBSERVATIONS: "laboratory results",
    InputName.FAMILY_HISTORY: "family history",
    InputName.SERVICE_REQUESTS: "referrals",
}

# Factors that say that there is heterotopic bone at the hip, or may be.
_HO_HERE = frozenset({"previous-ho-hip", "previous-ho-site-not-stated"})

_ORDERS_TURN = 10  # orders that are decided in one turn


def assess(
    chart: Chart,
    orders: tuple[DraftOrder, ...],
    knowledge: Knowledge,
    today: date | Days,
    question: Question = Question.ORDERS_SIGNED,
    selections: Collection[str] = (),
    unread: int = 0,
    others: int = 0,
    card_if_unread: bool = False,
) -> Assessment:
    """Decide what `question` asks: about every order that is looked at, or the patient alone.

    `selections` are the `Type/id` of the orders that are looked at where an order was selected;
    all drafts stay context there (see `triggers`). `unread` is the number of drafts that could
    not be read, `others` that of drafts for other patients where there are no others. With
    `card_if_unread` a question about the patient alone has a card where the problem list lacks.

    Source: the card table of the clinical decisions; rows are named in `Guidance.row`.
    """
    return whole(
        assess_in_turns(
            chart,
            orders,
            knowledge,
            today,
            question,
            selections,
            unread,
            others,
            card_if_unread,
        )
    )


def assess_in_turns(
    chart: Chart,
    orders: tuple[DraftOrder, ...],
    knowledge: Knowledge,
    today: date | Days,
    question: Question = Question.ORDERS_SIGNED,
    selections: Collection[str] = (),
    unread: int = 0,
    others: int = 0,
    card_if_unread: bool = False,
) -> Generator[None, None, Assessment]:
    """As `assess`, with a pause every few milliseconds."""
    match question:
        case Question.PATIENT:
            return _review(chart, knowledge, today, card_if_unread)
        case Question.ORDERS_SIGNED | Question.ORDER_SELECTED:
            chosen = selected(question, selections)
        case _:
            assert_never(question)
    live = tuple(o for o in orders if o.live)
    hips = [o for o in live if kind_of(o, knowledge) == "arthroplasty"]
    both = one_session(hips)
    case = Case(CallFacts(chart, today, live, both_hips=both), knowledge)
    found = genetics(case.facts, knowledge)
    conditions = chart.input(InputName.CONDITIONS)
    heard = by_words(orders)
    asks = heard is orders or may_be(case.facts, found, knowledge)
    triggered = triggers(heard if asks else orders, knowledge, chosen)
    any_draft = names_none(orders, chosen)
    not_read = (
        *_not_checked_drafts(case, "order-not-read", unread),
        *_not_checked_drafts(case, "orders-of-others", others),
    )
    # Beside FOP on record every order is looked at, these too.
    open_ = (
        () if found.every_order else open_orders(case.facts, looked_at(orders, chosen), knowledge)
    )
    harmed = suspected_harm(case, found, looked_at(heard, chosen), triggered)
    asked_already = {one.order.index for one in open_}
    mentioned = [
        order
        for order in asked_harm(case, found, looked_at(heard, chosen), triggered)
        if order.index not in asked_already
    ]
    if not (triggered or harmed or mentioned or open_ or found.every_order):
        return assessment_of(case, not_read, (), any_draft, asked=False)
    if found.rule is None and meaning_of(knowledge, conditions) == "refuse":
        return replace(assessment_of(case, (), ()), unassessable=(InputName.CONDITIONS.value,))
    cards, rest = _genetic(case, found, looked_at(heard, chosen), triggered)
    yield from ask_ahead(case, (order for order, _ in rest))
    merged = merge((yield from _decided(case, rest)), knowledge)
    asked = order_questions(case, found, open_, [*cards, *harmed], _decide)
    merged = together(merged, asked.others)
    sure = questions(case, found, triggered, mentioned) if triggered or mentioned else ()
    told = [*cards, *harmed, *sure, *asked.genetic]
    genetic = list(one_card(case, found, told))
    forbids = any(card.indicator != "info" for card in genetic)
    made = [*genetic, *merged] if forbids else [*merged, *genetic]
    return assessment_of(case, (*made, *not_read), seen(case), any_draft)


def _genetic(
    case: Case,
    found: Genetics,
    orders: Iterable[DraftOrder],
    triggered: list[tuple[DraftOrder, Trigger]],
) -> tuple[list[Guidance], list[tuple[DraftOrder, Trigger]]]:
    """The cards of a genetic disease, one an order, and the triggers on which it says nothing."""
    if found.every_order:
        return on_record(case, found, orders), []
    made = [(pair, by_trigger(case, found, *pair)) for pair in triggered]
    cards = [card for _, card in made if card is not None]
    beside = found.rule is not None and found.rule.beside
    return cards, [pair for pair, card in made if card is None or beside]


def _not_checked_drafts(case: Case, card: str, number: int) -> tuple[Guidance, ...]:
    """A card for drafts that were not looked at: silence would claim that they had been checked."""
    if not number:
        return ()
    words = {"order": f"{number} draft order{'s' if number > 1 else ''}"}
    # The chart may not have been looked at, so nothing is said of it.
    return (replace(card_for(case, card, (), (), words), not_assessed=()),)


def _review(
    chart: Chart, knowledge: Knowledge, today: date | Days, card_if_unread: bool
) -> Assessment:
    """One card for genetic HO on record or named in words, and nothing else."""
    case = Case(CallFacts(chart, today, ()), knowledge)
    if meaning_of(knowledge, chart.input(InputName.CONDITIONS)) == "refuse":
        return replace(assessment_of(case, (), ()), unassessable=(InputName.CONDITIONS.value,))
    found = genetics(case.facts, knowledge)
    cards = list(in_words(case, found))
    if found.finding is not None and found.rule is not None and found.rule.card_on_record:
        card = found.rule.card_on_record
        cards.insert(0, card_for(case, card, (), (found.finding,), found.words))
    if card_if_unread and not (cards or chart.input(InputName.CONDITIONS).known):
        cards.append(card_for(case, "genetic-not-assessed", (), (), _state_words(case)))
    return assessment_of(case, tuple(one_card(case, found, cards)), ())


def _decided(
    case: Case, orders: list[tuple[DraftOrder, Trigger]]
) -> Generator[None, None, list[Decided]]:
    """The outcome of each order that is business of ours, made once for those that are alike."""
    outcomes: dict[Hashable, Guidance | None] = {}
    decided: list[Decided] = []
    for order, trigger in orders:
        like = (trigger.id, likeness(case, order))
        if like not in outcomes:
            outcomes[like] = _decide(case, order, trigger)
            if len(outcomes) % _ORDERS_TURN == 0:
                yield
        if (guidance := outcomes[like]) is not None:
            decided.append(Decided(order, guidance))
    return decided


def _decide(case: Case, order: DraftOrder, trigger: Trigger) -> Guidance | None:
    """The outcome for one order; None where the order is no business of ours for this patient."""
    if trigger.kind == "arthroplasty":
        return _arthroplasty(case, order)
    if trigger.kind == "excision-ho":
        return _excision(case, order)
    if not case.chart.input(InputName.CONDITIONS).known:
        return card_for(case, "not-assessed", (order,), (), _state_words(case))
    return None


def _state_words(case: Case, name: InputName = InputName.CONDITIONS) -> dict[str, str]:
    state = case.chart.input(name).state
    word = state_words(case.knowledge, state) or "could not be read"
    return {"state": word if word.startswith("could") else f"was {word}"}


def _arthroplasty(case: Case, order: DraftOrder) -> Guidance:
    """Rows 6 to 12 for one hip."""
    view = case.view(order, cautious=True)
    factors = factors_of(case, order)
    tier = tier_of(case, factors)
    there = planned(view, case.knowledge)
    if there:
        return _prophylaxis_there(case, order, tier, factors)
    if tier is Tier.NONE:
        return _without_factor(case, order)
    findings = (*factors, *beside(case, order, factors))
    options = verdicts(view, case.knowledge)
    if tier is Tier.MODERATE:
        guidance = card_for(case, "moderate-risk", (order,), findings, {}, tier, options)
        open_ = (*hinted(case, order, factors), *undecided(case, order, factors))
        return _with_open(guidance, open_)
    if any(o.standing is not Standing.EXCLUDED for o in options):
        return card_for(case, "high-risk", (order,), findings, {}, tier, options)
    words = waiting(options, case.knowledge)
    card = "high-risk-test-first" if words else "high-risk-no-option"
    return card_for(case, card, (order,), findings, words, tier, options)


def _without_factor(case: Case, order: DraftOrder) -> Guidance:
    """Rows 10 to 12: no factor was found, as far as one could see."""
    hints, open_ = hinted(case, order, ()), undecided(case, order, ())
    if not case.chart.input(InputName.CONDITIONS).known:
        unread = card_for(case, "not-assessed", (order,), (), _state_words(case))
        return _with_open(unread, (*hints, *open_))
    lost = [f"{u.finding.note}, on record {named_facts(u.finding)}" for u in open_]
    short = [str(u.finding.note) for u in open_]
    if meaning_of(case.knowledge, case.chart.input(InputName.PROCEDURES)) == "card":
        state = _state_words(case, InputName.PROCEDURES)["state"]
        lost.insert(0, f"the list of procedures {state}")
        short.insert(0, lost[0])
    if hints and not lost:
        facts = listed(tuple(named_facts(hint.finding) for hint in hints))
        return _with_open(card_for(case, "ho-question", (order,), (), facts), hints)
    if not lost:
        return silence("10", order, "no risk factor that counts", beside(case, order))
    words = {"finding": "; ".join(lost), "short": "\n".join(short)}
    return _with_open(card_for(case, "partly-assessed", (order,), (), words), (*hints, *open_))


def _with_open(guidance: Guidance, open_: tuple[Undecided, ...]) -> Guidance:
    """The same guidance, with the factors that nobody can decide."""
    if not open_:
        return guidance
    return replace(
        guidance,
        findings=(*guidance.findings, *(u.finding for u in open_)),
        not_assessed=(*(u.said for u in open_), *guidance.not_assessed),
    )


def _prophylaxis_there(
    case: Case, order: DraftOrder, tier: Tier, factors: tuple[Finding, ...]
) -> Guidance:
    """Row 6: silence, or the conflict between what is ordered and the chart."""
    view = case.view(order, cautious=True)
    there = planned(view, case.knowledge)
    said = tuple(
        Finding(f"prophylaxis-{p.target}", "prophylaxis", p.label, (p.source,)) for p in there
    )
    against = conflicts(there, view, case.knowledge)
    long = any(case.knowledge.exclusions[c.reason.rule].above_days for c in against)
    if against and (long or _at_stake(case, order, tier)):
        return _conflict(case, order, tier, (*said, *factors), against, there)
    doses = [_dose_to_check(one) for one in dose_unknown(there, view, case.knowledge)]
    doses += enough_unknown(there, case.knowledge)
    unread = not_checked(there, view, case.knowledge)
    if (unread or doses) and _at_stake(case, order, tier):
        names = [
            *(["daily dose"] if doses else []),
            *(_INPUT_WORDS[InputName(said.input)] for said in unread),
        ]
        words = {**listed(tuple(dict.fromkeys(names))), "ordered": _ordered(there)}
        card = card_for(case, "prophylaxis-unchecked", (order,), (*said, *factors), words, tier)
        new = (said for said in (*doses, *unread) if said not in card.not_assessed)
        return replace(card, not_assessed=(*new, *card.not_assessed))
    return silence("6", order, "prophylaxis is already ordered or active", (*said, *factors), tier)


def _conflict(
    case: Case,
    order: DraftOrder,
    tier: Tier,
    findings: tuple[Finding, ...],
    against: tuple[Conflict, ...],
    there: tuple[Planned, ...],
) -> Guidance:
    """Row 6c. No other prophylaxis is offered instead where nothing is at stake (no factor), or
    where one that nothing speaks against is ordered as well."""
    view = case.view(order, cautious=True)
    stands = {plan.target for plan in there} - {conflict.plan.target for conflict in against}
    reason = against[0].reason
    rule = case.knowledge.exclusions[reason.rule]
    words = {
        "finding": rule.short or rule.label,
        "ordered": _ordered(conflict.plan for conflict in against),
    }
    instead = tier is not Tier.NONE and not stands
    options = verdicts(view, case.knowledge) if instead else ()
    long = any(case.knowledge.exclusions[c.reason.rule].above_days for c in against)
    card = "prophylaxis-conflict"
    guidance = card_for(case, card, (order,), findings, words, tier, options)
    if tier is not Tier.HIGH and not long:
        guidance = replace(guidance, indicator="info")
    return replace(guidance, conflicts=tuple(conflict.reason for conflict in against))


def _at_stake(case: Case, order: DraftOrder, tier: Tier) -> bool:
    """Whether HO is, or may be: the NSAID of a patient without any risk is no prophylaxis of it."""
    return tier is not Tier.NONE or _without_factor(case, order).row != "10"


def _dose_to_check(conflict: Conflict) -> NotAssessed:
    plan, reason = conflict.plan, conflict.reason
    text = (
        f"Daily dose of the ordered {plan.label} not stated in milligrams: check it. {reason.text}"
    )
    return NotAssessed(InputName.MEDICATIONS.value, "not stated", text)


def _ordered(there: Iterable[Planned]) -> str:
    """What is ordered, as the EHR names it."""
    return " and ".join(dict.fromkeys(plan.label for plan in there))


def _excision(case: Case, order: DraftOrder) -> Guidance:
    """Row 9a."""
    view = case.view(order, cautious=True)
    if planned(view, case.knowledge):
        return _prophylaxis_there(case, order, Tier.HIGH, ())
    findings = factors_of(case, order)
    if _may_be_release_only(order) and not _HO_HERE.intersection(f.rule for f in findings):
        return card_for(case, "ho-excision-question", (order,), (), {})
    options = verdicts(view, case.knowledge)
    return card_for(case, "ho-excision", (order,), findings, {}, Tier.HIGH, options)


def _may_be_release_only(order: DraftOrder) -> bool:
    """Whether the order leaves open that heterotopic bone is excised."""
    return HO_EXCISION not in order.kinds and order.reasons.isdisjoint(HO_SETS)
