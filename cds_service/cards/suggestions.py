"""Makes the suggestions of a card: draft a prophylaxis, remove a draft, refer to an expert."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from cds_service.cards import suggested_orders
from cds_service.cards.markdown import clean, shorten
from cds_service.cdshooks.models import Json, new_uuid, plain, utf16_length
from cds_service.clinical.assessment import Guidance, OptionVerdict, Standing
from cds_service.clinical.chart import Chart, DraftOrder
from cds_service.clinical.evaluate import is_elsewhere
from cds_service.clinical.options import DELETABLE, waiting
from cds_service.clinical.triggers import kind_of
from cds_service.knowledge.names import Side

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText

LABEL_UNITS = 80
DESCRIPTION_UNITS = 200
_SITES = {Side.RIGHT: "Right hip", Side.LEFT: "Left hip", Side.BILATERAL: "Both hips"}


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks and for whom: `Type/id` references; `release` is that of the request."""

    subject: str
    encounter: str | None = None
    requester: str | None = None
    release: str = "R4"


def suggest(
    guidance: Guidance,
    text: CardText,
    chart: Chart,
    knowledge: Knowledge,
    who: Requester,
    drafted: frozenset[str] = frozenset(),
) -> list[Json]:
    """The suggestions of one card as JSON, in the order in which its text names them.

    `drafted` are the value sets of the medicines that are drafted already. Raises ValueError where
    one could not be sent as it is, as `wire.Suggestion` does.
    """
    made: list[Json] = []
    for kind in text.suggestions:
        if kind == "options":
            context = _context("Prophylaxis of heterotopic ossification after", guidance, who)
            context = replace(context, site=_site(guidance.orders, knowledge))
            protected = _needs_protection(chart, drafted, knowledge)
            for verdict in guidance.options:
                if verdict.drafted:
                    made.append(_option(verdict, knowledge, context, protected=protected))
            if not made and _specialist_decides(guidance, knowledge):
                context = _context("Advice before", guidance, who)
                expert = knowledge.meta.specialist_referral
                made.append(_referral(expert, knowledge, context, role=guidance.tier.value))
        elif kind == "remove-draft":
            made += _removals(tuple(o for o in guidance.orders if o not in guidance.kept))
        else:
            context = _context("Advice before", guidance, who)
            general = kind == "specialist-referral"
            expert = knowledge.meta.specialist_referral if general else _expert(guidance, knowledge)
            made.append(_referral(expert, knowledge, context, role=_role(guidance)))
    return made


def _specialist_decides(guidance: Guidance, knowledge: Knowledge) -> bool:
    """Whether a specialist decides where nothing is drafted: no test would open an option."""
    return bool(guidance.options) and not waiting(guidance.options, knowledge)


def behavior(text: CardText) -> Literal["at-most-one", "any"]:
    """`at-most-one` where the suggestions are alternatives, else `any` (CD-07)."""
    return "at-most-one" if "options" in text.suggestions else "any"


# --- options ---


def _option(
    verdict: OptionVerdict,
    knowledge: Knowledge,
    context: suggested_orders.DraftContext,
    *,
    protected: bool,
) -> Json:
    check = _checks(verdict, knowledge)
    if verdict.regimen is None:
        referral = knowledge.options[verdict.option].referral
        lead = " ".join(reason.text for reason in verdict.for_referral)
        return _referral(cast(str, referral), knowledge, context, check, lead=lead)
    regimen = knowledge.regimens[verdict.regimen]
    course, days = regimen.course, regimen.course.days
    templates = knowledge.once(suggested_orders.templates)
    order = templates[regimen.id, days].fill(context)
    actions = [_create(f"{course.display}, {course.instruction}", check, order)]
    if protected:
        # The stomach is protected for as long as the NSAID is taken (evidence.md, 3.4).
        guard = knowledge.protection
        order = templates[guard.id, days].fill(context)
        actions.append(_create(f"{guard.course.display}, {guard.course.instruction}", (), order))
    given_way = {source.reference: source.label for source in verdict.replaces}
    actions = [_delete(ref, clean(label)) for ref, label in given_way.items()] + actions
    made = f"Replace the draft{'s' * (len(given_way) > 1)} by" if given_way else "Draft"
    label = f"{made} {_lower(regimen.label)}{' + PPI' if protected else ''}"
    return _suggestion(_label(label, check), actions)


def _suggestion(label: str, actions: list[Json]) -> Json:
    return {"label": plain(label), "uuid": new_uuid(), "actions": actions}


def _needs_protection(chart: Chart, drafted: frozenset[str], knowledge: Knowledge) -> bool:
    """False where such a medicine is taken daily or drafted already, be it in words. Who does not
    tolerate one gets no draft of an NSAID (`exclusions.yaml`)."""
    against = knowledge.protection.excluded_by
    if not drafted.isdisjoint(against):
        return False
    named = (entry.as_if for entry in chart.unidentified if entry.as_if)
    listed = (*chart.medications, *named)
    taken = (m for m in listed if m.state == "active" and not (m.prn or m.single_dose))
    return all(medicine.concepts.isdisjoint(against) for medicine in taken)


