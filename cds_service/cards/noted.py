"""Keeps what was decided for logs and metrics: tier, rules that fired, cards, states of inputs."""

from __future__ import annotations

from cds_service.clinical.assessment import Assessment, Tier
from cds_service.ops import calls

_SEVERITY = (Tier.NONE, Tier.MODERATE, Tier.HIGH)


def note(assessment: Assessment) -> None:
    """Note it in the log of the current call: ids and states, nothing of the patient."""
    guidances, call = assessment.guidances, calls.current()
    call.knowledge = assessment.knowledge_version
    call.skipped, call.foreign = assessment.skipped, assessment.foreign
    call.tier = str(max((g.tier for g in guidances), key=_SEVERITY.index, default=Tier.NONE))
    call.rules = tuple(sorted({finding.rule for g in guidances for finding in g.findings}))
    call.inputs = tuple((report.name, report.state) for report in assessment.looked_at)
    call.cards = tuple(
        calls.CardShown(g.row, g.card or "", str(g.tier), g.indicator or "")
        for g in assessment.spoken
    )
