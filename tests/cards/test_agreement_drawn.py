"""No card contradicts itself beside medicines in words, stopped courses and a staged second hip."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.knowledge.loader import Knowledge
from tests.support import offline
from tests.support.builders import request
from tests.support.contradictions import contradictions
from tests.support.shorthand import TODAY

RISK = [
    "sct 444748003 Postoperative heterotopic ossification | onset 2018-04-09",
    "icd10cm M45.9 Ankylosing spondylitis",
    "icd10cm S32.401A Fracture of right acetabulum",
    "icd10cm S32.402A Fracture of left acetabulum | onset 40 days ago",
    "icd10cm S72.002A Fracture of neck of left femur",
    "icd10cm I25.10 Coronary disease",
    "icd10cm Z95.5 Presence of coronary angioplasty implant and graft",
    "text Herzinsuffizienz NYHA II",
    "text Heart failure",
    "icd10cm N18.30 Chronic kidney disease stage 3",
]
WORDS = [
    "text Eliquis 5 mg twice daily",
    "text Warfarin 5 mg",
    "text Naproxen 500 mg twice daily",
    "text Lithium carbonate 300 mg",
    "text Edurant 25 mg tablet",
    "text Vitamin D",
]
COURSES = [
    "rxnorm 205323 celecoxib | 200 mg twice daily for 10 days | stopped",
    "rxnorm 197817 indomethacin | 50 mg twice daily for 7 days | completed",
    "rxnorm 5640 ibuprofen | 400 mg three times daily | stopped",
    "rxnorm 205323 celecoxib | 200 mg twice daily | from 2026-10-01 to 2026-11-20",
    "rxnorm 5640 ibuprofen | 400 mg three times daily | from 2026-10-01 to 2026-12-20",
    "rxnorm 1364430 apixaban | 2.5 mg twice daily | from 2026-11-22 to 2026-12-20",
    "rxnorm 1364430 apixaban | 5 mg twice daily | stopped",
]
STAGED: list[dict[str, Any]] = [
    {"orders": ["right hip replacement"]},
    {"orders": ["right hip replacement", "left hip replacement"]},
    {"orders": ["right hip replacement"], "planned": ["left hip replacement"]},
    {
        "orders": [
            "right hip replacement",
            "left hip replacement",
            "rxnorm 197817 indomethacin | 25 mg three times daily for 42 days",
        ]
    },
    {"orders": ["left hip replacement", "rxnorm 205323 celecoxib | 200 mg twice daily for 5 days"]},
]


def some(pool: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(pool), max_size=most, unique=True)


@st.composite
def described(draw: st.DrawFn) -> dict[str, Any]:
    """A patient with these orders, as the cases describe one."""
    plan = draw(st.sampled_from(STAGED))
    chart: dict[str, Any] = {
        "conditions": ["icd10cm I10 Essential hypertension", *draw(some(RISK, 4))],
        "medications": [*draw(some(WORDS, 2)), *draw(some(COURSES, 3))],
    }
    if draw(st.booleans()):
        chart["statements"] = draw(some(WORDS, 2))
    if "planned" in plan:
        chart["planned"] = plan["planned"]
    patient = {"age": draw(st.sampled_from([33, 60, 67, 80])), "sex": "female"}
    return {"patient": patient, "orders": plan["orders"], "chart": chart}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(described())
def test_no_card_contradicts_itself(knowledge: Knowledge, chart: dict[str, Any]) -> None:
    body = json.loads(offline.answer(json.dumps(request(chart)).encode(), knowledge, TODAY))
    for card in body["cards"]:
        assert not contradictions(card, knowledge), card["detail"]
