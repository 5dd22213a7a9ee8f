"""Whether prophylaxis of HO is already ordered, and whether the chart speaks against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from cds_service.clinical.assessment import Effect, NotAssessed, Reason
from cds_service.clinical.chart import (
    DraftOrder,
    FhirDate,
    MedicationFact,
    ProcedureFact,
    Provenance,
)
from cds_service.clinical.days import hours_between
from cds_service.clinical.evaluate import CallFacts, OrderView, is_elsewhere
from cds_service.clinical.exclusions import reasons_for
from cds_service.clinical.in_words import ruled_out_by_words
from cds_service.clinical.unknown_inputs import not_assessed
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import (
    FOR_HO,
    MODIFIER,
    ROUTE_SYSTEMIC,
    ROUTE_UNREAD,
    SITE_HIP,
    InputName,
    Side,
)
from cds_service.knowledge.schema import Adequate

_HO = frozenset({"ho-postoperative", "ho-hip-region", "ho-site-unspecified"})
_FOR_HO = _HO | {FOR_HO}
_TUMOUR = frozenset({"malignancy-active", "malignancy-hip-field"})
_ORDERED = ("MedicationRequest", "MedicationOrder")


@dataclass(frozen=True, slots=True)
class Planned:
    """Prophylaxis that is there: `target` is the option, `regimen` the drug where it is known.

    `daily_mg` is what is taken a day, None where the order does not say it in milligrams: whether
    it is enough is a question then.
    """

    target: str
    label: str
    source: Provenance
    regimen: str | None = None
    daily_mg: float | None = None
    days: float | None = None

    @property
    def sure(self) -> bool:
        """Whether it is known to be enough."""
        return self.target != "nsaid" or self.daily_mg is not None


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is ordered, and why the chart speaks against it."""

    plan: Planned
    reason: Reason


def planned(view: OrderView, knowledge: Knowledge) -> tuple[Planned, ...]:
    """Adequate prophylaxis in the drafts of the session and in the active orders of the chart."""
    adequate = knowledge.meta.adequate
    found = []
    for fact in view.facts.medications:
        if _adequate_nsaid(fact, adequate, view):
            regimen = next(
                (r.id for r in knowledge.regimens.values() if r.drug in fact.concepts), None
            )
            label, daily = fact.source.label, _daily_mg(fact)
            found.append(Planned("nsaid", label, fact.source, regimen, daily, fact.days))
    for order, drafted in view.facts.once("radiated", lambda: _radiated(view.facts, adequate)):
        if _for_this_site(order, adequate, view, drafted=drafted):
            source = Provenance(
                order.reference or order.resource_type, None, order.label, order.when
            )
            found.append(Planned("radiotherapy", order.label, source))
    found += [
        Planned("radiotherapy", done.source.label, done.source)
        for done in view.chart.procedures
        if _given(done, adequate, view)
    ]
    return tuple(found)


def _given(done: ProcedureFact, adequate: Adequate, view: OrderView) -> bool:
    """Radiotherapy of this hip that was given for this operation: at most a day before its planned
    start (24 hours where both times are known) or five days after it. Without a planned day it is
    the day of the order."""
    surgery = view.order
    if surgery is None or done.status != "completed" or done.performed is None:
        return False
    at_hip = SITE_HIP in done.sites or not done.concepts.isdisjoint(adequate.hip_value_sets)
    if done.concepts.isdisjoint(adequate.radiotherapy_value_sets) or done.reasons & _TUMOUR:
        return False
    if not at_hip or {done.side, surgery.side} == {Side.LEFT, Side.RIGHT}:
        return False
    before, after = adequate.given_days_before, adequate.given_days_after
    if surgery.when is None:
        return view.days.ago(done.performed, recent=False)[1] <= before and (
            view.days.ago(done.performed, recent=True)[0] >= -after
        )
    hours = hours_between(done.performed, surgery.when)
    days = view.days.between(done.performed, surgery.when)
    in_time = hours <= before * 24 if hours is not None else days[1] <= before
    return in_time and view.days.between(surgery.when, done.performed, recent=True)[1] <= after


