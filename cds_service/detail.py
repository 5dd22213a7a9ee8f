"""Writes the detail of a card: found, advised, avoid, check first, excluded, not assessed, limits.

Everything that comes from a chart passes `markdown.escape`; so does the prose of the knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cds_service import codes
from cds_service.assessment import (
    Effect,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Standing,
    Tier,
)
from cds_service.chart import DraftOrder, Source
from cds_service.markdown import escape, fill, link, section

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText, Evidence

SOURCES_SHOWN = 3
"""Facts named for one finding; more are counted. A record can hold one fact many times."""
CITATIONS_SHOWN = 6
CITATION_LIMIT = 300
CHOICE_LIMIT = 400
REASON_LIMIT = 600
REFERENCE_LIMIT = 256  # ids of 194 characters have been seen

_SYSTEMS = {
    codes.SNOMED: "SNOMED CT",
    codes.ICD10CM: "ICD-10-CM",
    codes.ICD10: "ICD-10",
    codes.ICD9CM: "ICD-9-CM",
    codes.PCS: "ICD-10-PCS",
    codes.CPT: "CPT",
    codes.RXNORM: "RxNorm",
    codes.ATC: "ATC",
    codes.LOINC: "LOINC",
    codes.OPCS4: "OPCS-4",
    codes.ORPHA: "Orphanet",
    codes.OMIM: "OMIM",
    "http://id.who.int/icd/release/11/mms": "ICD-11",
}
_SHORT_NAMES = {codes.normal_system(uri): name for uri, name in _SYSTEMS.items()} | {
    codes.normal_system(alias): _SYSTEMS[uri]
    for alias, uri in codes.ALIASES.items()
    if uri in _SYSTEMS
}
_ROLES_SHOWN = ("genetic", "suspected", "mention", "family", "prophylaxis", "factor", "modifier")
# A disease that is only suspected, hinted at, or a relative's must not read as the patient's own.
_ROLE_WORDS = {
    "suspected": "suspected ",
    "mention": "question of ",
    "family": "family history of ",
    "prophylaxis": "already ordered: ",
}


def render(guidance: Guidance, text: CardText, knowledge: Knowledge) -> str:
    """The detail of one card as GitHub Flavored Markdown without HTML, tables or images."""
    values = dict(guidance.params)
    blocks = (
        section("Found", _found(guidance)),
        section("Order", map(_order, guidance.orders)),
        section("Advised", _advised(guidance, text, values, knowledge)),
        section("Avoid", map(escape, text.avoid)),
        section("Conflict", map(_reason, guidance.conflicts)),
        section("Check first", _check_first(guidance, knowledge), inline=False),
        section("Excluded", _excluded(guidance, knowledge), inline=False),
        section("Not assessed", (escape(n.text, len(n.text)) for n in guidance.not_assessed)),
        section("Limits", (" ".join(_limits(guidance, knowledge)),)),
        section("Sources", _sources(guidance, text, knowledge)),
    )
    return "\n\n".join(block for block in blocks if block)


# --- order and found ---


def _order(order: DraftOrder) -> str:
    """The order as the EHR names it, so that a card can be told from its neighbour's."""
    named = escape(order.label)
    return f"{named} ({escape(order.reference, REFERENCE_LIMIT)})" if order.reference else named


def _found(guidance: Guidance) -> Iterator[str]:
    shown = [finding for finding in guidance.findings if finding.role in _ROLES_SHOWN]
    for finding in sorted(shown, key=lambda finding: _ROLES_SHOWN.index(finding.role)):
        yield _finding(finding)


def _finding(finding: Finding) -> str:
    facts = list(dict.fromkeys(_fact(source, finding.label) for source in finding.sources))
    shown = facts[:SOURCES_SHOWN]
    if len(facts) > SOURCES_SHOWN:
        shown.append(f"and {len(facts) - SOURCES_SHOWN} more")
    label = escape(_capital(_ROLE_WORDS.get(finding.role, "") + finding.label))
    line = f"{label}: {'; '.join(shown)}" if shown else label
    return f"{line} ({escape(finding.note)})" if finding.note else line


def _fact(source: Source, told: str) -> str:
    parts = [_named(source, told)]
    if source.date is not None:
        parts.append(escape(str(source.date)))
    parts.append(escape(source.reference, REFERENCE_LIMIT))
    if source.status:
        parts.append(escape(source.status))
    if source.recorder:
        parts.append(f"recorded by {escape(source.recorder)}")
    return ", ".join(part for part in parts if part)


def system_name(system: str) -> str:
    """What people call a code system, blank when it has no name here."""
    return _SHORT_NAMES.get(codes.normal_system(system), "")


