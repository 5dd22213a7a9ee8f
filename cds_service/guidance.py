"""Decides for every draft order whether it gets a card, which one, and why: a pure function."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date

from cds_service.assessment import (
    Assessment,
    Finding,
    Guidance,
    NotAssessed,
    OptionVerdict,
    Standing,
    Tier,
)
from cds_service.chart import Chart, DraftOrder, InputName, InputState, Source
from cds_service.exclusions import STATE_WORDS, not_assessed, verdicts, waiting
from cds_service.genetic import Genetics, family_findings, genetics, question_findings
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Trigger
from cds_service.merging import merge
from cds_service.predicates import Session, View
from cds_service.prophylaxis import Planned, conflicts, planned
from cds_service.triggers import both_sides, kind_of, order_words, triggers
from cds_service.undecided import Undecided, undecided
from cds_service.weighing import Case, beside, factors_of, seen, tier_of

# Card by disease and kind of order (decisions, section 4, rows 1-5). None: nothing to say.
_GENETIC_CARD: dict[str, dict[str, str]] = {
    "fop": {
        "arthroplasty": "fop-surgery",
        "surgery": "fop-surgery",
        "block": "fop-block",
        "biopsy": "fop-biopsy",
        "excision": "fop-biopsy",
        "excision-ho": "fop-biopsy",
        "intramuscular": "fop-intramuscular",
    },
    "poh": {
        "arthroplasty": "poh-surgery",
        "surgery": "poh-surgery",
        "biopsy": "poh-biopsy",
        "excision": "poh-biopsy",
        "excision-ho": "poh-biopsy",
    },
}


_INPUT_WORDS = {
    "patient": "patient data",
    "conditions": "problem list",
    "procedures": "procedures",
    "medications": "medicines",
    "allergies": "allergies",
    "observations": "laboratory results",
}

_ABOUT_INPUTS = frozenset({"not-assessed", "partly-assessed", "prophylaxis-unchecked"})
# An input that nobody sent is in the trace; one that broke is told, or an error would be silent.
_BROKEN = frozenset({InputState.FAILED, InputState.PARTIAL})


def assess(
    chart: Chart,
    orders: tuple[DraftOrder, ...],
    knowledge: Knowledge,
    today: date,
    hook: str = "order-sign",
    selections: Collection[str] = (),
) -> Assessment:
    """Decide about every order that is looked at, or about the patient alone (patient-view).

    `selections` are the `Type/id` of the orders that trigger at order-select; all drafts stay
    context there (see `triggers`).

    Source: the card table of the clinical decisions; rows are named in `Guidance.row`.
    """
    if hook == "patient-view":
        return _review(chart, knowledge, today)
    live = tuple(o for o in orders if o.live)
    triggered = triggers(live, knowledge, hook, selections)
    hips = [o for o in live if kind_of(o, knowledge) == "arthroplasty"]
    both = both_sides(o.side for o in hips)
    case = Case(Session(chart, today, live, both_hips=both), knowledge)
    if not triggered:
        return _assessment(case, (), ())
    if chart.input(InputName.CONDITIONS).state is InputState.ABSENT:
        return replace(_assessment(case, (), ()), unassessable=(InputName.CONDITIONS.value,))
    found = genetics(chart, knowledge)
    decided = (_decide(case, found, order, trigger) for order, trigger in triggered)
    guidances = [guidance for guidance in decided if guidance is not None]
    merged = merge(guidances, knowledge)
    merged = [*merged, *_asides(case, found, triggered, merged)]
    return _assessment(case, tuple(merged), seen(case))


def _review(chart: Chart, knowledge: Knowledge, today: date) -> Assessment:
    """One card for genetic HO on record, and nothing else."""
    case = Case(Session(chart, today, ()), knowledge)
    if chart.input(InputName.CONDITIONS).state is InputState.ABSENT:
        return replace(_assessment(case, (), ()), unassessable=(InputName.CONDITIONS.value,))
    found = genetics(chart, knowledge)
    if found.finding is None or found.rule is None:
        return _assessment(case, (), ())
    card = f"{found.rule.disease}-on-record"
    guidance = _guidance(case, card, (), (found.finding,), found.words)
    return _assessment(case, (guidance,), ())


def _decide(case: Case, found: Genetics, order: DraftOrder, trigger: Trigger) -> Guidance | None:
    """The outcome for one order; None where the order is no business of ours for this patient."""
    if found.rule is not None and found.finding is not None:
        card = _GENETIC_CARD[found.rule.disease].get(trigger.kind)
        if card is None:
            return None
        return _guidance(case, card, (order,), (found.finding,), found.words)
    if trigger.kind == "arthroplasty":
        return _arthroplasty(case, order)
    if trigger.kind == "excision-ho":
        return _excision(case, order)
    if not case.chart.input(InputName.CONDITIONS).known:
        return _guidance(case, "not-assessed", (order,), (), _state_words(case))
    return None


def _state_words(case: Case, name: InputName = InputName.CONDITIONS) -> dict[str, str]:
    state = case.chart.input(name).state
    word = STATE_WORDS.get(state, "could not be read")
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
        guidance = _guidance(case, "moderate-risk", (order,), findings, {}, tier, options)
        return _with_open(guidance, undecided(case, order, factors))
    if any(o.standing is not Standing.EXCLUDED for o in options):
        return _guidance(case, "high-risk", (order,), findings, {}, tier, options)
    words = waiting(options, case.knowledge)
    card = "high-risk-test-first" if words else "high-risk-no-option"
    return _guidance(case, card, (order,), findings, words, tier, options)


def _without_factor(case: Case, order: DraftOrder) -> Guidance:
    """Rows 10 to 12: no factor was found, as far as one could see."""
    open_ = undecided(case, order, ())
    if not case.chart.input(InputName.CONDITIONS).known:
        unread = _guidance(case, "not-assessed", (order,), (), _state_words(case))
        return _with_open(unread, open_)
    lost = [f"{u.finding.note}, on record {_named_facts(u.finding)}" for u in open_]
    if case.chart.input(InputName.PROCEDURES).state in _BROKEN:
        state = _state_words(case, InputName.PROCEDURES)["state"]
        lost.insert(0, f"the list of procedures {state}")
    if not lost:
        return _silence("10", order, "no risk factor that counts", beside(case, order))
    words = {"finding": "; ".join(lost)}
    return _with_open(_guidance(case, "partly-assessed", (order,), (), words), open_)


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
    if not against and (unread := _not_checked(view, there, case.knowledge)):
        words = {"finding": ", ".join(dict.fromkeys(unread))}
        return _guidance(case, "prophylaxis-unchecked", (order,), (*said, *factors), words, tier)
    if not against:
        return _silence("6", order, "prophylaxis is already ordered or active", (*said, *factors))
    options = verdicts(view, case.knowledge)
    words = {"finding": "; ".join(r.text.rstrip(".") for r in against[:1])}
    guidance = _guidance(
        case, "prophylaxis-conflict", (order,), (*said, *factors), words, tier, options
    )
    return replace(guidance, conflicts=against)


def _not_checked(view: View, there: tuple[Planned, ...], knowledge: Knowledge) -> list[str]:
    """Inputs that were not read and that could speak against what is ordered already.

    A result that nobody measured is the prescriber's business; an input that got lost is ours.
    """
    targets = {p.target for p in there}
    return [
        _INPUT_WORDS[said.input]
        for said, check in not_assessed(view, knowledge)
        if targets & set(check.applies_to) and not view.chart.input(InputName(said.input)).known
    ]


def _excision(case: Case, order: DraftOrder) -> Guidance:
    """Row 9a."""
    view = case.view(order, cautious=True)
    if planned(view, case.knowledge):
        return _prophylaxis_there(case, order, Tier.NONE, ())
    findings = factors_of(case, order)
    options = verdicts(view, case.knowledge)
    return _guidance(case, "ho-excision", (order,), findings, {}, Tier.HIGH, options)


def _silence(row: str, order: DraftOrder, why: str, findings: tuple[Finding, ...]) -> Guidance:
    return Guidance(row, None, None, (order,), findings=findings, silent_because=why)


def _guidance(
    case: Case,
    card: str,
    orders: tuple[DraftOrder, ...],
    findings: tuple[Finding, ...],
    words: dict[str, str],
    tier: Tier = Tier.NONE,
    options: tuple[OptionVerdict, ...] = (),
) -> Guidance:
    text = case.knowledge.cards[card]
    unread: tuple[NotAssessed, ...] = ()
    if options or card in _ABOUT_INPUTS:
        view = case.view(orders[0] if orders else None, cautious=True)
        open_ = {o.option for o in options if o.standing is not Standing.EXCLUDED}
        unread = tuple(
            said
            for said, check in not_assessed(view, case.knowledge)
            # An entry without a code matters to whom it could take an option from.
            if not check.unidentified or open_ & set(check.applies_to)
        )
    elif not case.chart.input(InputName.CONDITIONS).known:
        view = case.view(None)
        unread = tuple(
            said for said, _ in not_assessed(view, case.knowledge) if said.input == "conditions"
        )
    factors = [f for f in findings if f.role in {"factor", "genetic", "suspected"}]
    params = {"order": order_words(orders, case.knowledge), "finding": _named(factors), **words}
    return Guidance(
        text.row,
        card,
        text.indicator,
        orders,
        tier,
        findings,
        options,
        unread,
        params=tuple(params.items()),
    )


def _named(findings: Iterable[Finding]) -> str:
    """Findings as a summary names them, each with the year where one is known."""
    return ", ".join(_with_year(finding.label, finding.sources) for finding in findings)


def _named_facts(finding: Finding) -> str:
    """The facts of a finding, for one whose own name would claim too much."""
    return ", ".join(_with_year(source.label, (source,)) for source in finding.sources)


def _with_year(label: str, sources: Iterable[Source]) -> str:
    years = sorted({source.date.text[:4] for source in sources if source.date})
    return f"{label} ({years[-1]})" if years else label


def _asides(
    case: Case,
    found: Genetics,
    triggered: list[tuple[DraftOrder, Trigger]],
    guidances: list[Guidance],
) -> list[Guidance]:
    """Questions that go beside the cards: uncoded genetic HO, and a relative who has it."""
    if found.finding is not None:
        return []
    orders = tuple(o for o, _ in triggered)
    questions = question_findings(case.chart, case.session.medications, case.knowledge)
    if questions:
        words = {"finding": _named(questions), "disease": _diseases(case, questions)}
        return [_guidance(case, "genetic-question", orders, questions, words)]
    family = family_findings(case.chart, case.knowledge)
    if family and not any(g.card for g in guidances):
        words = {"finding": _named(family), "disease": _diseases(case, family)}
        return [_guidance(case, "family-history", orders, family, words)]
    return []


def _diseases(case: Case, findings: Iterable[Finding]) -> str:
    rules = case.knowledge.genetic
    return " or ".join(dict.fromkeys(rules[f.rule].label for f in findings))


def _assessment(
    case: Case, guidances: tuple[Guidance, ...], seen: tuple[Finding, ...]
) -> Assessment:
    chart = case.chart
    family = family_findings(chart, case.knowledge) if guidances else ()
    own = {(f.role, f.rule): f for g in guidances for f in g.findings}
    own.update({(f.role, f.rule): f for f in (*seen, *family)})
    return Assessment(
        guidances,
        tuple(own.values()),
        chart.inputs,
        chart.set_aside,
        chart.mentions,
        chart.foreign,
        len(chart.problems),
        case.knowledge.version,
    )