def _to_surgery(start: FhirDate, view: OrderView) -> tuple[int, int]:
    """Days from a date to the surgery, the fewest and the most: to the day that is planned, and to
    today where none is, or where it has passed."""
    fewest, most = view.days.ago(start, recent=False)
    if view.order is None or view.order.when is None:
        return fewest, most
    planned_for = view.days.between(start, view.order.when)
    return max(fewest, planned_for[0]), max(most, planned_for[1])


# --- an NSAID course ---


def _adequate_nsaid(fact: MedicationFact, adequate: Adequate, view: OrderView) -> bool:
    """A scheduled non-aspirin NSAID for at least `min_days` around surgery (decisions, row 6)."""
    if fact.concepts.isdisjoint(adequate.nsaid_value_sets):
        return False
    if not fact.concepts.isdisjoint(adequate.not_value_sets):
        return False
    if not _reaches_the_hip(fact, adequate):
        return False
    if fact.state not in {"active", "draft"} or fact.prn or fact.single_dose:
        return False
    if fact.misses_surgery:
        return False
    if fact.per_day is None or fact.days is None or fact.days < adequate.min_days:
        return False
    if _too_weak(fact, adequate):
        return False
    gone = _gone(fact, adequate, view)
    if gone is None or -gone[0] > adequate.starts_within_days:
        return False
    if _taken_before(fact, adequate, view):
        return False
    # What is left of a course that began before surgery is what protects after it.
    return int(fact.days) - max(gone[1], 0) >= adequate.min_days


def _taken_before(fact: MedicationFact, adequate: Adequate, view: OrderView) -> bool:
    """Whether it was begun before, and for something else: no order for the time after surgery."""
    begun = fact.start or fact.source.date
    if fact.state == "draft" or begun is None or not fact.indications.isdisjoint(_FOR_HO):
        return False
    return view.days.ago(begun, recent=False)[1] > adequate.fresh_days


def _too_weak(fact: MedicationFact, adequate: Adequate) -> bool:
    """Whether the daily dose is known and below the least that counts for this drug."""
    least = [mg for drug, mg in adequate.effective_daily_mg.items() if drug in fact.concepts]
    daily = _daily_mg(fact)
    return bool(least) and daily is not None and daily < min(least)


def _reaches_the_hip(fact: MedicationFact, adequate: Adequate) -> bool:
    """Not on the skin or in the eye. By a route that nobody can read, a course for HO does, and a
    drug that is made for the mouth only; any other may be a gel."""
    if not fact.routes or ROUTE_SYSTEMIC in fact.routes:
        return True
    if fact.routes != {ROUTE_UNREAD}:
        return False
    by_mouth = not fact.concepts.isdisjoint(adequate.by_mouth_value_sets)
    return by_mouth or not fact.indications.isdisjoint(_FOR_HO)


def _gone(fact: MedicationFact, adequate: Adequate, view: OrderView) -> tuple[int, int] | None:
    """Days of a course that are over at surgery, the fewest and the most (below 0 for one that
    begins later); None where nothing tells.

    The day on which an order was written is no start: without stated bounds, a draft and an order
    just written are for after the surgery that is being planned, and so is one for HO that was
    written weeks ahead. Any other has run since it was written.
    """
    if fact.start is not None:
        return _to_surgery(fact.start, view)
    if fact.state == "draft":
        return 0, 0
    written = fact.source.date
    if written is None:
        return None
    if not fact.source.reference.startswith(_ORDERED):
        return _to_surgery(written, view)
    for_ho = not fact.indications.isdisjoint(_FOR_HO) and not _operated_since(written, view)
    days = adequate.for_ho_days if for_ho else adequate.fresh_days
    fewest, most = view.days.ago(written, recent=False)
    gone = _to_surgery(written, view)
    return 0 if fewest <= days else gone[0], 0 if most <= days else gone[1]


