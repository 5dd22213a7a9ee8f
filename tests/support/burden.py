"""The elective hip list of the clinical decisions (5a), simulated, and how often it gets a card.

The frequencies are assumptions, not data of patients.
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
from cds_service.trust.tokens import ANONYMOUS

DAY = date(2026, 11, 23)
ORDERS, SEED = 2000, 5
CARDED_MOST, WARNED_MOST = 13.0, 3.0
"""Cards, and warnings, of 100 orders."""
APART = frozenset({"11", "12", "12h", "9q", "6u", "question", "family"})
"""Rows that are counted apart: questions, and what was not read."""

CM = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
SUBJECT = {"subject": {"reference": "Patient/p"}}
# Problems of one patient: chance, code, name.
PROBLEMS = (
    (0.25, "M16.0", "Bilateral primary osteoarthritis of hip"),
    (0.012, "M45.9", "Ankylosing spondylitis"),
    (0.01, "M48.10", "Ankylosing hyperostosis"),
    (0.005, "M88.9", "Osteitis deformans"),
    (0.01, "M61.551", "Other ossification of muscle, right thigh"),
    (0.005, "S06.2X9S", "Diffuse traumatic brain injury, sequela"),
    (0.02, "M16.51", "Unilateral post-traumatic osteoarthritis, right hip"),
    (0.18, "I25.10", "Coronary artery disease"),
    (0.55, "I10", "Essential hypertension"),
)
# Operations: up to which share, code, name.
OPERATIONS = (
    (0.07, "27134", "Revision of total hip arthroplasty"),
    (0.10, "27132", "Conversion to total hip arthroplasty"),
    (1.00, "27130", "Total hip arthroplasty"),
)
BOTH_HIPS, CELECOXIB, MEN = 0.03, 0.5, 0.44
RESULTS = (
    ("98979-8", "eGFR", 80, "mL/min/{1.73_m2}"),
    ("2823-3", "Potassium", 4.2, "mmol/L"),
    ("777-3", "Platelets", 250, "10*3/uL"),
)
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
    problems = [
        {"resourceType": "Condition", "id": f"c{n}", **SUBJECT, "code": _coded(CM, code, name)}
        for n, (chance, code, name) in enumerate(PROBLEMS)
        if rng.random() < chance
    ]
    kind = rng.random()
    code, name = next((code, name) for share, code, name in OPERATIONS if kind < share)
    sides = ["right", "left"] if rng.random() < BOTH_HIPS else ["right"]
    orders = [_hip(n, code, name, side) for n, side in enumerate(sides)]
    if rng.random() < CELECOXIB:
        orders.append(_celecoxib(rng.choice([5, 7, 10, 14, 30])))
    born = DAY - timedelta(days=int(365.25 * rng.triangular(45, 92, 68)))
    sex = "male" if rng.random() < MEN else "female"
    patient = {"resourceType": "Patient", "id": "p", "gender": sex, "birthDate": born.isoformat()}
    read = {"conditions": _bundle(problems), "observations": _bundle(_results())}
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/s",
            "patientId": "p",
            "draftOrders": _bundle(orders, "collection"),
        },
        "prefetch": {"patient": patient, **{name: _bundle([]) for name in EMPTY}, **read},
    }


def _hip(n: int, code: str, name: str, side: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": f"o{n}",
        "status": "draft",
        "intent": "order",
        **SUBJECT,
        "code": _coded(CPT, code, name),
        "bodySite": [_coded(SNOMED, SIDES[side], side)],
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
        "medicationCodeableConcept": _coded(RXNORM, "205323", "celecoxib 200 MG Oral Capsule"),
        "dosageInstruction": [{"timing": {"repeat": twice}, "doseAndRate": [dose]}],
    }


def _results() -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Observation",
            "id": f"l{n}",
            "status": "final",
            **SUBJECT,
            "code": _coded(LOINC, code, name),
            "effectiveDateTime": "2026-11-15",
            "valueQuantity": {
                "value": value,
                "unit": unit,
                "code": unit,
                "system": "http://unitsofmeasure.org",
            },
        }
        for n, (code, name, value, unit) in enumerate(RESULTS)
    ]


def _coded(system: str, code: str, name: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": name}], "text": name}


def _bundle(resources: list[dict[str, Any]], kind: str = "searchset") -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"resource": resource} for resource in resources],
    }
