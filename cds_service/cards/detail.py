"""Writes the detail of a card: found, advised, avoid, check first, excluded, not assessed, limits.

Everything that comes from a chart passes `markdown.escape`; so does the prose of the knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cds_service.cards.markdown import escape, fill, section
from cds_service.cards.prose import Prose, capital
from cds_service.cards.prose import citation as citation
from cds_service.clinical.assessment import (
    Effect,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Standing,
    Tier,
)
from cds_service.clinical.chart import DraftOrder, Provenance
from cds_service.knowledge.code_systems import name_of

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText

SOURCES_SHOWN = 3
"""Facts named for one finding; more are counted. A record can hold one fact many times."""
CITATIONS_SHOWN = 6
CHOICE_LIMIT = 400
REASON_LIMIT = 600
REFERENCE_LIMIT = 256  # ids of 194 characters have been seen

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


def render(guidance: Guidance, text: CardText, knowledge: Knowledge) -> str:
    """The detail of one card as GitHub Flavored Markdown without HTML, tables or images."""
    prose = knowledge.once(Prose)
    unread = (prose.escape(n.text, len(n.text)) for n in guidance.not_assessed)
    blocks = (
        section("Found", _found(guidance, prose)),
        section("Order", map(_order, guidance.orders)),
        section("Advised", _advised(guidance, text, knowledge, prose)),
        prose.cards[text.id].avoid,
        section("Conflict", (_reason(reason, prose) for reason in guidance.conflicts)),
        section("Check first", _check_first(guidance, knowledge, prose), inline=False),
        section("Excluded", _excluded(guidance, knowledge, prose), inline=False),
        section("Not assessed", unread),
        section("Limits", (" ".join(_limits(guidance, prose)),)),
        section("Sources", _sources(guidance, text, prose)),
    )
    return "\n\n".join(block for block in blocks if block)


# --- order and found ---


def _order(order: DraftOrder) -> str:
    """The order as the EHR names it, so that a card can be told from its neighbour's."""
    named = escape(order.label)
    return f"{named} ({escape(order.reference, REFERENCE_LIMIT)})" if order.reference else named


def _found(guidance: Guidance, prose: Prose) -> Iterator[str]:
    shown = [finding for finding in guidance.findings if finding.role in _ROLES_SHOWN]
    for finding in sorted(shown, key=lambda finding: _ROLES_SHOWN.index(finding.role)):
        yield _finding(finding, prose)


def _finding(finding: Finding, prose: Prose) -> str:
    facts = list(dict.fromkeys(_fact(source, finding.label) for source in finding.sources))
    shown = facts[:SOURCES_SHOWN]
    if len(facts) > SOURCES_SHOWN:
        shown.append(f"and {len(facts) - SOURCES_SHOWN} more")
    label = prose.escape(capital(_ROLE_WORDS.get(finding.role, "") + finding.label))
    line = f"{label}: {'; '.join(shown)}" if shown else label
    return f"{line} ({escape(finding.note)})" if finding.note else line


def _fact(source: Provenance, told: str) -> str:
    parts = [_named(source, told)]
    if source.date is not None:
        parts.append(escape(str(source.date)))
    parts.append(escape(source.reference, REFERENCE_LIMIT))
    if source.status:
        parts.append(escape(source.status))
    if source.recorder:
        parts.append(f"recorded by {escape(source.recorder)}")
    return ", ".join(part for part in parts if part)


def _named(source: Provenance, told: str) -> str:
    """Label and code of a fact; the label is left out where `told` has just said the same."""
    label = "" if source.label.casefold() in told.casefold() else escape(source.label)
    coding = source.coding
    if coding is None or coding.code is None:
        return label
    code = escape(f"{name_of(coding.system or '')} {coding.code}")
    return f"{label} ({code})" if label else code


# --- advised, checks, exclusions ---


def _advised(
    guidance: Guidance, text: CardText, knowledge: Knowledge, prose: Prose
) -> Iterator[str]:
    left = list(offered(guidance))
    ready = prose.cards[text.id]
    key = left[0].option if left else "none"
    advice = ready.left.get(key) if guidance.options and len(left) < 2 else None
    yield from _life_first(guidance, knowledge, prose)
    for paragraph, has_names in advice or ready.advice:
        yield fill(paragraph, dict(guidance.params)) if has_names else paragraph
    yield from _also(guidance, text, prose)
    if left:
        left.sort(key=lambda verdict: not verdict.drafted)
        named = " or ".join(_choice(verdict, knowledge) for verdict in left)
        only = " only" if len(guidance.options) > len(left) else ""
        yield escape(f"Open for this patient: {named}{only}.", CHOICE_LIMIT)