def _operated_since(written: FhirDate, view: OrderView) -> bool:
    """Whether an operation like the one ordered was done since: the course was for that one."""
    kinds = view.order.kinds if view.order else frozenset[str]()
    first = view.days.span(written)[0]
    return any(
        done.performed and view.days.span(done.performed, recent=True)[1] >= first
        for done in view.chart.procedures
        if not done.concepts.isdisjoint(kinds)
    )


def _daily_mg(fact: MedicationFact) -> float | None:
    if fact.dose is None or fact.per_day is None or (fact.dose_unit or "").lower() != "mg":
        return None
    return fact.dose * fact.per_day


# --- radiotherapy ---


def _radiated(facts: CallFacts, adequate: Adequate) -> list[tuple[DraftOrder, bool]]:
    """Radiotherapy in the drafts and in the active orders of the chart, and whether drafted."""
    drafts = facts.orders
    return [
        (order, order in drafts)
        for order in (*drafts, *facts.chart.planned)
        if order.live
        and MODIFIER not in order.said.members
        and not order.kinds.isdisjoint(adequate.radiotherapy_value_sets)
    ]


def _for_this_site(
    order: DraftOrder, adequate: Adequate, view: OrderView, *, drafted: bool
) -> bool:
    """Radiotherapy for this surgery: not for a tumour, the other side, elsewhere, or long ago.

    Where the reason is not stated, an active cancer may be it; only an order for the hip that is
    drafted in the same session is taken for prophylaxis then. One that names neither site nor
    reason counts only when it is drafted in the same session, and without cancer.
    """
    at_hip = "site-hip" in order.sites or not order.kinds.isdisjoint(adequate.hip_value_sets)
    if order.reasons & _TUMOUR or _off_date(order, adequate, view):
        return False
    if _another_place(order, view, at_hip=at_hip):
        return False
    if order.reasons & _HO or not order.kinds.isdisjoint(adequate.for_ho_value_sets):
        return True
    cancer = view.facts.once("cancer", lambda: _cancer(view.facts))
    if at_hip:
        return drafted or not cancer
    here = not order.sites or is_elsewhere(order.sites)  # by now that is where the surgery is
    return here and drafted and not cancer


def _another_place(order: DraftOrder, view: OrderView, *, at_hip: bool) -> bool:
    """Surely the other side, or another part of the body than the surgery."""
    surgery = view.order
    if surgery is None:
        return False
    if {order.side, surgery.side} == {Side.LEFT, Side.RIGHT}:
        return True
    return at_hip if is_elsewhere(surgery.sites) else is_elsewhere(order.sites)


def _off_date(order: DraftOrder, adequate: Adequate, view: OrderView) -> bool:
    """Long past, or too long after a surgery whose day is known."""
    if order.when is None:
        return False
    if view.days.ago(order.when, recent=True)[1] > adequate.radiotherapy_within_days:
        return True
    known = view.order is not None and view.order.when is not None
    return known and -_to_surgery(order.when, view)[0] > adequate.starts_within_days


def _cancer(facts: CallFacts) -> bool:
    return any(c.concepts & _TUMOUR and not c.resolved for c in facts.chart.conditions)


# --- conflicts ---


def conflicts(
    there: tuple[Planned, ...], view: OrderView, knowledge: Knowledge
) -> tuple[Conflict, ...]:
    """What excludes the prophylaxis which is already ordered, each rule once."""
    found: dict[str, Conflict] = {}
    for plan, reason in _against(there, view, knowledge):
        limit = knowledge.exclusions[reason.rule].above_daily_mg
        if limit is None or (plan.daily_mg is not None and plan.daily_mg > limit):
            found.setdefault(reason.rule, Conflict(plan, reason))
    return tuple(found.values())


