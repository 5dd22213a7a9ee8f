"""Makes the suggestions of a card: draft a prophylaxis, remove a draft, refer to an expert."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from cds_service import drafts
from cds_service.assessment import Guidance, OptionVerdict, Standing
from cds_service.chart import DraftOrder, Side
from cds_service.detail import offered
from cds_service.markdown import clean, shorten
from cds_service.wire import Action, Suggestion

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText

LABEL_UNITS = 80
DESCRIPTION_UNITS = 200
RADIOTHERAPY_REFERRAL = "radiation-oncology"
FOP_REFERRAL = "fop-expert"
OTHER_REFERRAL = "bone-genetics"
"""Ids of `referrals` in cards.yaml that this room looks up."""

# `Type/id` without a version (AC-05). An id that could be anything else is not deleted.
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9._-]+")
_SITES = {Side.RIGHT: "Right hip", Side.LEFT: "Left hip", Side.BILATERAL: "Both hips"}


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks and for whom: `Type/id` references; `release` is that of the request."""

    subject: str
    encounter: str | None = None
    requester: str | None = None
    release: str = "R4"


def suggest(
    guidance: Guidance, text: CardText, knowledge: Knowledge, who: Requester
) -> tuple[Suggestion, ...]:
    """The suggestions of one card, in the order in which its text names them."""
    made: list[Suggestion] = []
    for kind in text.suggestions:
        if kind == "options":
            made += (_option(verdict, guidance, knowledge, who) for verdict in offered(guidance))
        elif kind == "remove-draft":
            made += _removals(guidance.orders)
        else:
            made.append(_referral(_expert(guidance, knowledge), guidance, knowledge, who))
    return tuple(made)


def behavior(text: CardText) -> Literal["at-most-one", "any"]:
    """`at-most-one` where the suggestions are alternatives, else `any` (CD-07)."""
    return "at-most-one" if "options" in text.suggestions else "any"


# --- options ---


def _option(
    verdict: OptionVerdict, guidance: Guidance, knowledge: Knowledge, who: Requester
) -> Suggestion:
    condition = _condition(verdict, knowledge)
    if verdict.regimen is None:
        return _referral(RADIOTHERAPY_REFERRAL, guidance, knowledge, who, condition)
    context = _context(guidance, who)
    course = knowledge.regimens[verdict.regimen]
    guard = knowledge.protection.course
    label = f"Draft {_lower(course.label)}, with a proton-pump inhibitor{condition}"
    notes = (course.off_label,)
    return Suggestion(
        label=shorten(label, LABEL_UNITS),
        actions=(
            Action(
                type="create",
                description=_describe(
                    "Create a draft order",
                    course.course.display,
                    course.course.instruction,
                    condition,
                ),
                resource=drafts.medication_request(
                    course.course, course.course.days, notes, context
                ),
            ),
            Action(
                type="create",
                description=_describe("Create a draft order", guard.display, guard.instruction),
                # The stomach is protected for as long as the NSAID is taken (evidence.md 3.4).
                resource=drafts.medication_request(guard, course.course.days, (), context),
            ),
        ),
    )


def _condition(verdict: OptionVerdict, knowledge: Knowledge) -> str:
    """What to check before choosing, in a few words for a label; empty when nothing."""
    if verdict.standing is not Standing.CONDITIONAL or not verdict.reasons:
        return ""
    first = verdict.reasons[0].rule
    rule = knowledge.exclusions.get(first)
    named = rule.label if rule is not None else first.replace("-", " ")
    more = len({reason.rule for reason in verdict.reasons}) - 1
    return f"; check first: {named}" + (f" and {more} more" if more else "")


def _describe(what: str, name: str, instruction: str, condition: str = "") -> str:
    return shorten(f"{what}: {name}, {instruction}{condition}", DESCRIPTION_UNITS)


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


# --- referrals ---


def _expert(guidance: Guidance, knowledge: Knowledge) -> str:
    """Which expert: that of the genetic disease found, else metabolic bone disease."""
    diseases = {
        knowledge.genetic[finding.rule].disease
        for finding in guidance.findings
        if finding.rule in knowledge.genetic
    }
    return FOP_REFERRAL if "fop" in diseases else OTHER_REFERRAL


def _referral(
    referral_id: str,
    guidance: Guidance,
    knowledge: Knowledge,
    who: Requester,
    condition: str = "",
) -> Suggestion:
    referral = knowledge.referrals[referral_id]
    context = _context(guidance, who)
    if referral_id != RADIOTHERAPY_REFERRAL:
        context = replace(context, reason=_occasion("Advice before", guidance), site=None)
    return Suggestion(
        label=shorten(f"Draft {_lower(referral.label)}{condition}", LABEL_UNITS),
        actions=(
            Action(
                type="create",
                description=shorten(
                    f"Create a draft referral: {referral.text}{condition}", DESCRIPTION_UNITS
                ),
                resource=drafts.service_request(referral, context),
            ),
        ),
    )


# --- removal ---


def _removals(orders: tuple[DraftOrder, ...]) -> Iterator[Suggestion]:
    seen: set[str] = set()
    for order in orders:
        reference = order.reference
        if reference is None or reference in seen or not _REFERENCE.fullmatch(reference):
            continue
        seen.add(reference)
        label = clean(order.label)
        yield Suggestion(
            label=shorten(f"Remove the draft: {label}", LABEL_UNITS),
            actions=(
                Action(
                    type="delete",
                    description=shorten(f"Remove the draft order: {label}", DESCRIPTION_UNITS),
                    resource_id=reference,
                ),
            ),
        )


# --- what drafts share ---


def _context(guidance: Guidance, who: Requester) -> drafts.DraftContext:
    return drafts.DraftContext(
        subject=who.subject,
        reason=_occasion("Prophylaxis of heterotopic ossification after", guidance),
        encounter=who.encounter,
        requester=who.requester,
        site=_site(guidance.orders),
        release=who.release,
    )


def _occasion(lead: str, guidance: Guidance) -> str:
    named = dict.fromkeys(_planned(order) for order in guidance.orders)
    return f"{lead} {' and '.join(named)}"


def _planned(order: DraftOrder) -> str:
    label = clean(order.label, 80)
    return f"{label} (planned {order.when})" if order.when is not None else label


def _site(orders: tuple[DraftOrder, ...]) -> str | None:
    sides = {order.side for order in orders} - {Side.UNKNOWN}
    side = Side.BILATERAL if len(sides) > 1 else next(iter(sides), Side.UNKNOWN)
    return _SITES.get(side)
