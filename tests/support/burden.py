"""The elective hip list of the clinical decisions (5a), simulated, and how often it gets a card.

What is drawn stands in the population `elective-hip`; the frequencies are assumptions, not data of
patients.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from cds_service import hooks
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.catalogue import Habits, coded
from cds_service.tools.synthetic.population.elective import CELECOXIB, draw
from cds_service.tools.synthetic.population.wish import book_of_populations
from cds_service.trust.tokens import ANONYMOUS

DAY = date(2026, 11, 23)
ORDERS, SEED = 2000, 5
CARDED_MOST, WARNED_MOST = 13.0, 3.0
"""Cards, and warnings, of 100 orders."""
APART = frozenset({"11", "12", "12h", "9q", "6u", "question", "family"})
"""Rows that are counted apart: questions, and what was not read."""

SUBJECT = {"subject": {"reference": "Patient/p"}}
SIDES = {"right": "24028007", "left": "7771000"}
EMPTY = (
    "procedures",
    "medications",
    "medicationStatements",
    "allergies",
    "familyHistory",
    "serviceRequests",
)


@dataclass(slots=True)
class Burden:
    """What was answered to a list of orders; `words` are those of each detail."""

    orders: int
    seed: int
    carded: int = 0
    warned: int = 0
    apart: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    words: list[int] = field(default_factory=list)

    def of_100(self, count: int) -> float:
        """A count as a share of 100 orders."""
        return 100 * count / self.orders

    @property
    def median_words(self) -> float:
        return statistics.median(self.words)

    @property
    def p90_words(self) -> float:
        return statistics.quantiles(self.words, n=10)[8]


def simulate(knowledge: Knowledge, orders: int = ORDERS, seed: int = SEED) -> Burden:
    """Answer `orders` calls as the service answers them."""
    return asyncio.run(_simulate(knowledge, orders, seed))


async def _simulate(knowledge: Knowledge, orders: int, seed: int) -> Burden:
    rng, runtime = random.Random(seed), hooks.offline(knowledge, DAY)
    seen = Burden(orders, seed)
    for _ in range(orders):
        body = json.dumps(call(rng)).encode()
        consultation = await hooks.consult(None, body, ANONYMOUS, runtime)
        shown = [g for g in consultation.explained()[1].guidances if g.card]
        ours = [g for g in shown if g.row not in APART]
        seen.rows.update(f"{g.row} {g.card} ({g.indicator})" for g in shown)
        seen.carded += bool(ours)
        seen.warned += any(g.indicator == "warning" for g in ours)
        seen.apart += len(shown) > len(ours)
        seen.words += [len(card.get("detail", "").split()) for card in consultation.answer["cards"]]
    return seen


def call(rng: random.Random) -> dict[str, Any]:
    """One elective hip order with its chart, all inputs read."""
    case = draw(rng)
    problems = [
        {"resourceType": "Condition", "id": f"c{n}", **SUBJECT, "code": _coded(line["code"])}
        for n, line in enumerate(case.problems)
    ]
    orders = [_hip(n, case.operation["code"], side) for n, side in enumerate(case.sides)]
    if case.celecoxib_days:
        orders.append(_celecoxib(case.celecoxib_days))
    born = DAY - timedelta(days=int(365.25 * case.age))
    patient = {"resourceType": "Patient", "id": "p", "gender": case.sex}
    read = {"conditions": _bundle(problems), "observations": _bundle(_results())}
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/s",
            "patientId": "p",
            "draftOrders": _bundle(orders, "collection"),
        },
        "prefetch": {
            "patient": patient | {"birthDate": born.isoformat()},
            **{name: _bundle([]) for name in EMPTY},
            **read,
        },
    }


def _hip(n: int, line: str, side: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": f"o{n}",
        "status": "draft",
        "intent": "order",
        **SUBJECT,
        "code": _coded(line),
        "bodySite": [_coded(f"sct {SIDES[side]} {side}")],
    }


def _celecoxib(days: int) -> dict[str, Any]:
    """Celecoxib as analgesia."""
    lasts = {"value": days, "code": "d"}
    twice = {"frequency": 2, "period": 1, "periodUnit": "d", "boundsDuration": lasts}
    dose = {"doseQuantity": {"value": 200, "unit": "mg"}}
    return {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "draft",
        "intent": "order",
        **SUBJECT,
        "medicationCodeableConcept": _coded(CELECOXIB),
        "dosageInstruction": [{"timing": {"repeat": twice}, "doseAndRate": [dose]}],
    }


def _results() -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Observation",
            "id": f"l{n}",
            "status": "final",
            **SUBJECT,
            "code": _coded(result["code"]),
            "effectiveDateTime": "2026-11-15",
            "valueQuantity": {
                "value": result["value"],
                "unit": result["unit"],
                "code": result["unit"],
                "system": "http://unitsofmeasure.org",
            },
        }
        for n, result in enumerate(book_of_populations()["elective"]["results"])
    ]


def _coded(line: str) -> dict[str, Any]:
    return coded(line, Habits.US)


def _bundle(resources: list[dict[str, Any]], kind: str = "searchset") -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"resource": resource} for resource in resources],
    }
