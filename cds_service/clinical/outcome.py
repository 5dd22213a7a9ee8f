"""Makes the outcome for orders: a card with the words that its text needs, or silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from cds_service.clinical.assessment import (
    Finding,
    Guidance,
    NotAssessed,
    OptionVerdict,
    Standing,
    Tier,
)
from cds_service.clinical.chart import DraftOrder, InputState, Provenance
from cds_service.clinical.risk import Case
from cds_service.clinical.triggers import order_words
from cds_service.clinical.unknown_inputs import not_assessed, statements_refused
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.knowledge.schema import CardText

# What may hide genetic HO is named whatever the card; the rest hangs on the choice of an option.
_ON_EVERY_CARD = (InputName.CONDITIONS, InputName.FAMILY_HISTORY)


def silence(
    row: str, order: DraftOrder, why: str, findings: tuple[Finding, ...], tier: Tier = Tier.NONE
) -> Guidance:
    """No card, and why; the tier stays what it is."""
    return Guidance(row, None, None, (order,), tier, findings, silent_because=why)


def card_for(
    case: Case,
    card: str,
    orders: tuple[DraftOrder, ...],
    findings: tuple[Finding, ...],
    words: dict[str, str],
    tier: Tier = Tier.NONE,
    options: tuple[OptionVerdict, ...] = (),
) -> Guidance:
    """A card of the knowledge for these orders. `words` are what its text fills in beside the
    orders and the findings."""
    text = case.knowledge.cards[card]
    factors = [f for f in findings if f.role in {"factor", "genetic", "suspected"}]
    finding = listed(named(factors, case.knowledge))
    about = {"order": order_words(orders, case.knowledge), "who": _who(case)}
    if against := _ruled_out(options, case.knowledge):
        about["against"] = against
    if medicines := _medicines_read(case, options):
        about["medicines"] = medicines
    params = {**about, **finding, **words}
    return Guidance(
        text.row,
        card,
        text.indicator,
        orders,
        tier,
        findings,
        options,
        _unread(case, text, options),
        params=tuple(params.items()),
    )


def _medicines_read(case: Case, options: tuple[OptionVerdict, ...]) -> str:
    """Which list of medicines was read alone, where an option is open that medicines speak against:
    what nobody read may hold an anticoagulant. Where nothing was found, a check says it."""
    report = case.chart.input(InputName.MEDICATIONS)
    if statements_refused(report):
        return ""  # a check says it
    told = report.state in {InputState.READ, InputState.PARTIAL} or report.whole
    if not told or len(report.lists_read) != 1:
        return ""
    if not any(
        case.knowledge.options[verdict.option].regimens
        and verdict.standing is not Standing.EXCLUDED
        for verdict in options
    ):
        return ""
    (named,) = report.lists_read
    if report.whole:
        return f"{named}, reported ones included" if named == "orders" else named
    return f"{named} only"


def _ruled_out(options: tuple[OptionVerdict, ...], knowledge: Knowledge) -> str:
    """The option that is ruled out beside one that is left, and the first reason, in short."""
    out = [v for v in options if v.standing is Standing.EXCLUDED and v.reasons]
    if len(out) != 1 or len(options) < 2:
        return ""
    rule = knowledge.exclusions[out[0].reasons[0].rule]
    option = knowledge.options[out[0].option]
    return f"no {option.short or option.label} ({rule.short or rule.label})"


_SEX_WORDS = {"male": "man", "female": "woman"}
_ADULT = 18


def _who(case: Case) -> str:
    """The patient in two words, as far as they are known: `man, 58`."""
    ages, sex = case.facts.ages, case.chart.patient.sex
    grown = ages is not None and ages[0] >= _ADULT
    said = _SEX_WORDS.get(sex, "") if grown else sex if sex in _SEX_WORDS else ""
    age = case.facts.age if ages is not None else ""
    if age and not said:
        return f"{age} years"
    return ", ".join(part for part in (said, age) if part)


def _unread(
    case: Case, text: CardText, options: tuple[OptionVerdict, ...]
) -> tuple[NotAssessed, ...]:
    """What was not read and bears on this card."""
    whole = bool(options) or text.every_input
    lost = () if whole else tuple(n for n in _ON_EVERY_CARD if not case.chart.input(n).known)
    if not whole and not lost:
        return ()
    open_ = {o.option for o in options if o.standing is not Standing.EXCLUDED}
    return tuple(
        said
        for said, check in not_assessed(case.view(None), case.knowledge)
        # Entries without a known code, or none at all, matter only to an option that is open.
        if (
            open_ & set(check.applies_to)
            if check.unidentified or check.is_clause
            else whole or said.input in lost or check.record is not None
        )
    )


def named(findings: Iterable[Finding], knowledge: Knowledge) -> tuple[str, ...]:
    """Findings as a summary names them, each with the year where one is known."""
    return tuple(_with_year(_short(f, knowledge), f.sources) for f in findings)


def _short(finding: Finding, knowledge: Knowledge) -> str:
    """The short name of a rule where it has one."""
    if finding.rule in knowledge.genetic:
        return knowledge.genetic[finding.rule].disease.upper()
    rule = knowledge.factors.get(finding.rule)
    return rule.short if rule is not None and rule.short else finding.label


def named_facts(finding: Finding) -> str:
    """The facts of a finding, for one whose own name would claim too much."""
    return ", ".join(_with_year(source.label, (source,)) for source in finding.sources)


def _with_year(label: str, sources: Iterable[Provenance]) -> str:
    years = sorted({source.date.text[:4] for source in sources if source.date})
    return f"{label} ({years[-1]})" if years else label


def listed(names: tuple[str, ...]) -> dict[str, str]:
    """Names for a card text: all of them, and one a line for a summary that has to be shorter."""
    return {"finding": ", ".join(names), "short": "\n".join(names)}


# --- several orders ---


class Decided(NamedTuple):
    """An order and its outcome, which may be that of orders that are alike, too."""

    order: DraftOrder
    outcome: Guidance


def merge(decided: list[Decided], knowledge: Knowledge) -> list[Guidance]:
    """One card for orders that get the same answer; excision follows the arthroplasty's card."""
    if len(decided) < 2:
        return [one.outcome for one in decided]
    outcomes = {id(one.outcome): one.outcome for one in decided}
    hip_card = any(g.card for g in outcomes.values() if g.row in {"6c", "7", "8", "9"})
    asked = hip_card or any(g.card == "ho-question" for g in outcomes.values())
    excised = {"ho-excision": hip_card, "ho-excision-question": asked}
    told = {place: _told(g, excised) for place, g in outcomes.items()}
    keys = {place: _key(g) for place, g in told.items()}
    groups: dict[tuple[object, ...], list[Decided]] = {}
    for order, outcome in decided:
        place = id(outcome)
        groups.setdefault(keys[place], []).append(Decided(order, told[place]))
    return [_as_one(group, knowledge) for group in groups.values()]


def _told(guidance: Guidance, excised: Mapping[str, bool]) -> Guidance:
    """The outcome, which is silence for an excision whose advice stands on another card: two cards
    would offer the same drugs, or ask the same, twice."""
    if not excised.get(guidance.card or ""):
        return guidance
    why = "the same advice stands on the card of the arthroplasty"
    return replace(guidance, card=None, indicator=None, silent_because=why)


def _key(guidance: Guidance) -> tuple[object, ...]:
    """The same for outcomes that one card tells."""
    rules = tuple(f.rule for f in guidance.findings if f.role != "modifier")
    standing = tuple((o.option, o.standing, o.regimen) for o in guidance.options)
    return guidance.row, guidance.card, rules, standing, guidance.silent_because


def _as_one(group: list[Decided], knowledge: Knowledge) -> Guidance:
    """The first of a group, with the orders and findings of all."""
    first = group[0].outcome
    if len(group) == 1:
        return first
    orders = tuple(one.order for one in group)
    params = dict(first.params) | {"order": order_words(orders, knowledge)}
    findings = {(f.role, f.rule): f for one in group for f in one.outcome.findings}
    return replace(
        first, orders=orders, findings=tuple(findings.values()), params=tuple(params.items())
    )
