"""What the service says of a patient, in the words of the exported plan, beside a second engine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import msgspec
from msgspec import Raw

from cds_service.clinical.assessment import Assessment, Effect, Guidance
from cds_service.clinical.chart import Chart, DraftOrder
from cds_service.clinical.days import Days
from cds_service.clinical.evaluate import CallFacts, OrderView
from cds_service.clinical.exclusions import reasons_for
from cds_service.clinical.genetic import family_findings, genetics
from cds_service.clinical.logic import Answer
from cds_service.clinical.triggers import kind_of, one_session, trigger_of
from cds_service.fhir.completeness import signals_for
from cds_service.fhir.draft_orders import Drafts
from cds_service.fhir.mentions import mentions_of
from cds_service.fhir_map import ChartReader
from cds_service.guidance import assess
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.cql.exclusions import exported, standing
from cds_service.knowledge.published.rows import actions
from cds_service.knowledge.when import When
from tests.support.second_engine import KNOWN, Said

Value = bool | None
Values = Mapping[str, Value]
_RANK: Final = (Answer.NO, Answer.UNKNOWN, Answer.YES)
_VALUE: Final = {Answer.YES: True, Answer.NO: False, Answer.UNKNOWN: None}
HIP: Final = ("arthroplasty", "excision-ho")


@dataclass(frozen=True, slots=True)
class Ours:
    """One patient by the service: `values` by rule, what was decided, and what the chart held."""

    id: str
    call: Mapping[str, Any]
    values: Values
    known: Mapping[str, bool]
    chart: Chart
    orders: tuple[DraftOrder, ...]
    facts: CallFacts
    assessment: Assessment

    @property
    def rows(self) -> frozenset[str]:
        return frozenset(one.row for one in self.assessment.guidances)


def ours(id_: str, call: Mapping[str, Any], knowledge: Knowledge, today: date) -> Ours:
    """What the service says of the patient of a call, as far as the plan has words for it."""
    days = Days.of(today)
    patient = str(call["context"]["patientId"])
    named, signals = knowledge.once(mentions_of), signals_for(knowledge, None)
    reader = ChartReader(knowledge.index, patient, days, named, signals=signals)
    reader.read_prefetch(msgspec.json.decode(json.dumps(call.get("prefetch") or {}), type=_RAWS))
    drafts = Raw(json.dumps(call["context"]["draftOrders"]).encode())
    read = Drafts(drafts, knowledge.index, patient, days, named).read(reader)
    chart = reader.chart()
    assessment = assess(chart, read.orders, knowledge, days, unread=read.unread)
    live = tuple(one for one in read.orders if one.live)
    hips = [one for one in live if kind_of(one, knowledge) == "arthroplasty"]
    facts = CallFacts(chart, days, live, both_hips=one_session(hips))
    known = {name: chart.input(input_).known for name, input_ in KNOWN.items()}
    values = {
        **_orders(live, knowledge),
        **_genetic(facts, knowledge),
        **rules_of(facts, knowledge),
        **_cards(assessment, knowledge),
        **_options(facts, assessment, knowledge),
    }
    return Ours(id_, call, values, known, chart, read.orders, facts, assessment)


_RAWS = dict[str, Raw]


def _orders(live: Iterable[DraftOrder], knowledge: Knowledge) -> Values:
    """Each trigger by itself, for an order of several kinds is decided as the first of them."""
    listed, alone = list(live), knowledge.once(_alone)
    return {
        f"order {id_}": any(trigger_of(one, alone[id_]) is not None for one in listed)
        for id_, trigger in knowledge.triggers.items()
        if trigger.enabled
    }


def _alone(knowledge: Knowledge) -> Mapping[str, Knowledge]:
    """The content with one trigger alone, and with one genetic disease; for `Knowledge.once`."""
    triggers = {id_: replace(knowledge, triggers={id_: t}) for id_, t in knowledge.triggers.items()}
    genetic = {id_: replace(knowledge, genetic={id_: g}) for id_, g in knowledge.genetic.items()}
    return {**triggers, **genetic}


def _genetic(facts: CallFacts, knowledge: Knowledge) -> Values:
    """On record is what the chart itself says of each disease, whichever of them decides."""
    family = {one.rule for one in family_findings(facts.chart, knowledge)}
    values: dict[str, Value] = {}
    for id_, rule in knowledge.genetic.items():
        alone = genetics(facts, knowledge.once(_alone)[id_])
        values[f"genetic {id_}"] = alone.rule is not None
        values[f"family {id_}"] = id_ in family
        values[f"certain {rule.id}"] = alone.certain
    return values


def rules_of(facts: CallFacts, knowledge: Knowledge, only: str | None = None) -> Values:
    """Factors and exclusions, of whichever hip order says most; nothing where no hip is ordered.

    `only` is the id of the one rule that is asked for.
    """
    hips = [one for one in facts.orders if kind_of(one, knowledge) in HIP]
    joints = [one for one in hips if kind_of(one, knowledge) == "arthroplasty"]
    values: dict[str, Value] = {}
    for factor in knowledge.factors.values() if joints else ():
        if factor.enabled and only in (None, factor.id):
            values[f"factor {factor.id}"] = _asked(facts, joints, factor.when, cautious=False)
    for rule in exported(knowledge) if hips else ():
        if only in (None, rule.id):
            values[f"exclusion {rule.id}"] = _asked(facts, hips, rule.when, cautious=True)
    return values


def _asked(facts: CallFacts, orders: Iterable[DraftOrder], when: When, *, cautious: bool) -> Value:
    found = [_exact(facts.view(one, cautious=cautious), when) for one in orders]
    return _VALUE[max(found, key=_RANK.index)]


def _exact(view: OrderView, when: When) -> Answer:
    """As `OrderView.ask`, which takes all that is not in the chart for unknown as soon as any input
    is: here only what an unread input would answer is unknown."""
    if when.any:
        return max((_exact(view, part) for part in when.any), key=_RANK.index)
    if when.all:
        return min((_exact(view, part) for part in when.all), key=_RANK.index)
    return view.test(when).answer


def plan_cards(knowledge: Knowledge) -> frozenset[str]:
    """The cards that an action of the plan stands for."""
    ids = (one.id for one in actions(knowledge))
    return frozenset(id_.removeprefix("row ") for id_ in ids if id_.startswith("row "))


def cards_of(assessment: Assessment) -> frozenset[str]:
    """The cards that come, with those that are told on another's card."""
    found = {one.card for one in assessment.spoken if one.card}
    found |= {also.card for one in assessment.spoken for also in one.also}
    if assessment.unassessable:
        found.add("not-assessed")
    return frozenset(found)


