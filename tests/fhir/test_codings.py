"""Codings as records of several countries write them (the systems: knowledge/code_systems.py)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.names import Side
from tests.support.charts import condition, order, read

GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
CPT = "http://www.ama-assn.org/go/cpt"
SNOMED = "http://snomed.info/sct"
CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
SIDE = "http://fhir.de/StructureDefinition/seitenlokalisation"


def coded(system: str | None, code: str, **said: str) -> Any:
    """A concept with one coding; `said` are German extensions by name."""
    urls = {"certainty": CERTAINTY, "side": SIDE}
    extensions = [{"url": urls[n], "valueCoding": {"code": value}} for n, value in said.items()]
    coding: dict[str, Any] = {"code": code}
    if system:
        coding["system"] = system
    if extensions:
        coding["extension"] = extensions
    return {"coding": [coding]}


def concepts(code: Any) -> set[str]:
    return {c for fact in read(condition(code)).conditions for c in fact.concepts}


# --- Germany: certainty and side stand on the coding ---


def test_an_excluded_diagnosis_is_set_aside() -> None:
    chart = read(condition(coded(GM, "M61.10", certainty="A")))
    assert chart.conditions == ()
    assert [one.why for one in chart.set_aside] == ["refuted"]


@pytest.mark.parametrize(
    ("letter", "verification", "clinical"),
    [("V", "provisional", "active"), ("Z", "confirmed", "resolved"), ("G", "confirmed", "active")],
)
def test_other_certainties(letter: str, verification: str, clinical: str) -> None:
    chart = read(condition(coded(GM, "M61.15", certainty=letter)))
    [fact] = chart.conditions
    assert (fact.verification, fact.clinical) == (verification, clinical)


@pytest.mark.parametrize(
    ("letter", "side"), [("R", Side.RIGHT), ("L", Side.LEFT), ("B", Side.BILATERAL)]
)
def test_the_side_of_a_german_coding(letter: str, side: Side) -> None:
    [fact] = read(condition(coded(GM, "M16.1", side=letter))).conditions
    assert fact.side is side


# --- several codes in one coding, further characters, marks ---


@pytest.mark.parametrize(
    "code",
    [
        "M61.1",
        "M61.10",
        "m6115",
        "M61.1!",
        "DM611",
        "Z34 M61.15",
        "M61.15+ G55.1*",
        "L40.5† M61.1*",
    ],
)
def test_fop_in_the_forms_of_icd_10(code: str) -> None:
    assert "fop" in concepts(coded(ICD10, code))


def test_a_fifth_character_of_icd_10_stands_below_its_four() -> None:
    assert "acetabular-fracture" in concepts(coded(ICD10, "S32.40"))
    assert concepts(coded(ICD10, "S32.81")).isdisjoint({"acetabular-fracture"})


@pytest.mark.parametrize(
    "code",
    ["=== 82725007 |FOP|", "<<< 82725007", "http://snomed.info/id/82725007", "82725007 |a term|"],
)
def test_snomed_ids_with_something_before_them(code: str) -> None:
    assert "fop" in concepts(coded(SNOMED, code))


# --- a code that nobody can place ---


@pytest.mark.parametrize("code", ["M61.1", "M6112", "82725007"])
@pytest.mark.parametrize("system", [None, "urn:oid:1.2.3.4.5", "http://hospital.example/dx"])
def test_fop_without_a_system_is_a_question(system: str | None, code: str) -> None:
    assert concepts(coded(system, code)) == {"fop-possible"}


@pytest.mark.parametrize("code", ["M61.5", "M61", "8272500", "827250071"])
def test_other_codes_without_a_system_say_nothing(code: str) -> None:
    assert concepts(coded(None, code)) == set()


def test_a_procedure_part_of_icd_10_is_no_diagnosis() -> None:
    assert "fop" not in concepts(coded("http://example.org/icd-10-procedures", "M61.1"))


# --- CPT with modifiers ---


@pytest.mark.parametrize(
    ("code", "side"),
    [
        ("27130-RT", Side.RIGHT),
        ("27130-LT", Side.LEFT),
        ("27130-50", Side.BILATERAL),
        ("27130-22-RT", Side.RIGHT),
        ("27130-22", Side.UNKNOWN),
        ("27130", Side.UNKNOWN),
    ],
)
def test_a_modifier_names_the_side(code: str, side: Side) -> None:
    draft = order(code=coded(CPT, code))
    assert "hip-total-primary" in draft.kinds
    assert draft.side is side


def test_what_is_no_modifier() -> None:
    draft = order(code=coded(CPT, "27130-R"))
    assert draft.kinds == frozenset()
