"""Text that names a genetic disease, denies it, or leaves it open."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir_map import ChartReader
from tests.support.charts import (
    DULL,
    FOP,
    TODAY,
    bundle,
    condition,
    index,
    raw,
    read,
    resource,
    signals,
)

DENIALS = [
    "no family history of FOP",
    "No FOP.",
    "no FOP in the family",
    "No FOP. No known allergies.",
    "No known FOP or POH",
    "negative for FOP",
    "denies fibrodysplasia ossificans progressiva",
    "no fibrodysplasia ossificans progressiva (FOP)",
    "does not have FOP",
    "FOP excluded (ACVR1 negative)",
    "FOP ruled out by ACVR1 testing",
    "FOP has been ruled out",
    "FOP: negative",
    "without evidence of FOP",
    "kein Hinweis auf FOP",
    "FOP ausgeschlossen",
]


LEFT_OPEN = [
    "rule out FOP",
    "FOP not yet excluded",
    "FOP not excluded",
    "FOP cannot be ruled out",
    "FOP to be excluded",
    "no biopsy until FOP is excluded",
    "no surgery without FOP expert",
    "No FOP test yet",
    "No FOP?",
    "No known FOP, not excluded",
    "no biopsy: FOP",
    "Do not operate. FOP",
    "No. FOP since childhood",
    "IM route not for FOP.",
    "has not had FOP flares",
    "FOP, negative family history",
    "FOP negative family history",
    "FOP - no IM injections",
    "no family history of FOP. Patient: FOP since childhood",
    "no FOP gene test done",
    "no FOP in siblings",
    "no FOP in the family, but typical toes",
    "no genetic diagnosis of FOP",
]


@pytest.mark.parametrize(
    "code",
    [
        {"text": "suspected Fibrodysplasia Ossificans progressiva"},
        {"coding": [{"display": "FOP"}]},
        {"coding": [{"system": "urn:local", "code": "1", "display": "known FOP"}]},
        "FOP, see letter",
        {"concept": {"text": "FOP"}},
        [{"text": "FOP"}],
    ],
)
def test_text_that_names_a_genetic_disease_is_a_mention(code: Any) -> None:
    (mention,) = read(condition(code)).mentions
    assert mention.disease == "fop"
    assert mention.source.reference == "Condition/c1"
    assert mention.source.coding is None


@pytest.mark.parametrize(
    "notes",
    [
        {"note": [{"text": "mother has FOP"}]},
        {"note": "FOP?"},
        {"note": {"text": "FOP"}},
        {"notes": "FOP"},  # DSTU2
    ],
)
def test_notes_mention_too(notes: Any) -> None:
    assert [m.disease for m in read(condition(DULL, **notes)).mentions] == ["fop"]


@pytest.mark.parametrize("denial", DENIALS)
def test_text_that_denies_the_disease_is_no_mention(denial: str) -> None:
    assert read(condition(DULL, note=[{"text": denial}])).mentions == ()


@pytest.mark.parametrize("open_", LEFT_OPEN)
def test_text_that_leaves_it_open_is_a_mention(open_: str) -> None:
    assert [m.disease for m in read(condition(DULL, note=[{"text": open_}])).mentions] == ["fop"]


def test_mention_deep_in_a_long_note_is_shown_with_its_surroundings() -> None:
    note = "blah " * 500 + "and then FOP was named"
    (mention,) = read(condition(DULL, note=[{"text": note}])).mentions
    assert "FOP was named" in mention.source.label
    assert len(mention.source.label) <= 120


def test_two_diseases_in_one_text_are_two_mentions_and_procedures_mention_as_well() -> None:
    both = {"text": "FOP or osseous  heteroplasia, FOP"}
    assert {m.disease for m in read(condition(both)).mentions} == {"fop", "poh"}
    assert [m.disease for m in read(resource("Procedure", code={"text": "FOP"})).mentions] == [
        "fop"
    ]


@pytest.mark.parametrize(
    "quiet",
    [
        condition(FOP | {"text": "FOP"}),
        condition({"text": "fopped"}),
        condition({"text": "FOP"}, verificationStatus="refuted"),
        condition({"text": None}),
    ],
)
def test_no_mention(quiet: Any) -> None:
    assert read(quiet).mentions == ()


def test_without_patterns_there_are_no_mentions() -> None:
    made = ChartReader(index(), "p1", TODAY, signals=signals())
    made.read_prefetch({"conditions": raw(bundle(condition({"text": "FOP"})))})
    assert made.chart().mentions == ()


@pytest.mark.parametrize("kind", ["Procedure", "MedicationRequest"])
@pytest.mark.parametrize(
    "reason",
    [
        {"reasonCode": [{"text": "FOP"}]},
        {"reasonCode": [{"display": "FOP"}]},
        {"reasonCode": [FOP["coding"][0]]},
        {"reason": [{"concept": {"text": "FOP"}}]},
        {"reason": [{"reference": "#c"}]},
        {"reasonReference": [{"reference": "Condition/1", "display": "FOP"}]},
        {"reasonReference": {"display": "FO\u200bP, FOP"}},
        {"reasonReference": [{"reference": "#c"}]},
        {"reasonReference": [FOP]},
        {"reasonCodeableConcept": FOP},
        {"indication": [{"text": "FOP"}]},
        {"reasonGiven": [FOP]},
        {"reasonForUse": {"text": "FOP"}},
        {"reasonForUseCodeableConcept": FOP},
        {"reasonForUseReference": {"display": "FOP"}},
    ],
)
def test_a_reason_names_the_disease_beside_a_code_that_says_nothing(kind: str, reason: Any) -> None:
    name = "code" if kind == "Procedure" else "medicationCodeableConcept"
    held = [{"resourceType": "Condition", "id": "c", "code": FOP}]
    more = {"contained": held} if "#c" in str(reason) else {}
    read_before = resource(kind, **{name: DULL})
    found = read(read_before, resource(kind, **{name: DULL}, **reason, **more)).mentions
    assert [mention.disease for mention in found] == ["fop"]
