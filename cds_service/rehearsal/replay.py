"""Replays the past events of one patient through the functions that answer a live call.

The chart of each event holds what was known then (`fhir.as_of`); without a list of some type in the
export that input is absent, never empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from cds_service.clinical.assessment import Assessment, Guidance, Standing
from cds_service.clinical.chart import Chart
from cds_service.clinical.days import Days
from cds_service.clinical.genetic_card import any_may_harm
from cds_service.fhir.completeness import signals_for
from cds_service.fhir.context import References
from cds_service.fhir.dates import read_date
from cds_service.fhir.draft_orders import Drafts
from cds_service.fhir.dull_codes import DullCodes
from cds_service.fhir.elements import (
    Doc,
    identifier,
    items,
    kind_of,
    member,
    reference,
    type_and_id,
    word,
)
from cds_service.fhir.mentions import mentions_of
from cds_service.fhir.record_status import doubt_of
from cds_service.fhir_map import ChartReader
from cds_service.guidance import assess
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.names import HO_SETS
from cds_service.knowledge.system_names import shown
from cds_service.rehearsal.events import HipOrders, PastEvent, events_of, surgeon_of
from cds_service.rehearsal.options import AsOf, ReplayOptions
from cds_service.rehearsal.outcomes import NOTHING, UNDATED, UNREAD, EventOutcome, RehearsedCard
from cds_service.rehearsal.past_chart import PastChart, PatientRecord, bundle_of
from cds_service.rehearsal.unread_codes import unread_codes

_SEVERITY: Final = ("info", "warning", "critical")
_FACTORS: Final = frozenset({"factor", "genetic", "suspected", "undecided"})
_PLACES: Final = ("encounter", "context", "performer", "location", "serviceProvider")


def patient(
    resources: Sequence[Mapping[str, Any]],
    knowledge: Knowledge,
    options: ReplayOptions,
    other: Knowledge | None = None,
) -> tuple[EventOutcome, ...]:
    """What would have come of each past event of one patient, oldest first.

    `resources` are all that the export has of the patient, decoded, in whatever order and of any
    FHIR release, and the Medications they point to. `other` is a second content to compare with.
    Raises nothing for what a resource holds.
    """
    docs = [dict(one) for one in resources if kind_of(one) is not None]
    references = References()
    for doc in docs:
        references.add(doc)
    replayer = _Replayer(PatientRecord(docs, options), knowledge, other)
    outcomes: list[EventOutcome] = []
    last: dict[str, date] = {}
    for event in events_of(docs, knowledge.once(hip_orders), references, options):
        if event.day is not None and not options.holds(event.day):
            continue
        outcome = replayer.outcome(event, is_first=not outcomes)
        outcomes.append(_with_repeats(outcome, last))
    return tuple(outcomes)


def hip_orders(knowledge: Knowledge) -> HipOrders:
    """What tells hip orders by this content; keep it with `knowledge.once`."""
    return HipOrders(knowledge, datetime.now(UTC).date())


def _with_repeats(outcome: EventOutcome, last: dict[str, date]) -> EventOutcome:
    """The outcome with the days since the same card came for the patient."""
    if outcome.day is None or not outcome.cards:
        return outcome
    first = outcome.cards[0].card
    before, last[first] = last.get(first), outcome.day
    return replace(outcome, days_since=(outcome.day - before).days) if before else outcome


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one call: the guidances, most severe card first, or that nothing could be
    said."""

    assessment: Assessment | None
    cards: tuple[RehearsedCard, ...] = ()
    row: str = NOTHING
    tier: str = "none"
    main: Guidance | None = None
    used: frozenset[str] = frozenset()  # references of all facts of the chart


