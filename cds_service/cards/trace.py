"""The compact trace in `extension`: why a card says what it says, for machines.

It holds ids of the knowledge, states, and of the chart nothing but references, codes and dates.
What says nothing is left out: null and empty members never leave the service (JS-03).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from datetime import date
from functools import lru_cache
from typing import Any

from cds_service.cards import not_understood
from cds_service.cards.markdown import clean
from cds_service.cards.silence import why_silent
from cds_service.clinical.assessment import (
    Assessment,
    Effect,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Standing,
    Tier,
)
from cds_service.clinical.chart import DraftOrder, Provenance
from cds_service.clinical.days import Days
from cds_service.knowledge.namespaces import EXTENSION

NAME = EXTENSION
"""Member of `extension` that holds the trace (EX-02: globally unique)."""

REFERENCE_LIMIT = 256  # ids of 194 characters have been seen
FACTS_SHOWN = 20
"""Facts listed for one rule; more are counted, so that no record makes an answer grow."""

Json = dict[str, Any]

STRAY = "none of the drafts of this patient is selected, so all of them were looked at"

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


def of_response(assessment: Assessment) -> Json:
    """What was read, what no card tells, and why nothing is said where nothing is said."""
    told, spoken = _read(assessment), assessment.spoken
    if not spoken and (why := why_silent(assessment)):
        told["why"] = why
    if assessment.any_draft:
        told["selections"] = STRAY
    if silent := [_silence(guidance) for guidance in assessment.guidances if not guidance.card]:
        told["silent"] = silent
    if findings := [_rule(finding) for finding in untold(assessment, spoken)]:
        told["findings"] = findings
    if assessment.absent:
        told["absent"] = assessment.absent
    if assessment.not_known:
        told["notKnown"] = assessment.not_known
    return told | _left_out(assessment)


def _read(assessment: Assessment) -> Json:
    """What was read, and on which day."""
    told: Json = {"knowledge": assessment.knowledge_version}
    if days := assessment.days:
        told["today"], told["zone"] = _said(days.earliest, days.latest), days.said
    if inputs := {report.name: report.state for report in assessment.looked_at}:
        told["inputs"] = inputs
    if signals := {r.name: r.signal for r in assessment.inputs if r.signal is not None}:
        told["signals"] = signals
    if assessment.record or assessment.replaced_by:
        record = {"signal": assessment.record, "replacedBy": assessment.replaced_by}
        told["record"] = {name: value for name, value in record.items() if value}
    if lists := _lists(assessment):
        told["lists"] = lists
    return told


def _left_out(assessment: Assessment) -> Json:
    """What was not used, or could not be: seldom anything."""
    told: Json = {}
    if aside := assessment.set_aside:
        told["setAside"] = [_fact(one.source, clean(one.why)) for one in aside[:FACTS_SHOWN]]
        if more := _rest(aside):
            told["moreSetAside"] = more
    if assessment.not_understood:
        told["notUnderstood"] = not_understood.of_answer(assessment.not_understood)
    if assessment.foreign:
        told["foreign"] = assessment.foreign
    if assessment.skipped:
        told["skipped"] = assessment.skipped
    if assessment.unassessable:
        told["unassessable"] = assessment.unassessable
    return told


@lru_cache(maxsize=8)
def _said(earliest: date, latest: date) -> str:
    return str(Days(earliest, latest))


def _lists(assessment: Assessment) -> dict[str, dict[str, str]]:
    """The lists of which an input is made, each with what became of it."""
    if not assessment.guidances:
        return {}
    return {report.name: dict(report.lists) for report in assessment.inputs if report.lists}


def untold(assessment: Assessment, guidances: Iterable[Guidance]) -> list[Finding]:
    """Findings that none of these tells."""
    if not assessment.findings:
        return []
    told = {(finding.role, finding.rule) for g in guidances for finding in g.findings}
    return [f for f in assessment.findings if (f.role, f.rule) not in told]


def of_card(guidance: Guidance, assessment: Assessment) -> Json:
    """What one card rests on."""
    told: Json = {"card": guidance.card, **_decision(guidance)}
    if guidance.findings:
        told["findings"] = [_rule(finding) for finding in guidance.findings]
    if guidance.options:
        told["options"] = [_option(verdict) for verdict in guidance.options]
    if guidance.conflicts:
        told["conflicts"] = [_why(reason) for reason in guidance.conflicts]
    if lacking := [{"input": n.input, "state": n.state} for n in guidance.not_assessed]:
        told["notAssessed"] = lacking
    if change := would_change(guidance):
        told["wouldChange"] = change
    told["knowledge"] = assessment.knowledge_version
    return told


_EXCLUDE = Effect.EXCLUDE  # looking up a member of an enumeration takes long
_HELD = frozenset({"genetic", "suspected", "factor", "prophylaxis"})
_OPEN = frozenset({"undecided", "unconfirmed", "mention"})
_ROWS_OF_TIER = frozenset({"9", "10", "12"})
_TIER_CHANGES = {
    Tier.NONE: "one moderate factor gives a card (info), one high or two moderate ones a warning",
    Tier.MODERATE: "one more moderate factor, or a high one, makes the risk high",
}


def would_change(guidance: Guidance, name: Callable[[str], str] = str) -> list[str]:
    """What would change this answer, in ids of the knowledge or in the names of their rules."""
    said = []
    for finding in guidance.findings:
        if finding.role in _HELD:
            said.append(f"{name(finding.rule)} not holding")
        elif finding.role in _OPEN:
            said.append(f"{name(finding.rule)} confirmed")
    if guidance.row in _ROWS_OF_TIER and guidance.tier in _TIER_CHANGES:
        said.append(_TIER_CHANGES[guidance.tier])
    for verdict in guidance.options:
        if not (reasons := own_reasons(verdict)):
            continue
        against = [name(r.rule) for r in reasons if r.effect is _EXCLUDE]
        if against:
            also = " and ".join(dict.fromkeys(against))
            said.append(f"{name(verdict.option)} opens without {also}")
        elif open_ := [name(reason.rule) for reason in reasons if reason.unknown]:
            said.append(f"{name(verdict.option)} depends on {', '.join(dict.fromkeys(open_))}")
    return list(dict.fromkeys(said))[:FACTS_SHOWN]


def _silence(guidance: Guidance) -> Json:
    told = _decision(guidance)
    if guidance.silent_because:
        told["because"] = guidance.silent_because
    if change := would_change(guidance):
        told["wouldChange"] = change
    if guidance.findings:
        told["findings"] = [_rule(finding) for finding in guidance.findings]
    return told


def _decision(guidance: Guidance) -> Json:
    told: Json = {"row": guidance.row, "tier": guidance.tier}
    if guidance.orders:
        told["orders"] = [_order(order) for order in guidance.orders]
    return told


def _order(order: DraftOrder) -> str:
    return clean(order.reference or f"{order.resource_type}#{order.index}", REFERENCE_LIMIT)


def _rule(finding: Finding) -> Json:
    told: Json = {"rule": finding.rule, "role": finding.role}
    if finding.note == "contested":
        told["contested"] = True
    return _based(told, finding.sources, finding.evidence)


def _option(verdict: OptionVerdict) -> Json:
    told: Json = {"option": verdict.option, "standing": verdict.standing}
    if verdict.regimen:
        told["regimen"] = verdict.regimen
    if reasons := own_reasons(verdict):
        told["reasons"] = [_why(reason) for reason in reasons]
    if verdict.dropped:
        told["dropped"] = {id_: [_why(reason) for reason in why] for id_, why in verdict.dropped}
    return told


def own_reasons(verdict: OptionVerdict) -> tuple[Reason, ...]:
    """Reasons of the option itself; an option without a drug left repeats those of its drugs."""
    repeated = verdict.dropped and verdict.standing is Standing.EXCLUDED
    return () if repeated else verdict.reasons


def _why(reason: Reason) -> Json:
    told: Json = {"rule": reason.rule, "effect": reason.effect}
    if reason.unknown:
        told["unknown"] = True
    return _based(told, reason.sources, reason.evidence)


def _based(told: Json, sources: tuple[Provenance, ...], evidence: tuple[str, ...]) -> Json:
    """What is told, with the facts and the evidence on which it rests."""
    if sources:
        told["facts"] = [_fact(source) for source in sources[:FACTS_SHOWN]]
        if more := _rest(sources):
            told["moreFacts"] = more
    if evidence:
        told["evidence"] = evidence
    return told


def _fact(source: Provenance, why: str | None = None) -> Json:
    told: Json = {}
    if reference := clean(source.reference, REFERENCE_LIMIT):
        told["reference"] = reference
    if (coding := source.coding) is not None:
        told["code"] = clean(f"{coding.system or ''}|{coding.code or ''}")
    if source.date is not None:
        told["date"] = str(source.date)
    if source.status and (statuses := _statuses(source)):
        told["status"] = ", ".join(statuses)
    if why:
        told["why"] = why
    return told


def _statuses(source: Provenance) -> list[str]:
    """Status codes of a fact. Of the words in `status` only codes of FHIR go into the trace."""
    return [word for word in (source.status or "").split(", ") if word in _STATUS_CODES]


def _rest(items: Sized) -> int:
    """How many were left off."""
    return len(items) - FACTS_SHOWN if len(items) > FACTS_SHOWN else 0