def dose_unknown(
    there: tuple[Planned, ...], view: OrderView, knowledge: Knowledge
) -> tuple[Conflict, ...]:
    """What would exclude the prophylaxis above a daily dose, where its dose is not known."""
    found: dict[str, Conflict] = {}
    for plan, reason in _against(there, view, knowledge):
        if knowledge.exclusions[reason.rule].above_daily_mg and plan.daily_mg is None:
            found.setdefault(reason.rule, Conflict(plan, reason))
    return tuple(found.values())


def enough_unknown(there: tuple[Planned, ...], knowledge: Knowledge) -> list[NotAssessed]:
    """The question whether an NSAID is enough, for each whose daily dose is not known; none where
    something that surely is enough is there as well."""
    if any(plan.sure for plan in there):
        return []
    least = knowledge.meta.adequate.effective_daily_mg
    return [
        NotAssessed(
            InputName.MEDICATIONS.value,
            "not stated",
            f"Daily dose of the ordered {plan.label} not stated in milligrams: check that it is "
            f"enough{_at_least(plan, least, knowledge)}.",
        )
        for plan in there
    ]


def _at_least(plan: Planned, least: Mapping[str, float], knowledge: Knowledge) -> str:
    regimen = knowledge.regimens.get(plan.regimen or "")
    enough = least.get(regimen.drug) if regimen else None
    return f" (at least {enough:g} mg)" if enough else ""


def not_checked(
    there: tuple[Planned, ...], view: OrderView, knowledge: Knowledge
) -> list[NotAssessed]:
    """What was not read, or only in words, and could speak against what is ordered already.

    A result that nobody measured is the prescriber's business; an input that got lost, a result
    that we cannot read, an entry without a known code whose words speak against it, or a medicine
    of which a question is open, is ours.
    """
    targets = {target for plan in there for target in _targets(plan)}
    named = _named_in_words(targets, view, knowledge)
    found = [
        said
        for said, check in not_assessed(view, knowledge)
        if targets & set(check.applies_to)
        and (
            check.unread
            or (check.unidentified and said.input in named)
            or not view.chart.input(InputName(said.input)).known
        )
    ]
    open_ = _reasons(there, view, knowledge, frozenset({Effect.NO_DRAFT}))
    asked = [r.text for _, r in open_ if knowledge.exclusions[r.rule].asks_of_ordered]
    medicines = InputName.MEDICATIONS.value
    return found + [NotAssessed(medicines, "not stated", one) for one in dict.fromkeys(asked)]


def _named_in_words(targets: Set[str], view: OrderView, knowledge: Knowledge) -> frozenset[str]:
    """The inputs with an entry without a known code whose words speak against a target. Medicines
    speak by the rules, as if they were coded: a second NSAID does not."""
    entries = view.facts.unidentified
    found = {
        entry.input.value
        for entry in entries
        if entry.may_rule_out or (entry.as_if is None and entry.against & targets)
    }
    if ruled_out_by_words(targets, view, knowledge):
        found.add(InputName.MEDICATIONS.value)
    return frozenset(found)


def _targets(plan: Planned) -> tuple[str, ...]:
    return (plan.target, *([plan.regimen] if plan.regimen else []))


def _against(
    there: tuple[Planned, ...], view: OrderView, knowledge: Knowledge
) -> Iterator[tuple[Planned, Reason]]:
    return _reasons(there, view, knowledge, frozenset({Effect.EXCLUDE}))


def _reasons(
    there: tuple[Planned, ...], view: OrderView, knowledge: Knowledge, effects: frozenset[Effect]
) -> Iterator[tuple[Planned, Reason]]:
    """Reasons that are about the course ordered, and not only about ours."""
    for plan in there:
        for target in _targets(plan):
            for reason in reasons_for(target, view, knowledge, ordered=True, days=plan.days):
                itself = set(reason.sources) == {plan.source}
                if reason.effect in effects and not itself:
                    yield plan, reason
