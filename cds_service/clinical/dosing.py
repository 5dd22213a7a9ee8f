"""Which medicines a test is about: by drug, dose, reason, and when they were begun or ended."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.clinical.chart import FhirDate, MedicationFact
from cds_service.clinical.days import Days
from cds_service.knowledge.when import Begun, DoseLimit, Dosing, Ended, MedicationTest, Taken

_UNITS = {"iu": frozenset({"iu", "[iu]", "unit", "units", "unt", "ie", "i.e.", "i.u.", "[usp'u]"})}
_ORDERED = ("MedicationRequest", "MedicationOrder")
_TOLD = ("MedicationStatement", "MedicationUsage")


def those_of(
    test: MedicationTest, medicines: Iterable[MedicationFact], today: Days
) -> list[MedicationFact]:
    """The medicines that a test is about; none where they are fewer drugs than it asks for."""
    facts = [fact for fact in medicines if _counts(fact, test, today)]
    return facts if len({fact.concepts for fact in facts}) >= test.drugs else []


def _counts(fact: MedicationFact, test: MedicationTest, today: Days) -> bool:
    return (
        not fact.concepts.isdisjoint(test.value_sets)
        and fact.state in test.states
        and (fact.concepts | fact.routes).isdisjoint(test.other_than)
        and (not test.taken or _taken(fact) in test.taken)
        and (not test.indications or not fact.indications.isdisjoint(test.indications))
        and (
            test.indication == "any" or _reason_stated(fact, test) == (test.indication == "stated")
        )
        and (not test.dosing or dosing_of(fact, test.limits) in test.dosing)
        and (not test.ended or ended(fact, today, test) in test.ended)
        and (not test.begun or begun(fact, today, test.begun_within_days) in test.begun)
    )


def _taken(fact: MedicationFact) -> Taken:
    if fact.single_dose:
        return "once"
    return "as-needed" if fact.prn else "scheduled"


def _reason_stated(fact: MedicationFact, test: MedicationTest) -> bool:
    """Whether a reason is stated beside what the surgery is for."""
    known = bool(fact.indications) and fact.indications <= set(test.surgery_reasons)
    return fact.indication_stated and not known


def dosing_of(fact: MedicationFact, limits: Iterable[DoseLimit]) -> Dosing:
    """`above` where one dose or the doses of a day exceed the limit of the drug; `within` where
    both are known not to; else, and for a drug without a limit, `unread`.

    Without a stated dose the strength of the tablet that is ordered is the least that is taken.
    """
    limit = next((one for one in limits if one.value_set in fact.concepts), None)
    if limit is None:
        return "unread"
    dose = fact.dose if _same_unit(fact.dose_unit, limit.unit) else None
    least = dose if dose is not None or limit.unit != "mg" else fact.piece_mg
    too_often = limit.per_day is not None and (fact.per_day or 0.0) > limit.per_day
    if too_often or (least is not None and least > (limit.ask_to or limit.dose)):
        return "above"
    often = limit.per_day is None or fact.per_day is not None
    return "within" if often and dose is not None and dose <= limit.dose else "unread"


def _same_unit(sent: str | None, wanted: str) -> bool:
    return (sent or "").lower() in _UNITS.get(wanted, {wanted})


def begun(fact: MedicationFact, today: Days, days: int) -> Begun:
    """`now` for a draft and for what began at most `days` ago, else `before`; `undated` where
    nothing tells: the day on which a list of medicines was written is no beginning. Where today can
    be two days it is `before` if it is on one: that excludes."""
    if fact.state == "draft":
        return "now"
    since: FhirDate | None = fact.start
    if since is None and fact.source.reference.startswith(_ORDERED):
        since = fact.source.date
    if since is None:
        return "undated"
    return "now" if today.ago(since, recent=False)[1] <= days else "before"


def ended(fact: MedicationFact, today: Days, test: MedicationTest) -> Ended:
    """`lately` where it surely ended within the days of the test, as what was ordered within them;
    `undated` where it ended at some time since it was written."""
    if fact.end is not None and (ago := today.ago(fact.end, recent=True))[1] >= 0:
        return "lately" if ago[0] <= test.ended_within_days else "before"
    since = fact.source.date or fact.start
    if since is None:
        return "undated"
    days = today.ago(since, recent=True)[0]
    told_later = fact.source.reference.startswith(_TOLD)  # a list tells of what is long over, too
    if days <= test.ended_within_days and not told_later:
        return "lately"
    return "undated" if days <= test.written_within_days else "before"
