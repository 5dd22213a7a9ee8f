"""Compares what the service answers to generated patients with the truth they were built with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cds_service.errors import RequestError
from cds_service.fhir import record_to_call
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.generate import Patient
from cds_service.tools.synthetic.truth import Expected, Truth
from tests.support import offline
from tests.support.observed import read_answer


@dataclass(slots=True)
class Table:
    """How many patients were expected in each row, and how many answers agreed."""

    expected: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreed: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def compare(patients: Iterable[Patient], knowledge: Knowledge, today: date) -> Table:
    """Send every call, and every record, through the service and compare."""
    table = Table()
    for patient in patients:
        key = _key(patient.truth)
        table.expected[key] += 1
        table.rules[patient.story.lead.rule] += 1
        wrong = list(_differences(patient, knowledge, today))
        table.agreed[key] += not wrong
        table.wrong += wrong
    return table


def _key(truth: Truth) -> tuple[str, str]:
    if truth.status != 200:
        return str(truth.status), "(412)"
    if truth.cards:
        return truth.cards[0].row, str(truth.cards[0].card)
    return truth.silent_row or "none", "(silence)"


def _differences(patient: Patient, knowledge: Knowledge, today: date) -> Iterator[str]:
    calls = {"call": json.dumps(patient.call).encode()}
    if patient.record is not None:
        calls["record"] = record_to_call.as_call(
            json.dumps(patient.record).encode(), knowledge.index
        )
    pieces = [patient.story.trigger.id, *(p.id for p in patient.story.pieces)]
    about = f"{patient.id} {patient.release} {patient.habits} {' '.join(pieces)}"
    for kind, call in calls.items():
        got = answer(call, knowledge, today)
        if got != patient.truth:
            yield f"{about} ({kind}):\n  wanted {patient.truth}\n  got    {got}"


def answer(call: bytes, knowledge: Knowledge, today: date) -> Truth:
    """What the service says, in the words of the truth."""
    try:
        body: dict[str, Any] = json.loads(offline.answer(call, knowledge, today))
    except RequestError as error:
        return Truth(error.status)
    seen = read_answer(body)
    cards = tuple(
        Expected(card.row, card.card, card.tier, _offered(card.offers)) for card in seen.cards
    )
    silent = next((str(item["row"]) for item in seen.silent), None)
    return Truth(200, cards, silent)


def _offered(offers: set[str]) -> tuple[str, ...]:
    return tuple(name for name in ("celecoxib", "indomethacin", "radiotherapy") if name in offers)
