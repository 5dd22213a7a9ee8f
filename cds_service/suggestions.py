"""Makes the suggestions of a card: draft a prophylaxis, remove a draft, refer to an expert."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from cds_service import drafts
from cds_service.assessment import Guidance, OptionVerdict, Standing
from cds_service.chart import AllergyFact, Chart, DraftOrder, MedicationFact, Side
from cds_service.detail import offered
from cds_service.markdown import clean, shorten, units
from cds_service.wire import Json, new_uuid, plain

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText

LABEL_UNITS = 80
DESCRIPTION_UNITS = 200
CHECK_UNITS = 40
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
    guidance: Guidance, text: CardText, chart: Chart, knowledge: Knowledge, who: Requester
) -> list[Json]:
    """The suggestions of one card as JSON, in the order in which its text names them.

    Raises ValueError where one could not be sent as it is, as `wire.Suggestion` does.
    """
    made: list[Json] = []
    for kind in text.suggestions:
        if kind == "options":
            context = _context("Prophylaxis of heterotopic ossification after", guidance, who)
            context = replace(context, site=_site(guidance.orders))
            made += (_option(v, chart, knowledge, context) for v in offered(guidance))
        elif kind == "remove-draft":
            made += _removals(guidance.orders)
        else:
            context = _context("Advice before", guidance, who)
            made.append(_referral(_expert(guidance, knowledge), knowledge, context))
    return made


def behavior(text: CardText) -> Literal["at-most-one", "any"]:
    """`at-most-one` where the suggestions are alternatives, else `any` (CD-07)."""
    return "at-most-one" if "options" in text.suggestions else "any"


# --- options ---


def _option(
    verdict: OptionVerdict, chart: Chart, knowledge: Knowledge, context: drafts.DraftContext
) -> Json:
    check = _check(verdict, knowledge)
    if verdict.regimen is None:
        return _referral(RADIOTHERAPY_REFERRAL, knowledge, context, check)
    regimen = knowledge.regimens[verdict.regimen]
    course, days = regimen.course, regimen.course.days
    templates = knowledge.once(drafts.templates)
    order = templates[regimen.id, days].fill(context)
    actions = [_create(f"{course.display}, {course.instruction}", check, order)]
    protected = _needs_protection(chart, knowledge)
    if protected:
        # The stomach is protected for as long as the NSAID is taken (evidence.md, 3.4).
        guard = knowledge.protection
        order = templates[guard.id, days].fill(context)
        actions.append(_create(f"{guard.course.display}, {guard.course.instruction}", "", order))
    label = f"Draft {_lower(regimen.label)}{' + PPI' if protected else ''}"
    return _suggestion(_label(label, check), actions)


def _suggestion(label: str, actions: list[Json]) -> Json:
    return {"label": plain(label), "uuid": new_uuid(), "actions": actions}


def _needs_protection(chart: Chart, knowledge: Knowledge) -> bool:
    """False where the knowledge says so: on such a medicine already, or allergic to it."""
    against = knowledge.protection.excluded_by
    taken = [m for m in chart.medications if m.state == "active"]
    facts: tuple[MedicationFact | AllergyFact, ...] = (*taken, *chart.allergies)
    return all(fact.concepts.isdisjoint(against) for fact in facts)


def _create(what: str, check: str, resource: drafts.Resource) -> Json:
    kind = "order" if resource["resourceType"].startswith("Medication") else "referral"
    first = f" Check first: {check}." if check else ""
    text = shorten(f"Create a draft {kind}: {what}.", DESCRIPTION_UNITS - units(first)) + first
    return {"type": "create", "description": plain(text), "resource": resource}


def _check(verdict: OptionVerdict, knowledge: Knowledge) -> str:
    """What to check before choosing, in a few words for a label; empty when nothing."""
    if verdict.standing is not Standing.CONDITIONAL or not verdict.reasons:
        return ""
    first = verdict.reasons[0].rule
    rule = knowledge.exclusions.get(first)
    named = rule.label if rule is not None else first.removesuffix("-not-known").replace("-", " ")
    more = len({reason.rule for reason in verdict.reasons}) - 1
    return shorten(named, CHECK_UNITS) + (f" and {more} more" if more else "")


def _label(label: str, check: str) -> str:
    first = f" (check {check})" if check else ""
    return shorten(label, LABEL_UNITS - units(first)) + first


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
    referral_id: str, knowledge: Knowledge, context: drafts.DraftContext, check: str = ""
) -> Json:
    referral = knowledge.referrals[referral_id]
    order = drafts.service_request(referral, knowledge, context)
    label = _label(f"Draft {_lower(referral.label)}", check)
    return _suggestion(label, [_create(referral.text, check, order)])


# --- removal ---


def _removals(orders: tuple[DraftOrder, ...]) -> Iterator[Json]:
    seen: set[str] = set()
    for order in orders:
        reference = order.reference
        if reference is None or reference in seen or not _REFERENCE.fullmatch(reference):
            continue
        seen.add(reference)
        label = _name(order)
        text = shorten(f"Remove the draft order: {label}", DESCRIPTION_UNITS)
        delete = {"type": "delete", "description": plain(text), "resourceId": reference}
        yield _suggestion(shorten(f"Remove the draft: {label}", LABEL_UNITS), [delete])


# --- what drafts share ---


def _context(lead: str, guidance: Guidance, who: Requester) -> drafts.DraftContext:
    return drafts.DraftContext(
        subject=who.subject,
        reason=_occasion(lead, guidance),
        encounter=who.encounter,
        requester=who.requester,
        release=who.release,
    )


def _occasion(lead: str, guidance: Guidance) -> str:
    named = dict.fromkeys(_planned(order) for order in guidance.orders)
    return f"{lead} {' and '.join(named) or 'any procedure'}"


def _planned(order: DraftOrder) -> str:
    label = shorten(_name(order), LABEL_UNITS)
    return f"{label} (planned {order.when})" if order.when is not None else label


def _name(order: DraftOrder) -> str:
    return clean(order.label) or "order without a name"


def _site(orders: tuple[DraftOrder, ...]) -> str | None:
    sides = {order.side for order in orders} - {Side.UNKNOWN}
    side = Side.BILATERAL if len(sides) > 1 else next(iter(sides), Side.UNKNOWN)
    return _SITES.get(side)