def _named(source: Source, told: str) -> str:
    """Label and code of a fact; the label is left out where `told` has just said the same."""
    label = "" if source.label.casefold() in told.casefold() else escape(source.label)
    coding = source.coding
    if coding is None or coding.code is None:
        return label
    code = escape(f"{system_name(coding.system or '')} {coding.code}")
    return f"{label} ({code})" if label else code


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]


# --- advised, checks, exclusions ---


def _advised(
    guidance: Guidance, text: CardText, values: Mapping[str, str], knowledge: Knowledge
) -> Iterator[str]:
    for paragraph in text.advice:
        yield fill(paragraph, values)
    open_ = [_choice(verdict, knowledge) for verdict in offered(guidance)]
    if open_:
        only = " only" if len(guidance.options) > len(open_) else ""
        yield escape(f"Open for this patient: {' or '.join(open_)}{only}.", CHOICE_LIMIT)


def offered(guidance: Guidance) -> Iterator[OptionVerdict]:
    """The options that a clinician may choose, with or without a condition."""
    return (v for v in guidance.options if v.standing is not Standing.EXCLUDED)


def _choice(verdict: OptionVerdict, knowledge: Knowledge) -> str:
    """An option as part of a sentence, with the course that is drafted and what else is left."""
    label = knowledge.options[verdict.option].label
    if verdict.regimen is None:
        return label
    courses = (verdict.regimen, *verdict.alternatives)
    named = (_lower(knowledge.regimens[id_].label) for id_ in courses)
    return f"{label} ({' or '.join(named)})"


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


def _check_first(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    said = {n.text for n in guidance.not_assessed}
    for verdict in offered(guidance):
        label = knowledge.options[verdict.option].label
        for reason in verdict.reasons:
            if reason.text not in said:
                said.add(reason.text)
                yield _labelled(label, reason)


def _excluded(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    for verdict in guidance.options:
        if verdict.standing is Standing.EXCLUDED and not verdict.dropped:
            label = knowledge.options[verdict.option].label
            yield from (_labelled(label, reason) for reason in _excluding(verdict.reasons))
        for regimen, reasons in verdict.dropped:
            label = knowledge.regimens[regimen].drug
            yield from (_labelled(label, reason) for reason in _excluding(reasons))


def _excluding(reasons: Iterable[Reason]) -> Iterator[Reason]:
    return (reason for reason in reasons if reason.effect is Effect.EXCLUDE)


def _labelled(label: str, reason: Reason) -> str:
    return f"**{escape(_capital(label))}:** {_reason(reason)}"


def _reason(reason: Reason) -> str:
    references = ", ".join(dict.fromkeys(source.reference for source in reason.sources))
    text = f"{reason.text.rstrip('.')} ({references})." if references else reason.text
    return escape(text, REASON_LIMIT)


# --- limits and sources ---


def _limits(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    tiering, coded = knowledge.meta.limits[:1], knowledge.meta.limits[1:2]
    yield from map(escape, coded if guidance.tier is Tier.NONE else tiering + coded)
    for verdict in offered(guidance):
        if verdict.regimen is not None:
            yield escape(knowledge.regimens[verdict.regimen].off_label)
    yield escape(f"Knowledge {knowledge.version}.")


def evidence_ids(guidance: Guidance, text: CardText) -> list[str]:
    """What a card rests on, most telling first: its advice, then factors, then exclusions."""
    ids = list(text.evidence)
    for finding in guidance.findings:
        if finding.role not in {"modifier", "non-factor"}:
            ids += finding.evidence[:1]
    for verdict in guidance.options:
        for reason in verdict.reasons:
            ids += reason.evidence[:1]
    return list(dict.fromkeys(ids))


def _sources(guidance: Guidance, text: CardText, knowledge: Knowledge) -> Iterator[str]:
    for id_ in evidence_ids(guidance, text)[:CITATIONS_SHOWN]:
        yield citation(knowledge.evidence[id_])


def citation(evidence: Evidence) -> str:
    """A source as Markdown: what it is, and its PMID or DOI as a link.

    Other addresses are left to the evidence page: clients drop links to hosts they do not know.
    """
    text = escape(evidence.citation, CITATION_LIMIT)
    if evidence.pmid:
        url = f"https://pubmed.ncbi.nlm.nih.gov/{evidence.pmid}/"
        text = f"{text} {link(f'PMID {evidence.pmid}', url)}"
    elif evidence.doi:
        text = f"{text} {link('DOI', f'https://doi.org/{evidence.doi}')}"
    return text if evidence.verified else f"{text} (not read in the original)"
