"""Shows why: the compact trace in `extension`, and the readable one of `check --explain`.

The compact trace holds ids of the knowledge, states, and of the chart nothing but references,
codes and dates. The readable trace is for the terminal of someone who may see the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.cards.detail import REASON_LIMIT, REFERENCE_LIMIT
from cds_service.cards.markdown import clean
from cds_service.clinical.assessment import (
    Assessment,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Standing,
    Tier,
)
from cds_service.clinical.chart import Chart, DraftOrder, InputState, Provenance

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

NAME = "org.example.ho-cds"
"""Member of `extension` that holds the trace (EX-02: globally unique)."""

FACTS_SHOWN = 20
"""Facts listed for one rule; more are counted, so that no record makes an answer grow."""

Json = dict[str, Any]

_STRAY = "none of the drafts of this patient is selected, so all of them were looked at"

_STATUS_CODES = frozenset(
    {
        "unconfirmed",
        "provisional",
        "differential",
        "inactive",
        "remission",
        "resolved",
        "recurrence",
        "relapse",
    }
)


# --- compact, for machines ---


def of_response(assessment: Assessment) -> Json:
    """What was read, what no card tells, and why nothing is said where nothing is said."""
    aside = assessment.set_aside
    return _filled(
        knowledge=assessment.knowledge_version,
        inputs=_states(assessment),
        selections=_STRAY if assessment.any_draft else None,
        silent=[_silence(guidance) for guidance in assessment.guidances if not guidance.card],
        findings=[_rule(finding) for finding in _untold(assessment, assessment.spoken)],
        setAside=[_fact(one.source, clean(one.why)) for one in aside[:FACTS_SHOWN]],
        moreSetAside=_rest(aside),
        foreign=assessment.foreign,
        skipped=assessment.skipped,
        unassessable=list(assessment.unassessable),
    )


def _states(assessment: Assessment) -> dict[str, str]:
    """What became of each input. Nothing where no order called for the chart: what was sent and
    not looked at is not absent."""
    reports = assessment.inputs
    if not assessment.guidances and all(r.state is InputState.ABSENT for r in reports):
        return {}
    return {report.name.value: report.state.value for report in reports}


def _untold(assessment: Assessment, guidances: Iterable[Guidance]) -> list[Finding]:
    told = {(finding.role, finding.rule) for g in guidances for finding in g.findings}
    return [f for f in assessment.findings if (f.role, f.rule) not in told]


def of_card(guidance: Guidance, assessment: Assessment) -> Json:
    """What one card rests on."""
    return _filled(
        card=guidance.card,
        **_decision(guidance),
        findings=[_rule(finding) for finding in guidance.findings],
        options=[_option(verdict) for verdict in guidance.options],
        conflicts=[_why(reason) for reason in guidance.conflicts],
        notAssessed=[{"input": n.input, "state": n.state} for n in guidance.not_assessed],
        knowledge=assessment.knowledge_version,
    )


def _filled(**members: Any) -> Json:
    """The members that say something: null and empty ones never leave the service (JS-03)."""
    return {name: value for name, value in members.items() if value}


def _silence(guidance: Guidance) -> Json:
    return _filled(
        **_decision(guidance),
        because=guidance.silent_because,
        findings=[_rule(finding) for finding in guidance.findings],
    )


def _decision(guidance: Guidance) -> Json:
    return {
        "row": guidance.row,
        "tier": guidance.tier.value,
        "orders": [_order(order) for order in guidance.orders],
    }


def _order(order: DraftOrder) -> str:
    return clean(order.reference or f"{order.resource_type}#{order.index}", REFERENCE_LIMIT)


def _rule(finding: Finding) -> Json:
    return _filled(
        rule=finding.rule,
        role=finding.role,
        contested=finding.note == "contested",
        **_facts(finding.sources),
        evidence=finding.evidence,
    )


def _option(verdict: OptionVerdict) -> Json:
    return _filled(
        option=verdict.option,
        standing=verdict.standing.value,
        regimen=verdict.regimen,
        reasons=[_why(reason) for reason in _own_reasons(verdict)],
        dropped={id_: [_why(reason) for reason in why] for id_, why in verdict.dropped},
    )


def _own_reasons(verdict: OptionVerdict) -> tuple[Reason, ...]:
    """Reasons of the option itself; an option without a drug left repeats those of its drugs."""
    repeated = verdict.standing is Standing.EXCLUDED and verdict.dropped
    return () if repeated else verdict.reasons


def _why(reason: Reason) -> Json:
    return _filled(
        rule=reason.rule,
        effect=reason.effect.value,
        unknown=reason.unknown,
        **_facts(reason.sources),
        evidence=reason.evidence,
    )


def _facts(sources: tuple[Provenance, ...]) -> Json:
    if not sources:
        return {}
    facts = [_fact(source) for source in sources[:FACTS_SHOWN]]
    return {"facts": facts, "moreFacts": _rest(sources)}


def _fact(source: Provenance, why: str | None = None) -> Json:
    coding = source.coding
    return _filled(
        reference=clean(source.reference, REFERENCE_LIMIT),
        code=clean(f"{coding.system or ''}|{coding.code or ''}") if coding is not None else None,
        date=str(source.date) if source.date is not None else None,
        status=", ".join(_statuses(source)) if source.status else None,
        why=why,
    )


def _statuses(source: Provenance) -> list[str]:
    """Status codes of a fact. Of the words in `status` only codes of FHIR go into the trace."""
    return [word for word in (source.status or "").split(", ") if word in _STATUS_CODES]


def _rest(items: Sized) -> int:
    """How many were left off."""
    return max(len(items) - FACTS_SHOWN, 0)


# --- readable, for people ---


@dataclass(frozen=True, slots=True)
class Section:
    """A titled block of lines of the readable trace; plain text of one line each."""

    title: str
    lines: tuple[str, ...]


def explain(assessment: Assessment, chart: Chart, knowledge: Knowledge) -> tuple[Section, ...]:
    """Everything that was read, weighed and decided, in the order in which it happened."""
    aside = (f"{_words(a.source)}: {clean(a.why)}" for a in assessment.set_aside)
    also = _untold(assessment, assessment.guidances)
    sections = (
        Section("Read", (*_inputs(assessment), *_unreadable(chart))),
        Section("Set aside", tuple(aside)),
        *(_outcome(guidance, knowledge) for guidance in assessment.guidances),
        Section("Seen, not decisive", tuple(_findings(also))),
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
        yield _STRAY
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
    lines = [f"row {guidance.row}: {said}, tier {guidance.tier.value}"]
    if guidance.silent_because:
        lines.append(f"because {clean(guidance.silent_because)}")
    lines += _findings(guidance.findings)
    for reason in guidance.conflicts:
        lines.append(f"conflict: {_reason(reason, knowledge)}")
    for verdict in guidance.options:
        lines += _verdict(verdict, knowledge)
    lines += (f"not assessed: {clean(n.text, REASON_LIMIT)}" for n in guidance.not_assessed)
    return Section(f"Decided for {orders}", tuple(lines))


def _verdict(verdict: OptionVerdict, knowledge: Knowledge) -> Iterator[str]:
    chosen = f" ({verdict.regimen})" if verdict.regimen else ""
    yield f"option {knowledge.options[verdict.option].label}{chosen}: {verdict.standing.value}"
    for reason in _own_reasons(verdict):
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