class _Replayer:
    """Replays the events of one patient."""

    def __init__(
        self, record: PatientRecord, knowledge: Knowledge, other: Knowledge | None
    ) -> None:
        self._record = record
        self._knowledge = knowledge
        self._other = other
        found = next((d for d in record.docs if kind_of(d) == "Patient"), {})
        self._patient = found
        self._id = identifier(found.get("id")) or _subject_of(record.docs)

    def outcome(self, event: PastEvent, *, is_first: bool) -> EventOutcome:
        """What would have come of one event; `is_first`: unread codes are told with it."""
        outcome = self._described(event)
        if event.moment is None and self._record.options.as_of is AsOf.EVENT:
            return outcome
        chart = self._record.at(event)
        answer = self._answer(event, chart, self._knowledge)
        dated = answer
        if chart.undated and chart.undated_may_decide(answer.used):
            dated = self._answer(event, chart, self._knowledge, without_undated=True)
        against = self._answer(event, chart, self._other) if self._other is not None else None
        outcome = replace(
            outcome,
            row=answer.row,
            tier=answer.tier,
            indicator=answer.cards[0].indicator if answer.cards else "",
            dated_row=dated.row,
            dated_carded=bool(dated.cards),
            cards=answer.cards,
            late=tuple(sorted(chart.late.items())),
            undated=tuple(sorted(chart.undated_by_input.items())),
            ho_after=self._ho_after(chart),
            other_row=against.row if against else None,
            other_carded=bool(against and against.cards),
            codes=unread_codes(self._record.docs, event, self._knowledge) if is_first else (),
        )
        return _explained(outcome, answer)

    def _described(self, event: PastEvent) -> EventOutcome:
        """The event itself, with nothing decided."""
        surgeons = (surgeon_of(doc) for doc in event.docs)
        surgeon = next((one for one in surgeons if one), None)
        sex = word(self._patient.get("gender"))
        return EventOutcome(
            patient=self._id,
            references=tuple(type_and_id(doc) for doc in event.docs),
            kind=event.kind.value,
            about=event.about,
            day=event.day,
            row=UNDATED,
            doubt=event.doubt,
            surgeon=surgeon,
            group=self._group(event, surgeon),
            sex=sex if sex in {"male", "female"} else "unknown",
            age=_age(self._patient, event.day),
        )

    def _group(self, event: PastEvent, surgeon: str | None) -> str | None:
        groups = self._record.options.groups
        if not groups:
            return None
        named = [f"Patient/{self._id}", surgeon]
        for doc in event.docs:
            for name in _PLACES:
                named += [reference(member(one, "actor")) or reference(one)
                          for one in items(doc.get(name))]  # fmt: skip
        ends = ("/".join(one.split("/")[-2:]) for one in named if one)
        return next((groups[end] for end in ends if end in groups), None)

    def _ho_after(self, chart: PastChart) -> bool | None:
        if self._record.options.as_of is not AsOf.EVENT:
            return None
        return any(self._is_ho(doc) for doc in chart.late_conditions)

    def _is_ho(self, doc: Doc) -> bool:
        known = self._knowledge.once(hip_orders).plain.know(doc.get("code"))
        return not known.concepts.isdisjoint(HO_SETS) and doubt_of(doc) is None

    def _answer(
        self,
        event: PastEvent,
        chart: PastChart,
        knowledge: Knowledge,
        *,
        without_undated: bool = False,
    ) -> _Answer:
        """What a live call with this chart and these drafts would decide (see `hooks`)."""
        days = self._days(event)
        named, index = knowledge.once(mentions_of), knowledge.index
        signals, dull = signals_for(knowledge, None), knowledge.once(DullCodes)
        reader = ChartReader(index, self._id, days, named, signals=signals, dull=dull)
        raw = bundle_of(map(msgspec.json.encode, event.drafts), "collection")
        drafts = Drafts(raw, index, self._id, days, named)
        if not any_may_harm(drafts.read().orders, knowledge):
            return _Answer(None)
        reader.read_prefetch(self._record.prefetch(chart, without_undated=without_undated))
        orders = drafts.read(reader)
        seen = reader.chart()
        seen = replace(
            seen,
            problems=seen.problems + orders.problems,
            foreign=seen.foreign + orders.foreign,
            release=orders.release,
        )
        answer = _told(assess(seen, orders.orders, knowledge, days, unread=orders.unread))
        return replace(answer, used=_used(seen)) if chart.undated else answer

    def _days(self, event: PastEvent) -> Days:
        options = self._record.options
        day = event.day if options.as_of is AsOf.EVENT and event.day else options.today
        return Days(day, day, options.timezone)


def _used(chart: Chart) -> frozenset[str]:
    """The resources from which the facts of a chart come."""
    parts = (chart.conditions, chart.procedures, chart.medications, chart.allergies,
             chart.measurements, chart.family, chart.unidentified, chart.mentions,
             chart.set_aside)  # fmt: skip
    facts = {fact.source.reference for part in parts for fact in part}
    return frozenset(facts | {one.reference or one.resource_type for one in chart.planned})


def _told(assessment: Assessment) -> _Answer:
    if assessment.unassessable:
        return _Answer(assessment, row=UNREAD)
    spoken = sorted(
        assessment.spoken, key=lambda g: _SEVERITY.index(g.indicator or "info"), reverse=True
    )
    cards = tuple(
        RehearsedCard(g.row, g.card or "", g.indicator or "", str(g.tier)) for g in spoken
    )
    main = next(iter((*spoken, *assessment.guidances)), None)
    if main is None:
        return _Answer(assessment)
    return _Answer(assessment, cards, main.row, str(main.tier), main)


def _explained(outcome: EventOutcome, answer: _Answer) -> EventOutcome:
    """The outcome with why it came so."""
    assessment = answer.assessment
    if assessment is None:
        return outcome
    found = {f.rule for g in assessment.guidances for f in g.findings if f.role in _FACTORS}
    return replace(
        outcome,
        rules=tuple(sorted(found)),
        ruled_out=_ruled_out(assessment.guidances),
        inputs=tuple((str(one.name), str(one.state)) for one in assessment.inputs),
        not_understood=tuple(
            (one.input, shown(one.system), one.count) for one in assessment.not_understood
        ),
    )


def _ruled_out(guidances: Iterable[Guidance]) -> tuple[tuple[str, str], ...]:
    """The options that are ruled out, each with the rules that do it; a regimen that was passed
    over stands as `option:regimen`."""
    found: set[tuple[str, str]] = set()
    for verdict in (v for g in guidances for v in g.options):
        if verdict.standing is Standing.EXCLUDED:
            found |= {(verdict.option, reason.rule) for reason in verdict.reasons}
        for regimen, reasons in verdict.dropped:
            found |= {(f"{verdict.option}:{regimen}", reason.rule) for reason in reasons}
    return tuple(sorted(found))


def _age(record: Doc, day: date | None) -> int | None:
    """Years of age on a day, at least."""
    born = read_date(record.get("birthDate"))
    if born is None or day is None or born.latest > day:
        return None
    last = born.latest
    return day.year - last.year - ((day.month, day.day) < (last.month, last.day))


def _subject_of(docs: Iterable[Doc]) -> str:
    """The id of the patient as the resources name it, where no Patient came."""
    for doc in docs:
        ref = reference(doc.get("subject")) or reference(doc.get("patient"))
        if ref:
            return ref.rstrip("/").rpartition("/")[2]
    return "unknown"
