"""Writes the detail of a card for ten seconds: found, advised, avoid, check, benefit, limits.

Everything that comes from a chart passes `markdown.escape`; so does the prose of the knowledge.
References and codes stay in the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from cds_service.cards import line_links
from cds_service.cards.advice import OptionLines, advised, course_words, offers_of
from cds_service.cards.checks import EXCLUDED, REASON_LIMIT, checks_of, one_a_fact, sentence
from cds_service.cards.markdown import escape
from cds_service.cards.prose import Prose, capital
from cds_service.cards.word_budget import (
    AT_WORST,
    NOTHING_TO_CHECK,
    DetailPart,
    cut,
    fit,
    fitting,
    part,
    words,
)
from cds_service.clinical.assessment import (
    Effect,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Tier,
)
from cds_service.clinical.chart import DraftOrder, Provenance
from cds_service.knowledge.code_systems import name_of

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText

FACT_LIMIT = 60
_AGAIN = "radiotherapy"  # mostly avoided because of radiotherapy
# What a patient has, not what is done or given: nobody reads "Avoid: Gastric ulcer" as advice.
_STATES = frozenset({"Condition", "Observation", "AllergyIntolerance", "Patient"})
CODE_LIMIT = 20
ORDER_LIMIT = 40
_LEAST = 10
"""Words that found, avoid and check have at least, however much the others say."""
_FOUND_MOST = 30
_AVOID_MOST = 36
_ORDERS_MOST = 10  # words for the orders that are named
_ORDERS_LEAST = 6
_NOTHING_TO_AVOID = part("Avoid", "")
_SHORTS = 8  # words for checks that are only named

_NO_TIER = Tier.NONE

_ROLES_SHOWN = (
    "genetic", "suspected", "mention", "family", "prophylaxis", "factor", "undecided", "modifier",
)  # fmt: skip
# What is only suspected, hinted at, open, or a relative's must not read as the patient's own.
_ROLE_WORDS = {
    "suspected": "suspected ",
    "mention": "question of ",
    "family": "family history of ",
    "prophylaxis": "already ordered: ",
    "undecided": "not decided: ",
}
# Of these the rule is named beside the words of the chart: they are doubtful, or often miscoded.
_NAMED = frozenset(_ROLE_WORDS) | {"genetic"}
_TOLD_BY_OTHERS = frozenset({"modifier", "undecided"})


def render(
    guidance: Guidance,
    text: CardText,
    knowledge: Knowledge,
    titles: Mapping[str, str] = line_links.PLAIN,
) -> str:
    """The detail of one card as GitHub Flavored Markdown without HTML, tables or images; `titles`
    is how each line begins.

    At most 90 words where nothing has to be checked, 150 at the worst: what is more is counted.
    Raises ValueError for text that could not be sent.
    """
    prose, lines, offers = knowledge.once(Prose), knowledge.once(OptionLines), offers_of(guidance)
    checks = checks_of(guidance, knowledge, prose)
    lines_against = [(line, "") for line in _against(guidance, knowledge, prose)]
    against = list(one_a_fact(lines_against)) if lines_against else []
    limit = AT_WORST if checks else NOTHING_TO_CHECK
    benefit = lines.benefit(text.id, tuple(offer.option for offer in offers))
    limits = _limits(guidance, lines)
    room = limit - benefit.words - limits.words
    # What the patient's own parts have at least, with their titles.
    kept = (_LEAST + 1) * (1 + bool(against or checks)) + words(prose.cards[text.id].avoid)
    kept += 0 if guidance.options else _ORDERS_LEAST
    advice = advised(guidance, text.id, offers, knowledge, room - kept)
    always = prose.cards[text.id].avoid
    room -= advice.words
    found, avoid, check = _patient(guidance, (against, checks), always, prose, room)
    return _joined((found, advice, avoid, check, benefit, limits), titles)


def answered(guidance: Guidance, knowledge: Knowledge, on: date, reason: str, until: date) -> str:
    """The detail in place of a warning that was answered: it advises nothing."""
    prose = knowledge.once(Prose)
    again = f"The warning comes again when they change, and from {until} on."
    parts = (
        part("Answered", f"{on}: {escape(reason)}. Same order and findings since. {again}"),
        part("Found", _found(guidance, prose, _FOUND_MOST)),
        _limits(guidance, knowledge.once(OptionLines)),
    )
    return _joined(parts, line_links.PLAIN)


def _limits(guidance: Guidance, lines: OptionLines) -> DetailPart:
    lists = dict(guidance.params).get("medicines", "")
    return lines.limits(guidance.tier is not _NO_TIER, lists)


def _joined(parts: Iterable[DetailPart], titles: Mapping[str, str]) -> str:
    return "\n\n".join([titles[title] + text for title, text, _ in parts if text])


def _patient(
    guidance: Guidance,
    told: tuple[list[str], dict[str, str]],
    always: str,
    prose: Prose,
    room: int,
) -> tuple[DetailPart, DetailPart, DetailPart]:
    """Found, avoid and check, in the words that are left for them: each has a least share, and
    what one does not need falls to the next."""
    against, checks = told
    later = (_LEAST + 1) * bool(checks)
    avoid = _NOTHING_TO_AVOID
    if against or always:
        share = min(room - later - _LEAST - 2, _AVOID_MOST)
        avoid = part("Avoid", _avoid(against, always, share))
        room -= avoid.words
    most = min(room - later, _FOUND_MOST) if checks else room
    found = part("Found", _found(guidance, prose, most - 1))
    return found, avoid, part("Check", _check(checks, room - found.words - 1))


def _avoid(against: list[str], always: str, room: int) -> str:
    """What speaks against an option here, or what this disease forbids."""
    return " ".join(part for part in (fit(against, room, " "), always) if part)


def _check(checks: dict[str, str], room: int) -> str:
    """The checks in full as far as there is room; of the others the word, then the number."""
    said = list(checks)
    if not said or words(" ".join(said)) <= room:
        return " ".join(said)
    shorts = list(dict.fromkeys(checks.values()))
    kept = max(fitting(said, room - min(len(shorts), _SHORTS) - 1, " "), 1)
    told = cut(" ".join(said[:kept]), room - 2)
    rest = list(dict.fromkeys(checks[text] for text in said[kept:]))
    also = f"Also: {fit(rest, room - words(told) - 1, ', ')}." if rest else ""
    return f"{told} {also}".strip()


# --- found ---


def _found(guidance: Guidance, prose: Prose, room: int) -> str:
    """This patient's facts, the orders as the EHR names them where no option names the operation,
    and who it is."""
    shown = [one for one in guidance.findings if one.role in _ROLES_SHOWN]
    if not _TOLD_BY_OTHERS.isdisjoint([one.role for one in shown]):
        shown = _untold(shown, guidance)
    if len(shown) > 1:
        shown.sort(key=lambda finding: _ROLES_SHOWN.index(finding.role))
    facts = dict.fromkeys([fact for finding in shown for fact in _finding(finding, prose)])
    orders = [] if guidance.options else [_order(order) for order in guidance.orders]
    named = fit(dict.fromkeys(orders), min(_ORDERS_MOST, room - _LEAST - 2)) if orders else ""
    who = escape(dict(guidance.params).get("who", ""))
    tail = [part for part in (f"ordered: {named}" if named else "", who) if part]
    told = fit(facts, room - sum(map(words, tail)))
    said = "; ".join([told, *tail] if told else tail)
    return f"{capital(said)}." if said else ""


def _untold(shown: list[Finding], guidance: Guidance) -> list[Finding]:
    """The findings without a modifier or a question of facts that others show, or of Patient, which
    ends the line."""
    # An order says many things: a modifier of one is told beside it.
    of_orders = {order.reference or "" for order in guidance.orders}
    by_others = _references(shown, lambda role: role != "modifier") - of_orders
    told_by = {
        "modifier": by_others,
        "undecided": _references(shown, lambda role: role == "factor"),
    }
    return [one for one in shown if not _is_told(one, told_by.get(one.role))]


def _references(findings: Iterable[Finding], of: Callable[[str], bool]) -> set[str]:
    return {fact.reference for one in findings if of(one.role) for fact in one.sources}


def _is_told(finding: Finding, told: Collection[str] | None) -> bool:
    facts = (fact.reference for fact in finding.sources)
    return told is not None and all(_of_patient(f) or f in told for f in facts)


def _of_patient(reference: str) -> bool:
    return reference.startswith("Patient/")


def _order(order: DraftOrder) -> str:
    """The order as the EHR names it, so that it can be told from its neighbour."""
    return escape(order.label, ORDER_LIMIT)


def _finding(finding: Finding, prose: Prose) -> list[str]:
    """The facts of a finding; with its label where a fact alone does not tell it."""
    told = [_fact(one, finding) for one in finding.sources if not _of_patient(one.reference)]
    facts = list(dict.fromkeys([fact for fact in told if fact]))
    if facts and finding.role != "modifier" and finding.role not in _NAMED:
        return facts
    label = prose.escape(capital(_ROLE_WORDS.get(finding.role, "") + finding.label))
    note = f" ({escape(finding.note)})" if finding.note else ""
    if finding.role == "modifier" or not facts:
        return [f"{label}{note}"]
    return [f"{label}{_joint(facts[0])}{facts[0]}{note}", *facts[1:]]


def _joint(fact: str) -> str:
    """What stands between the name of a rule and a fact: a fact without words begins with its code
    or its date."""
    return " " if fact.startswith("(") else ", " if fact[:1].isdigit() else ": "


def _fact(source: Provenance, finding: Finding) -> str:
    """A fact in the words of the chart, or of the rule where the chart has none."""
    coding = source.coding
    code = coding.code if coding is not None else None
    bare = not source.label or (source.label == code and finding.role != "undecided")
    named = finding.label if bare else source.label
    parts = [capital(escape(named, FACT_LIMIT))]
    if finding.role in _NAMED and finding.label.casefold().startswith(named.casefold()):
        parts = []
    if code and len(code) <= CODE_LIMIT and finding.role in {"genetic", "suspected"}:
        system = name_of(coding.system or "") if coding is not None else ""
        parts = [f"{' '.join(parts)} ({escape(f'{system} {code}')})".strip()]
    if source.date is not None:
        parts.append(escape(str(source.date)))
    if source.status:
        parts.append(escape(source.status, FACT_LIMIT))
    if source.recorder and finding.role in {"genetic", "suspected"}:
        parts.append(f"recorded by {escape(source.recorder, FACT_LIMIT)}")
    return ", ".join(parts)


# --- avoid and check ---


def _against(guidance: Guidance, knowledge: Knowledge, prose: Prose) -> Iterator[str]:
    """Why an option, or a drug of it, is not offered; what is in conflict comes first, then whole
    options."""
    for reason in guidance.conflicts:
        yield _led(_speaks_of(reason, knowledge), reason, prose) or sentence(reason, prose)
    conflicts = {reason.rule for reason in guidance.conflicts}
    for verdict in guidance.options:
        if verdict.standing is EXCLUDED and not verdict.dropped:
            option = knowledge.options[verdict.option]
            for reason in _excluding(verdict.reasons):
                if reason.rule not in conflicts:
                    yield _against_one(option.short or option.label, reason, prose)
    for verdict in guidance.options:
        for regimen, reasons in verdict.dropped:
            label = _passed_over(regimen, verdict, knowledge)
            for reason in _excluding(reasons):
                if reason.rule not in conflicts and not _is_shortened(
                    regimen, verdict, reason, knowledge
                ):
                    yield _against_one(label, reason, prose)


def _against_one(label: str, reason: Reason, prose: Prose) -> str:
    """A reason, led by what it speaks against unless it says so itself."""
    if led := _led(label, reason, prose):
        return led
    told = sentence(reason, prose)
    drug = label.partition(" ")[0]
    return told if drug.casefold() in told.casefold() else f"{prose.escape(capital(label))}: {told}"


def _led(label: str, reason: Reason, prose: Prose) -> str | None:
    """A reason that begins with what the patient takes, or with an operation, begins with the drug
    that it speaks against: "Avoid: Warfarin" would be read as a word against warfarin."""
    kinds = {source.reference.partition("/")[0] for source in reason.sources}
    first = reason.sources[0].label if reason.sources else ""
    begins = bool(first) and reason.text.casefold().startswith(first.casefold())
    if not begins or kinds <= _STATES:
        return None
    told = prose.escape(reason.text, REASON_LIMIT)
    return f"{prose.escape(capital(label))}{': ' if label == _AGAIN else ' with '}{told}"


def _speaks_of(reason: Reason, knowledge: Knowledge) -> str:
    """The option, or the drug, that a reason speaks against."""
    target = knowledge.exclusions[reason.rule].applies_to[0]
    option, regimen = knowledge.options.get(target), knowledge.regimens.get(target)
    return (option.short or option.label) if option else regimen.drug if regimen else target


def _passed_over(regimen: str, verdict: OptionVerdict, knowledge: Knowledge) -> str:
    """The drug; the whole course where the same drug is offered for other days."""
    rule = knowledge.regimens[regimen]
    chosen = knowledge.regimens[verdict.regimen] if verdict.regimen else None
    return course_words(rule) if chosen is not None and chosen.drug == rule.drug else rule.drug


def _is_shortened(
    regimen: str, verdict: OptionVerdict, reason: Reason, knowledge: Knowledge
) -> bool:
    """Whether the same drug is offered for fewer days, and a check says so of the same facts."""
    chosen = knowledge.regimens[verdict.regimen] if verdict.regimen else None
    same = chosen is not None and chosen.drug == knowledge.regimens[regimen].drug
    return same and any(one.sources == reason.sources for one in verdict.reasons)


def _excluding(reasons: Iterable[Reason]) -> Iterator[Reason]:
    return (reason for reason in reasons if reason.effect is Effect.EXCLUDE)
