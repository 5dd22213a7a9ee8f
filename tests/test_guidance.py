"""What must hold for every patient, found by hypothesis on generated charts.

Examples are few, so that the suite stays quick; a deep search is
`HYPOTHESIS_PROFILE=deep pytest tests/test_guidance.py`.
"""

from __future__ import annotations

import os
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request
from tests.support.fixture_book import EVERYDAY
from tests.support.observed import SeenAnswer, read_answer
from tests.support.shorthand import SYSTEMS

URL = "/cds-services/ho-order-sign"
SEVERITY = {"info": 1, "warning": 2, "critical": 3}
QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile(
    "quick", settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=QUIET)
)
settings.register_profile(
    "deep", settings(max_examples=500, deadline=None, suppress_health_check=QUIET)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

ORDINARY = "icd10cm I10 Essential hypertension"
"""In every list: a list of junk alone counts as not read, which is another matter."""
CONDITIONS = [
    "sct 444748003 Postoperative HO | onset 2019-06-02",
    "icd10cm M61.551 HO of right thigh",
    "icd10cm M61.511 HO of right shoulder",
    "icd10cm M45.9 Ankylosing spondylitis",
    "icd10cm M48.10 DISH",
    "icd10cm M24.651 Ankylosis of right hip",
    "icd10cm S32.401A Fracture of right acetabulum | onset 30 days ago",
    "icd10cm M16.0 Bilateral osteoarthritis of hip",
    "icd10cm S06.2X9S Brain injury sequela",
    "icd10cm M06.9 Rheumatoid arthritis",
    "icd10cm G20.A1 Parkinson's disease",
    "icd10cm K50.90 Crohn's disease",
    "icd10cm N18.30 Chronic kidney disease stage 3",
    "icd10cm I25.10 Coronary disease",
    "icd10cm Q82.1 Xeroderma pigmentosum",
    "icd10cm C50.911 Breast cancer",
    "icd10cm I48.91 Atrial fibrillation",
]
GENETIC = [
    "sct 82725007 Progressive myositis ossificans",
    "icd10cm M61.10 Myositis ossificans progressiva",
    "orpha 2762 Progressive osseous heteroplasia",
]
PROCEDURES = [
    "pcs 0SU90BZ Resurfacing of right hip | on 2010-03-01",
    "sct 428829005 Radiotherapy to pelvis | on 2010-01-01",
    "sct 232717009 Coronary artery bypass grafting | on 10 days ago",
]
MEDICATIONS = [
    "rxnorm 11289 warfarin",
    "rxnorm 1364430 apixaban",
    "rxnorm 36437 sertraline",
    "rxnorm 6851 methotrexate",
    "rxnorm 5640 ibuprofen | 400 mg three times daily | as needed",
]
ALLERGIES = [
    "rxnorm 1191 aspirin",
    "sct 372788003 Sulfonamide antibacterial",
]
OBSERVATIONS = [
    "loinc 33914-3 eGFR | = 25 mL/min/{1.73_m2} | on 10 days ago",
    "loinc 33914-3 eGFR | = 45 mL/min/{1.73_m2} | on 20 days ago",
    "loinc 2823-3 Potassium | = 5.3 mmol/L | on 10 days ago",
    "loinc 777-3 Platelets | = 60 10*3/uL | on 10 days ago",
]
COURSE = "rxnorm 205323 celecoxib | 200 mg twice daily for 10 days"
ORDERS = [
    "right hip replacement",
    "left hip replacement",
    "hip hemiarthroplasty",
    "right hip revision",
    "muscle biopsy",
    "excision of heterotopic bone",
    "knee replacement",
    "rxnorm 35827 ketorolac | single dose | route im",
    COURSE,
]
CONTRAINDICATIONS = [
    ("conditions", "icd10cm K25.9 Gastric ulcer"),
    ("conditions", "icd10cm I50.9 Heart failure"),
    ("conditions", "icd10cm D66 Haemophilia"),
    ("conditions", "icd10cm N18.5 Chronic kidney disease stage 5"),
    ("conditions", "icd10cm Z92.3 Personal history of irradiation"),
    ("conditions", "icd10cm G40.909 Epilepsy"),
    ("conditions", "sct 77386006 Pregnant | recorded 30 days ago"),
    ("allergies", "rxnorm 1191 aspirin"),
    ("allergies", "sct 372788003 Sulfonamide antibacterial"),
    ("medications", "rxnorm 11289 warfarin"),
    ("medications", "rxnorm 42351 lithium carbonate"),
    ("procedures", "sct 428829005 Radiotherapy to pelvis | on 2010-01-01"),
]
UNRELATED: list[tuple[str, Any]] = [
    *[("conditions", f"icd10cm {code} {words}") for code, words in EVERYDAY.items()],
    ("conditions", "local X-1 Something of the house"),
    ("procedures", "local P-1 Hand washing"),
    ("medications", "rxnorm 723 amoxicillin"),
    ("medications", "text Vitamin | stopped"),
    ("allergies", "rxnorm 7980 Penicillin G"),
    ("allergies", "text No known allergies"),
    ("observations", "local O-1 Mood | = 3 {score}"),
    ("conditions", {"raw": {"resourceType": "Basic", "id": "odd"}}),
    ("conditions", {"raw": "junk"}),
]
CHART = ("conditions", "procedures", "medications", "allergies", "observations")


def some(pool: list[str], most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(pool), max_size=most, unique=True)


PATIENTS = st.fixed_dictionaries(
    {
        "patient": st.fixed_dictionaries(
            {
                "age": st.sampled_from([17, 24, 39, 45, 60, 65, 75, 90]),
                "sex": st.sampled_from(["male", "female"]),
            }
        ),
        "orders": some(ORDERS, 2).map(lambda orders: ["right hip replacement", *orders]),
        "chart": st.fixed_dictionaries(
            {
                "conditions": some(CONDITIONS, 4).map(lambda found: [*found, ORDINARY]),
                "procedures": some(PROCEDURES, 2),
                "medications": some(MEDICATIONS, 2),
                "allergies": some(ALLERGIES, 1),
                "observations": some(OBSERVATIONS, 2),
            }
        ),
    }
)
AT_RISK = PATIENTS.map(lambda patient: added(patient, "conditions", CONDITIONS[0]))
"""Patients whose problem list alone makes the tier high."""


@pytest.fixture(scope="module")
def app(make_client: ClientFactory) -> AppClient:
    return make_client()


def added(patient: dict[str, Any], name: str, item: Any) -> dict[str, Any]:
    """The same patient with one more line in the chart."""
    result = deepcopy(patient)
    result["chart"][name] = [*result["chart"][name], item]
    return result


def ask(app: AppClient, body: dict[str, Any]) -> SeenAnswer:
    """Post a request; the client runs the wire checker on the answer."""
    response = app.post(URL, json=body)
    assert response.status_code == 200, response.text
    return read_answer(response.content)


def decision(answer: SeenAnswer) -> object:
    """What was decided, without the words and references."""
    return [
        (
            card.indicator, card.row, card.card, card.tier, card.drafted,
            {
                name: (option.standing, option.regimen, frozenset(option.rules))
                for name, option in card.options.items()
            },
        )
        for card in answer.cards
    ], [item["row"] for item in answer.silent]  # fmt: skip


def words(answer: SeenAnswer) -> list[str]:
    return [card.words for card in answer.cards]


def severity(answer: SeenAnswer) -> int:
    return max((SEVERITY[card.indicator] for card in answer.cards), default=0)


def standings(answer: SeenAnswer) -> set[tuple[str, str, str]]:
    """Card, option and how it stands."""
    return {
        (card.card, name, option.standing)
        for card in answer.cards
        for name, option in card.options.items()
    }


def options(answer: SeenAnswer) -> set[tuple[str, str]]:
    """Options open on each card."""
    return {
        (card.card, name)
        for card in answer.cards
        for name, option in card.options.items()
        if option.standing != "excluded"
    }


@given(patient=PATIENTS, extra=st.sampled_from(UNRELATED))
def test_unrelated_resource_changes_nothing(
    app: AppClient, patient: dict[str, Any], extra: tuple[str, Any]
) -> None:
    before = ask(app, request(patient))
    after = ask(app, request(added(patient, *extra)))
    assert decision(after) == decision(before)
    assert words(after) == words(before)


@pytest.mark.statement("PD-09")
@given(patient=PATIENTS, seed=st.integers(0, 10_000))
def test_order_of_entries_changes_nothing(
    app: AppClient, patient: dict[str, Any], seed: int
) -> None:
    body = request(patient)
    shuffled = deepcopy(body)
    for holder in shuffled["prefetch"].values():
        random.Random(seed).shuffle(holder.get("entry", []))
    assert decision(ask(app, shuffled)) == decision(ask(app, body))
    assert words(ask(app, shuffled)) == words(ask(app, body))


@given(patient=PATIENTS, name=st.sampled_from(CHART))
def test_duplicates_change_nothing(app: AppClient, patient: dict[str, Any], name: str) -> None:
    body = request(patient)
    doubled = deepcopy(body)
    for entry in deepcopy(doubled["prefetch"][name].get("entry", [])):
        entry["resource"]["id"] += "-again"
        doubled["prefetch"][name]["entry"].append(entry)
    assert decision(ask(app, doubled)) == decision(ask(app, body))


@pytest.mark.statement("FV-02")
@given(patient=PATIENTS, release=st.sampled_from(["R5", "STU3"]))
def test_release_changes_nothing(app: AppClient, patient: dict[str, Any], release: str) -> None:
    before, after = ask(app, request(patient)), ask(app, request(patient, release))
    assert decision(after) == decision(before)
    same = [text.replace("ProcedureRequest/", "ServiceRequest/") for text in words(after)]
    assert same == words(before)


def rewrite(value: Any, system: str, change: Any) -> None:
    """Change every coding of a system, in place."""
    if isinstance(value, dict):
        if value.get("system") == system and "code" in value:
            value |= change(value)
        for member in value.values():
            rewrite(member, system, change)
    elif isinstance(value, list):
        for member in value:
            rewrite(member, system, change)


FORMS = {
    "no dot": lambda coding: {"code": coding["code"].replace(".", "")},
    "lower case": lambda coding: {"code": coding["code"].lower()},
    "blanks": lambda coding: {"code": f" {coding['code']} "},
    "oid": lambda coding: {"system": "urn:oid:2.16.840.1.113883.6.90"},
    "slash": lambda coding: {"system": coding["system"] + "/"},
    "version": lambda coding: {"system": coding["system"] + "|2026"},
}


@given(patient=PATIENTS, form=st.sampled_from(sorted(FORMS)))
def test_form_of_code_and_system_changes_nothing(
    app: AppClient, patient: dict[str, Any], form: str
) -> None:
    body = request(patient)
    other = deepcopy(body)
    rewrite(other, SYSTEMS["icd10cm"], FORMS[form])
    assert decision(ask(app, other)) == decision(ask(app, body))


@given(patient=PATIENTS, code=st.sampled_from(["icd10cm M81.0", "sct 64859006", "icd9 733.00"]))
def test_osteoporosis_changes_nothing(app: AppClient, patient: dict[str, Any], code: str) -> None:
    before = ask(app, request(patient))
    after = ask(app, request(added(patient, "conditions", f"{code} Osteoporosis")))
    assert decision(after) == decision(before)


@given(patient=PATIENTS, disease=st.sampled_from(GENETIC))
def test_genetic_ho_never_lowers_the_severity(
    app: AppClient, patient: dict[str, Any], disease: str
) -> None:
    before = ask(app, request(patient))
    after = ask(app, request(added(patient, "conditions", disease)))
    assert severity(after) >= max(severity(before), SEVERITY["warning"])


@given(
    patient=PATIENTS,
    disease=st.sampled_from([*GENETIC, *CONDITIONS]),
    status=st.sampled_from(["refuted", "entered-in-error"]),
)
def test_refuted_and_entered_in_error_change_nothing(
    app: AppClient, patient: dict[str, Any], disease: str, status: str
) -> None:
    before = ask(app, request(patient))
    after = ask(app, request(added(patient, "conditions", f"{disease} | {status}")))
    assert decision(after) == decision(before)


LOST = {
    "name": st.sampled_from(["patient", "procedures", "medications", "allergies", "observations"]),
    "how": st.sampled_from(["missing", "failed", "partial"]),
}


def without(patient: dict[str, Any], name: str, how: str) -> dict[str, Any]:
    """The request with one input lost; a single resource has no pages, so it fails instead."""
    return request(patient | {"failed" if (name, how) == ("patient", "partial") else how: [name]})


@given(patient=AT_RISK, **LOST)
def test_lost_input_is_never_an_all_clear(
    app: AppClient, patient: dict[str, Any], name: str, how: str
) -> None:
    patient["orders"] = [order for order in patient["orders"] if order != COURSE]
    before, after = ask(app, request(patient)), ask(app, without(patient, name, how))
    doubtful = {pair for pair in standings(before) if pair[2] != "offered"}
    clear = {pair for pair in standings(after) if pair[2] == "offered"}
    assert not {pair[:2] for pair in doubtful} & {pair[:2] for pair in clear}
    assert after.cards


HIDES_A_CONFLICT = {
    "allergies": "rxnorm 1191 aspirin",
    "medications": "rxnorm 11289 warfarin",
    "observations": "loinc 33914-3 eGFR | = 25 mL/min/{1.73_m2} | on 10 days ago",
    "procedures": "sct 232717009 Coronary artery bypass grafting | on 10 days ago",
}


@pytest.mark.parametrize("how", ["missing", "failed", "partial"])
@pytest.mark.parametrize("name", HIDES_A_CONFLICT)
def test_lost_input_never_hides_a_conflict(app: AppClient, name: str, how: str) -> None:
    """A course is ordered; what would rule it out stands in the input that gets lost."""
    patient = {
        "patient": {"age": 60, "sex": "female"},
        "orders": ["right hip replacement", COURSE],
        "chart": {"conditions": [CONDITIONS[0]], name: [HIDES_A_CONFLICT[name]]},
    }
    assert ask(app, request(patient)).cards[0].card == "prophylaxis-conflict"
    assert ask(app, without(patient, name, how)).cards, "an ordered course that was not checked"


@given(patient=AT_RISK, more=st.sampled_from(CONTRAINDICATIONS))
def test_contraindication_never_adds_an_option(
    app: AppClient, patient: dict[str, Any], more: tuple[str, str]
) -> None:
    before = ask(app, request(patient))
    after = ask(app, request(added(patient, *more)))
    cards = {card.card for card in before.cards} & {card.card for card in after.cards}
    gained = {pair for pair in options(after) - options(before) if pair[0] in cards}
    assert not gained
    assert severity(after) >= severity(before)


@given(patient=AT_RISK)
def test_accepted_suggestion_is_heard_at_the_next_signature(
    app: AppClient, patient: dict[str, Any]
) -> None:
    body = request(patient)
    answer = app.post(URL, json=body).json()
    for card in answer["cards"]:
        for suggestion in card.get("suggestions", []):
            drafts = [
                action["resource"] for action in suggestion["actions"] if "resource" in action
            ]
            again = deepcopy(body)
            again["context"]["draftOrders"]["entry"] += [{"resource": draft} for draft in drafts]
            after = ask(app, again)
            assert severity(after) <= severity(read_answer(answer))
