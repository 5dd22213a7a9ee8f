"""The compact trace in `extension`: why a card says what it says, for machines.

It holds ids of the knowledge, states, and of the chart nothing but references, codes and dates.
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
    aside, days, spoken = assessment.set_aside, assessment.days, assessment.spoken
    unread = assessment.not_understood
    return _filled(
        knowledge=assessment.knowledge_version,
        today=_said(days.earliest, days.latest) if days else None,
        zone=days.said if days else None,
        inputs={report.name: report.state for report in assessment.looked_at},
        signals={r.name: r.signal for r in assessment.inputs if r.signal is not None},
        record=_record(assessment) if assessment.record or assessment.replaced_by else None,
        lists=_lists(assessment),
        why=None if spoken else why_silent(assessment),
        selections=STRAY if assessment.any_draft else None,
        silent=[_silence(guidance) for guidance in assessment.guidances if not guidance.card],
        findings=list(map(_rule, untold(assessment, spoken))) if assessment.findings else None,
        absent=assessment.absent,
        notKnown=assessment.not_known,
        setAside=[_fact(one.source, clean(one.why)) for one in aside[:FACTS_SHOWN]],
        moreSetAside=_rest(aside),
        notUnderstood=not_understood.of_answer(unread) if unread else None,
        foreign=assessment.foreign,
        skipped=assessment.skipped,
        unassessable=assessment.unassessable,
    )


@lru_cache(maxsize=8)
def _said(earliest: date, latest: date) -> str:
    return str(Days(earliest, latest))


def _record(assessment: Assessment) -> Json:
    return _filled(signal=assessment.record, replacedBy=assessment.replaced_by)


def _lists(assessment: Assessment) -> dict[str, dict[str, str]]:
    """The lists of which an input is made, each with what became of it."""
    if not assessment.guidances:
        return {}
    return {report.name: dict(report.lists) for report in assessment.inputs if report.lists}


def untold(assessment: Assessment, guidances: Iterable[Guidance]) -> list[Finding]:
    """Findings that none of these tells."""
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
        wouldChange=would_change(guidance),
        knowledge=assessment.knowledge_version,
    )


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
        reasons = own_reasons(verdict)
        against = [name(r.rule) for r in reasons if r.effect is _EXCLUDE]
        if against:
            also = " and ".join(dict.fromkeys(against))
            said.append(f"{name(verdict.option)} opens without {also}")
        elif open_ := [name(reason.rule) for reason in reasons if reason.unknown]:
            said.append(f"{name(verdict.option)} depends on {', '.join(dict.fromkeys(open_))}")
    return list(dict.fromkeys(said))[:FACTS_SHOWN]


def _filled(**members: Any) -> Json:
    """The members that say something: null and empty ones never leave the service (JS-03)."""
    return {name: value for name, value in members.items() if value}


def _silence(guidance: Guidance) -> Json:
    return _filled(
        **_decision(guidance),
        because=guidance.silent_because,
        wouldChange=would_change(guidance),
        findings=[_rule(finding) for finding in guidance.findings],
    )


def _decision(guidance: Guidance) -> Json:
    return {
        "row": guidance.row,
        "tier": guidance.tier,
        "orders": [_order(order) for order in guidance.orders],
    }


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