def _cards(assessment: Assessment, knowledge: Knowledge) -> Values:
    shown = cards_of(assessment)
    return {f"card {card}": card in shown for card in {*plan_cards(knowledge), *shown}}


def _options(facts: CallFacts, assessment: Assessment, knowledge: Knowledge) -> Values:
    """What is drafted, and what rules an option out, where options were weighed at all."""
    weighed = [one for one in assessment.guidances if one.options]
    if not weighed:
        return {}
    drafted = set(_drafted(weighed))
    out: dict[str, Value] = {}
    for name in standing(knowledge):
        offer = f"offer {_drug(name, knowledge)}"
        out[offer] = out.get(offer) or name in drafted
        option = next((o.id for o in knowledge.options.values() if name in o.regimens), None)
        targets = [one for one in (name, option) if one]
        views = [facts.view(o, cautious=True) for one in weighed for o in one.orders]
        out[f"ruled out {name}"] = any(_ruled_out(targets, view, knowledge) for view in views)
    return out


def _ruled_out(targets: Iterable[str], view: OrderView, knowledge: Knowledge) -> bool:
    reasons = (r for t in targets for r in reasons_for(t, view, knowledge, ordered=False))
    return any(one.effect is Effect.EXCLUDE and not one.unknown for one in reasons)


def _drug(name: str, knowledge: Knowledge) -> str:
    """The drug of a course: one course of each drug is offered here, and each that may be there."""
    return knowledge.regimens[name].drug if name in knowledge.regimens else name


def _drafted(weighed: Iterable[Guidance]) -> Iterator[str]:
    for guidance in weighed:
        for verdict in guidance.options:
            if verdict.drafted:
                yield verdict.regimen or verdict.option
                yield from verdict.alternatives


def theirs(said: Said, knowledge: Knowledge) -> Values:
    """What the second engine says, by the same names."""
    defines, applied = said.defines, said.actions
    values: dict[str, Value] = {}
    for id_, trigger in knowledge.triggers.items():
        if trigger.enabled:
            values[f"order {id_}"] = defines["HOTriggers"][id_]
    for id_ in knowledge.genetic:
        found = defines["HOGenetic"]
        values[f"genetic {id_}"] = found[f"{id_} on record or suspected"]
        values[f"family {id_}"] = found[f"{id_} in the family"] is True
        values[f"certain {id_}"] = found[f"{id_} on record"] is True
    for factor in knowledge.factors.values():
        if factor.enabled:
            values[f"factor {factor.id}"] = defines["HOFactors"][factor.id]
    for rule in exported(knowledge):
        values[f"exclusion {rule.id}"] = defines["HOExclusions"][rule.id]
    for card in plan_cards(knowledge):
        values[f"card {card}"] = f"row-{card}" in applied
    for name in standing(knowledge):
        offer = f"offer {_drug(name, knowledge)}"
        values[offer] = values.get(offer) or f"offer-{name}" in applied
        values[f"ruled out {name}"] = defines["HOExclusions"][f"{name} ruled out"]
    return values
