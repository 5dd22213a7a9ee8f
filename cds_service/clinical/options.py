"""Which options of prophylaxis are left for this patient, on what conditions, and why."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from cds_service.clinical.assessment import Effect, OptionVerdict, Reason, Standing
from cds_service.clinical.chart import Provenance
from cds_service.clinical.evaluate import OrderView
from cds_service.clinical.exclusions import reasons_for
from cds_service.clinical.in_words import withheld_by_words
from cds_service.clinical.unknown_inputs import not_assessed, withheld
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName

MEDICINES: Final = InputName.MEDICATIONS.value
# `Type/id` without a version (AC-05). An id that could be anything else is not deleted.
DELETABLE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9._-]+")


def verdicts(view: OrderView, knowledge: Knowledge) -> tuple[OptionVerdict, ...]:
    """How each option of the knowledge stands, in the order of the knowledge."""
    unknown = not_assessed(view, knowledge)
    named = withheld_by_words(view, knowledge)
    found = []
    for option in knowledge.options.values():
        if not option.enabled:
            continue
        reasons = _ours(option.id, view, knowledge)
        excluding = tuple(r for r in reasons if r.effect is Effect.EXCLUDE)
        if excluding:
            found.append(OptionVerdict(option.id, Standing.EXCLUDED, reasons=excluding))
            continue
        open_points = tuple(
            Reason(
                check.id,
                Effect.NO_DRAFT
                if option.id in withheld(check, view, knowledge)
                or (option.id in named and check.unidentified and check.input == MEDICINES)
                else Effect.CONDITION,
                said.text,
                unknown=True,
            )
            for said, check in unknown
            if option.id in check.applies_to and not check.is_clause
        )
        found.append(_choose(option.id, option.regimens, (*reasons, *open_points), view, knowledge))
    return tuple(found)


def waiting(options: tuple[OptionVerdict, ...], knowledge: Knowledge) -> dict[str, str]:
    """Words for a card with no option left, of which one is only closed until a test is done.

    Empty when no test would open any.
    """
    lifted_by: dict[str, str] = {}
    ruled_out = [verdict for verdict in options if verdict.standing is Standing.EXCLUDED]
    for verdict in ruled_out:
        lifts = [knowledge.exclusions[reason.rule].until for reason in verdict.reasons]
        if lifts and all(lifts):
            lifted_by[verdict.option] = " and ".join(dict.fromkeys(str(lift) for lift in lifts))
    if not lifted_by:
        return {}
    closed = [
        f"{knowledge.options[verdict.option].label} is ruled out"
        + (f" as long as {lift} is missing" if (lift := lifted_by.get(verdict.option)) else "")
        for verdict in ruled_out
    ]
    said = "; ".join(closed)
    return {"until": next(iter(lifted_by.values())), "closed": said[:1].upper() + said[1:]}


def _other_drugs(left: list[str], knowledge: Knowledge) -> tuple[str, ...]:
    """Regimens beside the chosen one, one for each other drug."""
    drugs = {knowledge.regimens[r].drug: r for r in reversed(left)}
    return tuple(r for r in left[1:] if r in drugs.values() and r != left[0])


def _choose(
    option: str,
    regimens: tuple[str, ...],
    conditions: tuple[Reason, ...],
    view: OrderView,
    knowledge: Knowledge,
) -> OptionVerdict:
    left, dropped = _sorted_out(regimens, view, knowledge)
    if regimens and not left:
        reasons = tuple(r for _, against in dropped for r in against)
        return OptionVerdict(option, Standing.EXCLUDED, reasons=reasons, dropped=tuple(dropped))
    if left:
        conditions = (*conditions, *_ours(left[0], view, knowledge))
    told = tuple(reason for reason in conditions if reason.effect is not Effect.REFERRAL)
    return OptionVerdict(
        option,
        Standing.CONDITIONAL if told else Standing.OFFERED,
        regimen=left[0] if left else None,
        alternatives=_other_drugs(left, knowledge),
        reasons=told,
        dropped=tuple(dropped),
        for_referral=tuple(r for r in conditions if r.effect is Effect.REFERRAL),
        replaces=_given_way(conditions, knowledge),
    )


def _given_way(reasons: tuple[Reason, ...], knowledge: Knowledge) -> tuple[Provenance, ...]:
    """The drafts that the suggestion of an option removes."""
    rules = (knowledge.exclusions.get(reason.rule) for reason in reasons)
    pairs = zip(reasons, rules, strict=True)
    return tuple(s for reason, rule in pairs if rule and rule.replaces for s in reason.sources)


def _ours(target: str, view: OrderView, knowledge: Knowledge) -> tuple[Reason, ...]:
    """The reasons that are about a course which is offered, not one that is ordered already. A
    draft that would give way and cannot be removed leaves the option to the clinician."""
    rules, found = knowledge.exclusions, []
    for reason in reasons_for(target, view, knowledge, ordered=False):
        gives_way = rules[reason.rule].replaces
        kept = gives_way and not all(DELETABLE.fullmatch(s.reference) for s in reason.sources)
        found.append(replace(reason, effect=Effect.NO_DRAFT) if kept else reason)
    return tuple(found)


def _sorted_out(
    regimens: tuple[str, ...], view: OrderView, knowledge: Knowledge
) -> tuple[list[str], list[tuple[str, tuple[Reason, ...]]]]:
    """The regimens that are left, and those that are passed over with the reasons.

    One about which a question is open, or which is the clinician's to decide, is passed over while
    another is left; else the first of them is left alone, and the question becomes a condition.
    """
    fit: list[str] = []
    doubtful: list[str] = []
    decided: list[str] = []
    dropped: list[tuple[str, tuple[Reason, ...]]] = []
    for regimen in regimens:
        if not knowledge.regimens[regimen].enabled:
            continue
        against = _ours(regimen, view, knowledge)
        if any(r.effect is Effect.EXCLUDE for r in against):
            dropped.append((regimen, against))
        elif any(r.effect is Effect.NO_DRAFT for r in against):
            decided.append(regimen)
        elif any(r.unknown for r in against):
            doubtful.append(regimen)
        else:
            fit.append(regimen)
    left = fit or doubtful[:1] or decided[:1]
    for regimen in (*doubtful, *decided):
        if regimen not in left:
            against = _ours(regimen, view, knowledge)
            open_ = tuple(
                replace(r, effect=Effect.EXCLUDE)
                for r in against
                if r.unknown or r.effect is Effect.NO_DRAFT
            )
            dropped.append((regimen, open_))
    return left, dropped
