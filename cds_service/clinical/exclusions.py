"""Reasons against an option or a regimen for one chart and order."""

from __future__ import annotations

from collections import defaultdict

from cds_service.clinical.assessment import Effect, Reason
from cds_service.clinical.evaluate import OrderView
from cds_service.clinical.logic import Answer, Outcome
from cds_service.clinical.rule_index import exclusions
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Exclusion

_ORDER = (Effect.EXCLUDE, Effect.NO_DRAFT, Effect.CONDITION, Effect.REFERRAL)


def _reason(rule: Exclusion, outcome: Outcome, view: OrderView) -> Reason:
    fact = "; ".join(outcome.words[:4]) or rule.label
    more = len(outcome.words) - 4
    if more > 0:
        fact += f" and {more} more"
    text = rule.text.format_map(defaultdict(str, fact=fact, age=view.facts.age))
    if outcome.answer is not Answer.UNKNOWN:
        return Reason(rule.id, Effect(rule.effect), text, outcome.sources, rule.evidence)
    asks = (rule.ask or "") if outcome.undated else ""
    if rule.when.age is not None:
        text = f"{fact}: the birth date is inexact; may be {rule.label}."
    else:
        text = f"{fact}: {asks or _doubt(outcome, rule)}"
    return Reason(rule.id, Effect.CONDITION, text, outcome.sources, rule.evidence, True, asks)


def _doubt(outcome: Outcome, rule: Exclusion) -> str:
    if outcome.stale or outcome.undated:
        return f"{'check again' if outcome.stale else 'find out when'} ({rule.label})."
    return f"too inexact, may be {rule.label}; check."


def reasons_for(
    target: str,
    view: OrderView,
    knowledge: Knowledge,
    *,
    ordered: bool,
    days: float | None = None,
) -> tuple[Reason, ...]:
    """Reasons against an option or a regimen (`target` is its id), the gravest first. `ordered`:
    against a course that is ordered already, of `days`, and not against one that is offered.

    A rule that cannot be answered gives a reason only where there is a result to show; what was
    not read at all is told once by `not_assessed`.
    """
    found: list[Reason] = []
    checked = knowledge.once(_checked)
    for rule in view.facts.once(f"against {target}", lambda: _against(target, view, knowledge)):
        if rule.ordered_only if not ordered else rule.own_course_only:
            continue
        if rule.above_days is not None and not (days and days > rule.above_days):
            continue
        outcome = view.ask(rule.when)
        if outcome.stale in checked:
            continue
        if outcome.answer is Answer.YES or (outcome.answer is Answer.UNKNOWN and outcome.sources):
            found.append(_reason(rule, outcome, view))
    found.sort(key=lambda r: _ORDER.index(r.effect))
    return _without_repeats(found)


def _against(target: str, view: OrderView, knowledge: Knowledge) -> list[Exclusion]:
    """The rules against a target that this chart can meet."""
    rules = knowledge.once(exclusions).get(target)
    return rules.among(view.facts.present) if rules else []


def _checked(knowledge: Knowledge) -> frozenset[str]:
    """Quantities of which an old result is told by their unknown check already."""
    checks = knowledge.unknown_checks
    return frozenset(
        check.quantity
        for check in checks
        if check.quantity and not (check.unread or check.unidentified)
    )


def _without_repeats(found: list[Reason]) -> tuple[Reason, ...]:
    """Drop a reason whose every source an earlier one has named: one that excludes or leaves it to
    the clinician, or one as open."""
    kept: list[Reason] = []
    excluded: set[str] = set()
    decided: set[str] = set()
    unclear: set[str] = set()
    for reason in found:
        references = {s.reference for s in reason.sources if "/" in s.reference}
        # What the clinician decides anyway may still be excluded: its question stays.
        named = excluded | (unclear if reason.unknown else decided)
        if references and references <= named:
            continue
        kept.append(reason)
        if reason.effect is Effect.EXCLUDE:
            excluded |= references
        elif reason.effect is Effect.NO_DRAFT:
            decided |= references
        elif reason.unknown:
            unclear |= references
    return tuple(kept)