def _life_first(guidance: Guidance, knowledge: Knowledge, prose: Prose) -> Iterator[str]:
    """What comes first beside an order that may save a life."""
    if guidance.kept:
        rules = (knowledge.genetic.get(finding.rule) for finding in guidance.findings)
        yield from (prose.escape(r.life_first) for r in rules if r is not None and r.life_first)


def _also(guidance: Guidance, text: CardText, prose: Prose) -> Iterator[str]:
    """The first advice of each other card that this one stands for, each once."""
    told = {paragraph for paragraph, _ in prose.cards[text.id].advice}
    for other in guidance.also:
        paragraph, has_names = prose.cards[other.card].advice[0]
        if paragraph not in told:
            told.add(paragraph)
            yield fill(paragraph, dict(other.params)) if has_names else paragraph


def offered(guidance: Guidance) -> Iterator[OptionVerdict]:
    """The options that a clinician may choose, with or without a condition."""
    return (v for v in guidance.options if v.standing is not Standing.EXCLUDED)


def _choice(verdict: OptionVerdict, knowledge: Knowledge) -> str:
    """An option as part of a sentence, with the course that is drafted and what else is left."""
    label = knowledge.options[verdict.option].label
    if not verdict.drafted:
        return f"{label} as your decision, not drafted"
    if verdict.regimen is None:
        return label
    courses = (verdict.regimen, *verdict.alternatives)
    named = (_lower(knowledge.regimens[id_].label) for id_ in courses)
    return f"{label} ({' or '.join(named)})"


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


def _check_first(guidance: Guidance, knowledge: Knowledge, prose: Prose) -> Iterator[str]:
    said = {n.text for n in guidance.not_assessed}
    for verdict in offered(guidance):
        label = knowledge.options[verdict.option].label
        for reason in verdict.reasons:
            if reason.text not in said:
                said.add(reason.text)
                yield _labelled(label, reason, prose)


def _excluded(guidance: Guidance, knowledge: Knowledge, prose: Prose) -> Iterator[str]:
    conflicts = {reason.rule for reason in guidance.conflicts}  # told already
    for verdict in guidance.options:
        if verdict.standing is Standing.EXCLUDED and not verdict.dropped:
            label = knowledge.options[verdict.option].label
            new = [r for r in _excluding(verdict.reasons) if r.rule not in conflicts]
            yield from (_labelled(label, reason, prose) for reason in new)
        told: set[tuple[str, str]] = set()
        for regimen, reasons in verdict.dropped:
            label = _passed_over(regimen, verdict, knowledge)
            new = [
                r
                for r in _excluding(reasons)
                if r.rule not in conflicts and (label, r.rule) not in told
            ]
            told.update((label, reason.rule) for reason in new)
            yield from (_labelled(label, reason, prose) for reason in new)


def _passed_over(regimen: str, verdict: OptionVerdict, knowledge: Knowledge) -> str:
    """The drug; the whole course where the same drug is offered for other days."""
    rule = knowledge.regimens[regimen]
    chosen = knowledge.regimens[verdict.regimen] if verdict.regimen else None
    return rule.label if chosen is not None and chosen.drug == rule.drug else rule.drug


def _excluding(reasons: Iterable[Reason]) -> Iterator[Reason]:
    return (reason for reason in reasons if reason.effect is Effect.EXCLUDE)


def _labelled(label: str, reason: Reason, prose: Prose) -> str:
    return f"**{prose.escape(capital(label))}:** {_reason(reason, prose)}"


def _reason(reason: Reason, prose: Prose) -> str:
    references = ", ".join(dict.fromkeys(source.reference for source in reason.sources))
    text = f"{reason.text.rstrip('.')} ({references})." if references else reason.text
    return prose.escape(text, REASON_LIMIT)


# --- limits and sources ---


def _limits(guidance: Guidance, prose: Prose) -> Iterator[str]:
    yield from prose.limits[1:2] if guidance.tier is Tier.NONE else prose.limits[:2]
    courses = (c for v in offered(guidance) for c in (v.regimen, *v.alternatives) if c is not None)
    yield from dict.fromkeys(prose.off_label[course] for course in courses)
    yield prose.version


def evidence_ids(guidance: Guidance, text: CardText) -> list[str]:
    """What a card rests on, most telling first: its advice, then factors, then exclusions."""
    ids = list(text.evidence)
    for finding in guidance.findings:
        if finding.role not in {"modifier", "non-factor"}:
            ids += finding.evidence[:1]
    against = (*guidance.conflicts, *(r for verdict in guidance.options for r in verdict.reasons))
    for reason in against:
        ids += reason.evidence[:1]
    return list(dict.fromkeys(ids))


def _sources(guidance: Guidance, text: CardText, prose: Prose) -> Iterator[str]:
    for id_ in evidence_ids(guidance, text)[:CITATIONS_SHOWN]:
        yield prose.citations[id_]