def _create(what: str, checks: tuple[str, ...], resource: suggested_orders.Resource) -> Json:
    kind = "order" if resource["resourceType"].startswith("Medication") else "referral"
    text = f"Create a draft {kind}: {what}."
    text += _fitting(checks, DESCRIPTION_UNITS - utf16_length(text), " Check first: {}.")
    return {
        "type": "create",
        "description": plain(shorten(text, DESCRIPTION_UNITS)),
        "resource": resource,
    }


def _checks(verdict: OptionVerdict, knowledge: Knowledge) -> tuple[str, ...]:
    """What to check before choosing, a few words each."""
    if verdict.standing is not Standing.CONDITIONAL:
        return ()
    unknown = {check.id: check for check in knowledge.unknown_checks}
    rules = (knowledge.exclusions.get(r.rule) or unknown.get(r.rule) for r in verdict.reasons)
    return tuple(dict.fromkeys(r.check if r and r.check else "the card" for r in rules))


def _label(label: str, checks: tuple[str, ...]) -> str:
    """Drug, dose and days stay whole; what to check gives way, as the detail says it in full."""
    return shorten(label, LABEL_UNITS) + _fitting(
        checks, LABEL_UNITS - utf16_length(label), " (check {})"
    )


def _fitting(checks: tuple[str, ...], room: int, frame: str) -> str:
    """As many of the checks as there is room for, and how many more; nothing where none fits."""
    for kept in range(len(checks), 0, -1):
        rest = f" +{len(checks) - kept}" if kept < len(checks) else ""
        said = frame.format(", ".join(checks[:kept]) + rest)
        if utf16_length(said) <= room:
            return said
    return ""


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


# --- referrals ---


def _expert(guidance: Guidance, knowledge: Knowledge) -> str:
    """Which expert: that of the genetic disease found, the first of several; else a specialist."""
    found = {finding.rule for finding in guidance.findings}
    experts = [rule.referral for rule in knowledge.genetic.values() if rule.id in found]
    if knowledge.early.id in found:
        experts.append(knowledge.early.referral)
    return next(iter(experts), knowledge.meta.specialist_referral)


def _role(guidance: Guidance) -> str:
    """How genetic HO stands in the chart (`genetic`, `suspected`, `mention` or `family`), or the
    risk where it is no matter."""
    roles = {finding.role for finding in guidance.findings}
    genetic = ("genetic", "suspected", "mention", "family")
    return next((r for r in genetic if r in roles), guidance.tier.value)


def _referral(
    referral_id: str,
    knowledge: Knowledge,
    context: suggested_orders.DraftContext,
    checks: tuple[str, ...] = (),
    role: str | None = None,
    lead: str = "",
) -> Json:
    """`lead` stands before the note, unless what is said of genetic HO does."""
    referral = knowledge.referrals[referral_id]
    lead = next((text for of, text in referral.note_lead.items() if of == role), lead)
    order = suggested_orders.service_request(referral, knowledge, context, lead)
    label = _label(f"Draft {_lower(referral.label)}", checks)
    return _suggestion(label, [_create(referral.text, checks, order)])


# --- removal ---


def _removals(orders: tuple[DraftOrder, ...]) -> Iterator[Json]:
    seen: set[str] = set()
    for order in orders:
        reference = order.reference
        if reference is None or reference in seen or not DELETABLE.fullmatch(reference):
            continue
        seen.add(reference)
        label = _name(order)
        delete = _delete(reference, label)
        yield _suggestion(shorten(f"Remove the draft: {label}", LABEL_UNITS), [delete])


def _delete(reference: str, label: str) -> Json:
    text = shorten(f"Remove the draft order: {label}", DESCRIPTION_UNITS)
    return {"type": "delete", "description": plain(text), "resourceId": reference}


# --- what drafts share ---


def _context(lead: str, guidance: Guidance, who: Requester) -> suggested_orders.DraftContext:
    return suggested_orders.DraftContext(
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


def _site(orders: tuple[DraftOrder, ...], knowledge: Knowledge) -> str | None:
    """The hip by its side; None where an order may be about another part of the body."""
    if not all(_at_hip(order, knowledge) for order in orders):
        return None
    sides = {order.side for order in orders} - {Side.UNKNOWN}
    side = Side.BILATERAL if len(sides) > 1 else next(iter(sides), Side.UNKNOWN)
    return _SITES.get(side)


def _at_hip(order: DraftOrder, knowledge: Knowledge) -> bool:
    if is_elsewhere(order.sites):
        return False
    hip = {"ho-excision", "hip-open-surgery"}
    known = "site-hip" in order.sites or bool(order.kinds & hip) or "ho-hip-region" in order.reasons
    return known or kind_of(order, knowledge) == "arthroplasty"
