"""Makes the suggestions of a card: draft a prophylaxis, remove a draft, refer to an expert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from msgspec import Raw

from cds_service.cards.button_words import DESCRIPTION_UNITS, LABEL_UNITS, ButtonWords
from cds_service.cards.markdown import clean, shorten
from cds_service.cards.prepared_orders import PreparedOrders, Slots, slots_of
from cds_service.cdshooks.models import Json, new_uuid, plain
from cds_service.clinical.assessment import Guidance, OptionVerdict, Standing
from cds_service.clinical.chart import Chart, DraftOrder
from cds_service.clinical.evaluate import is_elsewhere
from cds_service.clinical.options import DELETABLE, waiting
from cds_service.clinical.triggers import kind_of
from cds_service.knowledge.names import Side

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge
    from cds_service.knowledge.schema import CardText

_HIP_SURGERY = frozenset({"ho-excision", "hip-open-surgery"})
_BOTH = "Both hips"
_SITES = {Side.RIGHT: "Right hip", Side.LEFT: "Left hip", Side.BILATERAL: _BOTH}


class Requester(NamedTuple):
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
            site = _site(guidance.orders, knowledge)
            lead = "Prophylaxis of heterotopic ossification after"
            slots = _slots(lead, guidance, who, site)
            protected = _needs_protection(chart, drafted, knowledge)
            for verdict in guidance.options:
                if verdict.drafted:
                    made.append(_option(verdict, knowledge, slots, protected=protected))
            if not made and _specialist_decides(guidance, knowledge):
                slots = _slots("Advice before", guidance, who)
                expert = knowledge.meta.specialist_referral
                made.append(_referral(expert, knowledge, slots, role=guidance.tier.value))
        elif kind == "remove-draft":
            made += _removals(tuple(o for o in guidance.orders if o not in guidance.kept))
        else:
            slots = _slots("Advice before", guidance, who)
            general = kind == "specialist-referral"
            expert = knowledge.meta.specialist_referral if general else _expert(guidance, knowledge)
            made.append(_referral(expert, knowledge, slots, role=_role(guidance)))
    return made


def _specialist_decides(guidance: Guidance, knowledge: Knowledge) -> bool:
    """Whether a specialist decides where nothing is drafted: no test would open an option."""
    return bool(guidance.options) and not waiting(guidance.options, knowledge)


def behavior(text: CardText) -> Literal["at-most-one", "any"]:
    """`at-most-one` where the suggestions are alternatives, else `any` (CD-07)."""
    return "at-most-one" if "options" in text.suggestions else "any"


# --- options ---


def _option(verdict: OptionVerdict, knowledge: Knowledge, slots: Slots, *, protected: bool) -> Json:
    check = _checks(verdict, knowledge)
    if verdict.regimen is None:
        referral = knowledge.options[verdict.option].referral
        lead = " ".join([reason.text for reason in verdict.for_referral])
        return _referral(cast(str, referral), knowledge, slots, check, lead=lead)
    regimen, given_way = verdict.regimen, {s.reference: s.label for s in verdict.replaces}
    words = knowledge.once(ButtonWords).course(regimen, check, protected, min(len(given_way), 2))
    actions = [_delete(ref, clean(label)) for ref, label in given_way.items()]
    orders, days = knowledge.once(PreparedOrders), knowledge.regimens[regimen].course.days
    for id_, description in words.creates:
        actions.append(_create(description, orders.medicine(id_, days, slots)))
    return _suggestion(words.label, actions)


def _suggestion(label: str, actions: list[Json]) -> Json:
    return {"label": label, "uuid": new_uuid(), "actions": actions}


def _needs_protection(chart: Chart, drafted: frozenset[str], knowledge: Knowledge) -> bool:
    """False where such a medicine is taken daily or drafted already, be it in words. Who does not
    tolerate one gets no draft of an NSAID (`exclusions.yaml`)."""
    against = knowledge.protection.excluded_by
    if not drafted.isdisjoint(against):
        return False
    named = [entry.as_if for entry in chart.unidentified if entry.as_if]
    return not any(
        medicine.state == "active"
        and not (medicine.prn or medicine.single_dose)
        and not medicine.concepts.isdisjoint(against)
        for medicine in (*chart.medications, *named)
    )


def _create(description: str, resource: Raw) -> Json:
    return {"type": "create", "description": description, "resource": resource}


def _checks(verdict: OptionVerdict, knowledge: Knowledge) -> tuple[str, ...]:
    """What to check before choosing, a few words each."""
    if not verdict.reasons or verdict.standing is not Standing.CONDITIONAL:
        return ()
    return knowledge.once(ButtonWords).checks(tuple([reason.rule for reason in verdict.reasons]))


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
    slots: Slots,
    checks: tuple[str, ...] = (),
    role: str | None = None,
    lead: str = "",
) -> Json:
    """`lead` stands before the note, unless what is said of genetic HO does."""
    leads = cast("Mapping[str | None, str]", knowledge.referrals[referral_id].note_lead)
    lead = leads.get(role, lead)
    words = knowledge.once(ButtonWords).referral(referral_id, checks)
    orders = knowledge.once(PreparedOrders)
    return _suggestion(
        words.label,
        [_create(text, orders.referral(id_, slots, lead)) for id_, text in words.creates],
    )


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
        yield _suggestion(plain(shorten(f"Remove the draft: {label}", LABEL_UNITS)), [delete])


def _delete(reference: str, label: str) -> Json:
    text = shorten(f"Remove the draft order: {label}", DESCRIPTION_UNITS)
    return {"type": "delete", "description": plain(text), "resourceId": reference}


# --- what drafts share ---


def _slots(lead: str, guidance: Guidance, who: Requester, site: str | None = None) -> Slots:
    reason = _occasion(lead, guidance)
    return slots_of(who.subject, reason, who.encounter, who.requester, site, who.release)


def _occasion(lead: str, guidance: Guidance) -> str:
    named = dict.fromkeys([_planned(order) for order in guidance.orders])
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
    sites = {_SITES[order.side] for order in orders if order.side in _SITES}
    return _BOTH if len(sites) > 1 else next(iter(sites), None)


def _at_hip(order: DraftOrder, knowledge: Knowledge) -> bool:
    if is_elsewhere(order.sites):
        return False
    known = "site-hip" in order.sites or "ho-hip-region" in order.reasons
    known = known or not order.kinds.isdisjoint(_HIP_SURGERY)
    return known or kind_of(order, knowledge) == "arthroplasty"
