"""The readable trace of `check --explain`: everything read, weighed and decided.

It is for the terminal of someone who may see the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.cards import not_understood
from cds_service.cards.markdown import clean
from cds_service.cards.trace import REFERENCE_LIMIT, STRAY, own_reasons, untold, would_change
from cds_service.clinical.assessment import (
    Assessment,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Tier,
)
from cds_service.clinical.chart import Chart, Provenance

if TYPE_CHECKING:
    from cds_service.knowledge.model import Knowledge


REASON_LIMIT = 600


@dataclass(frozen=True, slots=True)
class Section:
    """A titled block of lines of the readable trace; plain text of one line each."""

    title: str
    lines: tuple[str, ...]


def explain(assessment: Assessment, chart: Chart, knowledge: Knowledge) -> tuple[Section, ...]:
    """Everything that was read, weighed and decided, in the order in which it happened."""
    aside = (f"{_words(a.source)}: {clean(a.why)}" for a in assessment.set_aside)
    also = untold(assessment, assessment.guidances)
    sections = (
        Section("Read", (*_inputs(assessment), *_unreadable(chart))),
        Section("Not understood", not_understood.lines(assessment.not_understood)),
        Section("Set aside", tuple(aside)),
        *(_outcome(guidance, knowledge) for guidance in assessment.guidances),
        Section("Seen, not decisive", tuple(_findings(also))),
        Section("Tested and found absent", tuple(_rules(assessment.absent, knowledge))),
        Section("Could not be decided", tuple(_rules(assessment.not_known, knowledge))),
        Section("Today", tuple(f"{days}, {days.said}" for days in (assessment.days,) if days)),
        Section("Knowledge", (assessment.knowledge_version,)),
    )
    return tuple(section for section in sections if section.lines)


def as_text(sections: Iterable[Section]) -> str:
    """The readable trace as plain text, sections divided by an empty line."""
    return "\n\n".join(
        "\n".join((section.title, *(f"  {line}" for line in section.lines))) for section in sections
    )


def _inputs(assessment: Assessment) -> Iterator[str]:
    for report in assessment.inputs:
        why = f": {clean(report.why)}" if report.why else ""
        yield f"{report.name.value}: {report.state.value}, {report.seen} looked at{why}"
    if assessment.any_draft:
        yield STRAY
    if assessment.foreign:
        yield f"{assessment.foreign} resources of another patient were dropped"
    if assessment.skipped:
        yield f"{assessment.skipped} entries could not be read and were skipped"


def _unreadable(chart: Chart) -> Iterator[str]:
    yield f"FHIR {chart.release}"
    for problem in chart.problems:
        yield f"{clean(problem.place)}: {clean(problem.why)}"


def _findings(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        tier = f", {finding.tier.value}" if finding.tier is not Tier.NONE else ""
        basis = ", ".join((finding.rule, *finding.evidence))
        yield f"{finding.role}{tier}: {clean(finding.label)} [{basis}]"
        for source in finding.sources:
            yield f"  {_words(source)}"
        if finding.note:
            yield f"  {clean(finding.note)}"


def _words(source: Provenance) -> str:
    coding = source.coding
    code = f" {coding.system}|{coding.code}" if coding is not None else ""
    date = f" {source.date}" if source.date is not None else ""
    status = f", {source.status}" if source.status else ""
    reference = clean(source.reference, REFERENCE_LIMIT)
    return clean(f"{clean(source.label)}{code}{date} ({reference}){status}", 600)


def _outcome(guidance: Guidance, knowledge: Knowledge) -> Section:
    orders = ", ".join(clean(order.label) for order in guidance.orders) or "no order"
    said = f"{guidance.indicator} card {guidance.card}" if guidance.card else "silence"
    names = _namer(knowledge)
    lines = [f"row {guidance.row}: {said}, tier {guidance.tier.value}"]
    if guidance.silent_because:
        lines.append(f"because {clean(guidance.silent_because)}")
    lines += _findings(guidance.findings)
    for reason in guidance.conflicts:
        lines.append(f"conflict: {_reason(reason, knowledge)}")
    for verdict in guidance.options:
        lines += _verdict(verdict, knowledge)
    lines += (f"not assessed: {clean(n.text, REASON_LIMIT)}" for n in guidance.not_assessed)
    lines += (
        f"would change it: {line}" for line in would_change(guidance, lambda id_: f"'{names(id_)}'")
    )
    return Section(f"Decided for {orders}", tuple(lines))


def _rules(ids: Iterable[str], knowledge: Knowledge) -> Iterator[str]:
    """Rules by name, with the tier that they would make."""
    names = _namer(knowledge)
    for id_ in ids:
        factor = knowledge.factors.get(id_)
        yield f"{names(id_)}{f', {factor.tier}' if factor else ''} [{id_}]"


def _namer(knowledge: Knowledge) -> Callable[[str], str]:
    """What a person calls a rule or an option; the id where it has no name."""
    kinds = (knowledge.genetic, knowledge.factors, knowledge.exclusions, knowledge.options)
    names = {id_: rule.label for kind in kinds for id_, rule in kind.items()}
    names |= {check.id: check.check or check.id for check in knowledge.unknown_checks}
    for target in (*knowledge.options.values(), *knowledge.regimens.values()):
        names[f"prophylaxis-{target.id}"] = f"{target.label}, ordered"
    return lambda id_: names.get(id_, id_)


def _verdict(verdict: OptionVerdict, knowledge: Knowledge) -> Iterator[str]:
    chosen = f" ({verdict.regimen})" if verdict.regimen else ""
    yield f"option {knowledge.options[verdict.option].label}{chosen}: {verdict.standing.value}"
    for reason in own_reasons(verdict):
        yield f"  {_reason(reason, knowledge)}"
    for regimen, reasons in verdict.dropped:
        for reason in reasons:
            yield f"  not {regimen}: {_reason(reason, knowledge)}"


def _reason(reason: Reason, knowledge: Knowledge) -> str:
    rule = knowledge.exclusions.get(reason.rule)
    basis = (
        reason.rule,
        *reason.evidence,
        *(["clinical convention"] if rule and rule.convention else []),
    )
    return f"{reason.effect.value}: {clean(reason.text, REASON_LIMIT)} [{', '.join(basis)}]"
