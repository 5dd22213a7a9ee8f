"""Writes the detail of a card: found, advised, avoid, check first, excluded, not assessed, limits.

Everything that comes from a chart passes `markdown.escape`; so does the prose of the knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cds_service.assessment import (
    Effect,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Standing,
)
from cds_service.chart import Source
from cds_service.markdown import escape, fill, link, section

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText, Evidence

SOURCES_SHOWN = 3
"""Facts named for one finding; more are counted. A record can hold one fact many times."""
CITATIONS_SHOWN = 6

_SYSTEMS = {
    "http://snomed.info/sct": "SNOMED CT",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://id.who.int/icd/release/11/mms": "ICD-11",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://www.whocc.no/atc": "ATC",
    "http://loinc.org": "LOINC",
    "https://fhir.hl7.org.uk/Id/opcs-4": "OPCS-4",
    "http://www.orpha.net": "Orphanet",
    "http://www.omim.org": "OMIM",
}
_ROLES_SHOWN = ("genetic", "suspected", "mention", "family", "prophylaxis", "factor", "modifier")


def render(guidance: Guidance, text: CardText, knowledge: Knowledge) -> str:
    """The detail of one card as GitHub Flavored Markdown without HTML, tables or images."""
    values = dict(guidance.params)
    blocks = (
        section("Found", _found(guidance)),
        section("Advised", _advised(guidance, text, values, knowledge)),
        section("Avoid", map(escape, text.avoid)),
        section("Conflict", map(_reason, guidance.conflicts)),
        section("Check first", _check_first(guidance, knowledge)),
        section("Excluded", _excluded(guidance, knowledge)),
        section("Not assessed", (escape(n.text, len(n.text)) for n in guidance.not_assessed)),
        section("Limits", (" ".join(_limits(guidance, knowledge)),)),
        section("Sources", _sources(guidance, text, knowledge)),
    )
    return "\n\n".join(block for block in blocks if block)


# --- found ---


def _found(guidance: Guidance) -> Iterator[str]:
    shown = [finding for finding in guidance.findings if finding.role in _ROLES_SHOWN]
    for finding in sorted(shown, key=lambda finding: _ROLES_SHOWN.index(finding.role)):
        yield _finding(finding)


def _finding(finding: Finding) -> str:
    sources = list(dict.fromkeys(map(_source, finding.sources)))
    shown = sources[:SOURCES_SHOWN]
    if len(sources) > SOURCES_SHOWN:
        shown.append(f"and {len(sources) - SOURCES_SHOWN} more")
    label = escape(_capital(finding.label))
    line = f"{label}: {'; '.join(shown)}" if shown else label
    return f"{line} ({escape(finding.note)})" if finding.note else line


def _source(source: Source) -> str:
    parts = [_named(source)]
    if source.date is not None:
        parts.append(escape(str(source.date)))
    parts.append(escape(source.reference))
    if source.status:
        parts.append(escape(source.status))
    if source.recorder:
        parts.append(f"recorded by {escape(source.recorder)}")
    return ", ".join(parts)


def _named(source: Source) -> str:
    coding = source.coding
    if coding is None or coding.code is None:
        return escape(source.label)
    system = _SYSTEMS.get(coding.system or "", "")
    return f"{escape(source.label)} ({escape(f'{system} {coding.code}')})"


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]


# --- advised, checks, exclusions ---


def _advised(
    guidance: Guidance, text: CardText, values: Mapping[str, str], knowledge: Knowledge
) -> Iterator[str]:
    for paragraph in text.advice:
        yield fill(paragraph, values)
    for verdict in offered(guidance):
        yield escape(f"{_title(verdict, knowledge)}: {_course(verdict, knowledge)}", 400)


def offered(guidance: Guidance) -> Iterator[OptionVerdict]:
    """The options that a clinician may choose, with or without a condition."""
    return (v for v in guidance.options if v.standing is not Standing.EXCLUDED)


def _title(verdict: OptionVerdict, knowledge: Knowledge) -> str:
    return _capital(knowledge.options[verdict.option].label)


def _course(verdict: OptionVerdict, knowledge: Knowledge) -> str:
    advice = knowledge.options[verdict.option].advice
    if verdict.regimen is None:
        return f"{advice}."
    named = [knowledge.regimens[verdict.regimen].label]
    named += [knowledge.regimens[other].label for other in verdict.alternatives]
    return f"{advice}. {' or '.join(named)}."


def _check_first(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    said = {n.text for n in guidance.not_assessed}
    for verdict in offered(guidance):
        for reason in verdict.reasons:
            if reason.text not in said:
                said.add(reason.text)
                yield f"{escape(_title(verdict, knowledge))}: {_reason(reason)}"


def _excluded(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    for verdict in guidance.options:
        if verdict.standing is Standing.EXCLUDED and not verdict.dropped:
            for reason in _excluding(verdict.reasons):
                yield f"{escape(_title(verdict, knowledge))}: {_reason(reason)}"
        for regimen, reasons in verdict.dropped:
            for reason in _excluding(reasons):
                yield f"{escape(knowledge.regimens[regimen].label)}: {_reason(reason)}"


def _excluding(reasons: Iterable[Reason]) -> Iterator[Reason]:
    return (reason for reason in reasons if reason.effect is Effect.EXCLUDE)


def _reason(reason: Reason) -> str:
    references = ", ".join(dict.fromkeys(source.reference for source in reason.sources))
    return escape(f"{reason.text} ({references})" if references else reason.text, 600)


# --- limits and sources ---


def _limits(guidance: Guidance, knowledge: Knowledge) -> Iterator[str]:
    yield escape(knowledge.meta.limits[0])
    for verdict in offered(guidance):
        if verdict.regimen is not None:
            yield escape(knowledge.regimens[verdict.regimen].off_label)
    yield escape(f"Knowledge {knowledge.version}.")


def evidence_ids(guidance: Guidance, text: CardText) -> list[str]:
    """What a card rests on, most telling first: its advice, then factors, then exclusions."""
    ids = list(text.evidence)
    for finding in guidance.findings:
        if finding.role != "non-factor":
            ids += finding.evidence[:1]
    for verdict in guidance.options:
        for reason in verdict.reasons:
            ids += reason.evidence[:1]
    return list(dict.fromkeys(ids))


def _sources(guidance: Guidance, text: CardText, knowledge: Knowledge) -> Iterator[str]:
    for id_ in evidence_ids(guidance, text)[:CITATIONS_SHOWN]:
        yield citation(knowledge.evidence[id_])


def citation(evidence: Evidence) -> str:
    """A source as Markdown: what it is, and its PMID or DOI as a link."""
    text = escape(evidence.citation, 300)
    if evidence.pmid:
        url = f"https://pubmed.ncbi.nlm.nih.gov/{evidence.pmid}/"
        return f"{text} {link(f'PMID {evidence.pmid}', url)}"
    if evidence.doi:
        return f"{text} {link(f'doi {evidence.doi}', f'https://doi.org/{evidence.doi}')}"
    return text
