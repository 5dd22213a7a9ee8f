"""Medicines known by their ingredients, or by nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    INDOMETHACIN,
    RXNORM,
    concept,
    read,
    resource,
)
from tests.support.medicines import medication_fact

# --- known by its ingredients, or by nothing ---

POINTING = {"medicationReference": {"reference": "#m"}}
BFARM_ATC = "http://fhir.de/CodeSystem/bfarm/atc"
HOUSE = {"resourceType": "Medication", "id": "m", "code": {"text": "Tablets of the house"}}
AMOXICILLIN = {"itemCodeableConcept": concept("723", RXNORM)}


def unnamed(*contained: Any, **more: Any) -> list[str]:
    """What is listed of a medicine that nobody here can name; empty where it is known."""
    found = resource("MedicationRequest", status="active", contained=list(contained), **more)
    return [entry.source.label for entry in read(found).unidentified]


@pytest.mark.parametrize(
    "ingredient",
    [
        {"itemCodeableConcept": INDOMETHACIN},
        {"item": {"concept": INDOMETHACIN}},
        {"item": {"reference": {"reference": "#s"}}},
        {"itemReference": {"reference": "#s"}},
    ],
)
def test_medicine_known_by_an_ingredient(ingredient: Any) -> None:
    substance = {"resourceType": "Substance", "id": "s", "code": INDOMETHACIN}
    house = HOUSE | {"ingredient": [AMOXICILLIN, ingredient]}
    fact = medication_fact(medicationReference={"reference": "#m"}, contained=[house, substance])
    assert fact.concepts >= {"nsaid", "indomethacin"}
    assert fact.source.label == "indomethacin"


def test_ingredient_of_dstu2_and_of_a_medication_sent_along() -> None:
    product = {"ingredient": [{"item": {"reference": "Substance/s"}}]}
    sent = {"medicationReference": {"reference": "Medication/m"}}
    chart = read(
        resource("MedicationOrder", status="active", **sent),
        HOUSE | {"product": product},
        {"resourceType": "Substance", "id": "s", "code": INDOMETHACIN},
    )  # fmt: skip
    assert "nsaid" in chart.medications[0].concepts


@pytest.mark.parametrize(
    ("ingredients", "listed"),
    [
        ([AMOXICILLIN], []),
        ([AMOXICILLIN, {"itemCodeableConcept": {"text": "Warfarin"}}], ["Tablets of the house"]),
        ([{"itemCodeableConcept": INDOMETHACIN, "isActive": False}], ["Tablets of the house"]),
        ([{"itemReference": {"reference": "#lost"}}, "junk"], ["Tablets of the house"]),
        ("junk", ["Tablets of the house"]),
    ],
)
def test_medicine_of_the_house_is_known_by_all_its_ingredients(
    ingredients: Any, listed: list[str]
) -> None:
    assert unnamed(HOUSE | {"ingredient": ingredients}, **POINTING) == listed


@pytest.mark.parametrize(
    ("more", "listed"),
    [
        ({}, [""]),
        ({"medicationCodeableConcept": {"text": "Warfarin"}}, ["Warfarin"]),
        ({"medicationCodeableConcept": concept("W", "urn:house", "Coumadin")}, ["Coumadin"]),
        ({"medicationCodeableConcept": {"coding": [{"code": "11289"}]}}, ["11289"]),
        ({"medicationCodeableConcept": {"coding": [{"system": RXNORM}]}}, [""]),
        ({"medicationCodeableConcept": concept("723", RXNORM + "/")}, ["723"]),
        ({"medicationCodeableConcept": concept("none", BFARM_ATC)}, ["none"]),
        ({"medicationCodeableConcept": {"text": "No current medications"}}, []),
        ({"medication": {"concept": {"text": "Warfarin"}}}, ["Warfarin"]),
        ({"medicationReference": {"reference": "#lost", "display": "Warfarin"}}, ["Warfarin"]),
        ({"medicationReference": {"display": "Warfarin"}}, ["Warfarin"]),
    ],
)  # fmt: skip
def test_medicine_nobody_can_name(more: Any, listed: list[str]) -> None:
    assert unnamed(**more) == listed


@pytest.mark.parametrize(
    "state", ["stopped", "completed", "cancelled", "entered-in-error", "not-taken"]
)
@pytest.mark.parametrize("shape", ["medicationCodeableConcept", "medication"])
def test_medicine_nobody_can_name_that_is_over(state: str, shape: str) -> None:
    named = {"text": "Warfarin"}
    given = {shape: named if shape == "medicationCodeableConcept" else {"concept": named}}
    assert read(resource("MedicationStatement", status=state, **given)).unidentified == ()
