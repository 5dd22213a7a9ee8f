"""The drug that a note names beside an allergy code which does not say which one."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir.reaction_notes import named_in_notes, notes_on
from cds_service.knowledge.drug_names import DrugNames
from cds_service.knowledge.loader import Knowledge


@pytest.mark.parametrize(
    "note",
    [
        "Diclofenac: Quaddeln",
        "hives after ibuprofen",
        "Urticaria 2h after Advil, no dyspnoea",
        "Patient cannot tolerate naproxen",
        "does not tolerate aspirin",
        "verträgt kein Voltaren",
        "Penicillin tolerated; rash with Bactrim",
        "tolerates paracetamol but not ibuprofen",
        "Asthme après aspirine",
        "ronchas con ketorolaco",
        "sulfa",
        "Reaktion auf Novalgin fraglich. Sicher: Indometacin",
        "No penicillin allergy. Celebrex: rash",
    ],
)
def test_notes_that_name_what_speaks_against_an_nsaid(knowledge: Knowledge, note: str) -> None:
    groups, clause = named_in_notes([note], knowledge.once(DrugNames))
    assert groups
    assert clause


@pytest.mark.parametrize(
    "note",
    [
        "",
        "hives",
        "Penicillin: rash",
        "tolerates ibuprofen",
        "No problem with aspirin",
        "verträgt Ibuprofen gut",
        "Amoxicillin rash; takes naproxen without problems",
        "denies aspirin allergy",
        "Keine Allergie gegen Aspirin",
    ],
)
def test_notes_that_name_nothing(knowledge: Knowledge, note: str) -> None:
    assert named_in_notes([note], knowledge.once(DrugNames)) == ((), "")


@pytest.mark.parametrize(
    "doc",
    [
        {"note": [{"text": "ibuprofen"}]},
        {"note": {"text": "ibuprofen"}},
        {"reaction": [{"description": "ibuprofen"}]},
        {"reaction": {"note": [{"text": "ibuprofen"}]}},
        {"reaction": [{"manifestation": [{"text": "ibuprofen"}]}]},
        {"reaction": [{"manifestation": [{"concept": {"text": "ibuprofen"}}]}]},
    ],
)
def test_where_notes_stand(doc: dict[str, Any]) -> None:
    assert "ibuprofen" in notes_on(doc)
