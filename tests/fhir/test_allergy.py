"""Allergies of every release, and what is no allergy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    NSAID_SUBSTANCE,
    concept,
    read,
    resource,
    set_aside,
)

# --- allergies ---


@pytest.mark.parametrize(
    "shape",
    [
        {"code": NSAID_SUBSTANCE, "type": "allergy", "clinicalStatus": concept("active")},
        {"code": NSAID_SUBSTANCE, "type": {"coding": [{"code": "allergy"}]}},
        {"substance": NSAID_SUBSTANCE, "status": "confirmed", "type": "allergy"},
        {"code": {"text": "painkiller"}, "reaction": [{"substance": NSAID_SUBSTANCE}],
         "type": "allergy"},
        {"reaction": {"substance": NSAID_SUBSTANCE}, "type": "Allergy"},
    ],
)  # fmt: skip
def test_allergy_says_the_same_in_every_release(shape: dict[str, Any]) -> None:
    (fact,) = read(resource("AllergyIntolerance", **shape)).allergies
    assert fact.concepts == {"allergy-nsaid"}
    assert (fact.clinical, fact.verification, fact.kind) == ("active", "confirmed", "allergy")


def test_allergy_details() -> None:
    (fact,) = read(
        resource("AllergyIntolerance", code=NSAID_SUBSTANCE | {"text": "Ibuprofen"},
                 status="unconfirmed", type="guess", onsetDateTime="2001",
                 recorder={"display": "Nurse"})
    ).allergies  # fmt: skip
    assert (fact.verification, fact.kind) == ("unconfirmed", None)
    assert (fact.source.label, str(fact.source.date)) == ("Ibuprofen", "2001")
    assert fact.source.recorder == "Nurse"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"verificationStatus": concept("refuted")}, "refuted"),
        ({"verificationStatus": "entered-in-error"}, "entered-in-error"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"clinicalStatus": concept("inactive")}, "inactive"),
        ({"clinicalStatus": "resolved"}, "resolved"),
        ({"status": "inactive"}, "inactive"),
    ],
)
def test_allergies_that_do_not_count_are_set_aside(more: dict[str, Any], why: str) -> None:
    aside = set_aside(resource("AllergyIntolerance", code=NSAID_SUBSTANCE, **more))
    assert aside.why == why
    assert aside.concepts == {"allergy-nsaid"}


def test_no_known_allergy_is_no_fact() -> None:
    chart = read(resource("AllergyIntolerance", code=concept("716186003")))
    assert chart.allergies == ()
    assert chart.inputs[4].known
