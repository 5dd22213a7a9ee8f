"""The code systems: every name reaches its system, and `validate` agrees with the service."""

from __future__ import annotations

import pytest

from cds_service.knowledge.code_systems import (
    CPT,
    ICD9CM,
    ICD10,
    ICD10CM,
    LOINC,
    OPCS4,
    PCS,
    RXNORM,
    SNOMED,
    SYSTEMS,
    TABLE,
    CodeSystem,
    canonical,
    has_form,
    is_known,
    name_of,
    national_icd10,
    spelling,
)
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.terminology import rows

NAMES = [(name, s.uri) for s in TABLE for name in (s.uri, *s.aliases, *s.national)]


@pytest.mark.parametrize(("name", "uri"), NAMES)
def test_every_name_reaches_its_system(name: str, uri: str) -> None:
    assert canonical(name) == uri
    assert canonical(f" {name}/ ") == uri
    assert canonical(name.upper()) == uri
    assert canonical(f"{name}|2026") == uri
    assert name_of(name)


def test_no_name_stands_for_two_systems() -> None:
    names = [canonical(name) for name, _ in NAMES]
    assert len({name for name, _ in NAMES}) == len(NAMES)
    assert set(names) == set(SYSTEMS)


@pytest.mark.parametrize("system", TABLE, ids=lambda system: system.name)
def test_listed_codes_have_the_form_of_their_system(
    system: CodeSystem, knowledge: Knowledge
) -> None:
    uri = system.uri
    codes = {
        row.code
        for value_set in knowledge.value_sets.values()
        for row in rows(value_set)
        if row.system == uri
    }
    assert {code for code in codes if not has_form(uri, code, listed=True)} == set()


@pytest.mark.parametrize(
    "uri",
    [
        "http://hl7.org/fhir/sid/icd-10-xx",
        "https://termgit.elga.gv.at/CodeSystem/icd-10-bmsgpk-2026",
        "https://smt.esante.gouv.fr/terminologie-cim-10/",
        "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10",
        "[http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10]"
        "(http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10)",
        "http://www.hl7korea.or.kr/CodeSystem/kcd-8",
        "http://example.cz/CodeSystem/mkn-10",
        "http://example.es/CodeSystem/cie-10-es",
        "2.16.578.1.12.4.1.1.7110",
        "urn: oid: 2.16.840.1.113883.6.3.2",
    ],
)
def test_a_national_icd_10_is_icd_10(uri: str, knowledge: Knowledge) -> None:
    match = knowledge.index.match(uri, "M61.1")
    assert canonical(uri) == ICD10
    assert match is not None
    assert match.concepts == {"fop"}


@pytest.mark.parametrize(
    "uri",
    [
        "https://twcore.mohw.gov.tw/ig/twcore/CodeSystem/icd-10-cm-2023-tw",
        "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd10",
    ],
)
def test_an_icd_10_cm_under_another_name(uri: str, knowledge: Knowledge) -> None:
    assert canonical(uri) == ICD10CM
    assert knowledge.index.match(uri, "M6110") is not None


@pytest.mark.parametrize(
    "uri",
    [
        "http://fhir.de/CodeSystem/bfarm/ops",
        "http://example.org/icd-10-procedures",
        "http://terminology.hl7.org/CodeSystem/ICD-10DualCoding",
        "http://fhir.de/CodeSystem/icd-10-gm-mehrfachcodierungs-kennzeichen",
        "http://hl7.dk/fhir/core/CodeSystem/sks-icd10-deviations",
        "http://hospital.example/icd/1000",
        "http://example.org/icd-o-3",
        "http://example.org/icd-10-achi",
        "http://example.org/icd-10-interventions",
        "http://example.org/icd10-morphology",
        "http://example.org/local-icd10-mapping",
        "http://example.org/icd-11-to-icd-10",
    ],
)
def test_what_only_looks_like_icd_10(uri: str) -> None:
    assert national_icd10(uri) is None


@pytest.mark.parametrize(
    ("written", "system"),
    [
        ("http://www.snomed.org/", SNOMED),
        ("http://snomed.info", SNOMED),
        ("http://hl7.org/fhir/sid/icd-9", ICD9CM),
        ("http://hl7.org/fhir/ValueSet/icd-10", ICD10),
        ("https://fhir.hl7.org.uk/CodeSystem/OPCS-4", OPCS4),
        ("http://terminology.hl7.org/CodeSystem/ICD-9CM-procedurecodes", ICD9CM),
    ],
)
def test_a_misspelt_name_is_read_and_reported(written: str, system: str) -> None:
    assert is_known(written)
    said = spelling(written)
    assert said is not None
    assert said[0] == system


@pytest.mark.parametrize("uri", [CPT, LOINC, RXNORM, PCS])
def test_an_official_name_is_not_reported(uri: str) -> None:
    assert spelling(uri) is None
