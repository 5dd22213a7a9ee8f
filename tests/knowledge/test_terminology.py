"""Where codings land: every row of the value sets in all spellings, and the known traps."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.valueset import ValueSet
from hypothesis import given
from hypothesis import strategies as st

from cds_service.knowledge import terminology
from cds_service.knowledge.code_systems import (
    ATC,
    CDT,
    CPT,
    ICD9CM,
    ICD10,
    ICD10CM,
    LOINC,
    OMIM,
    OPCS4,
    ORPHA,
    PCS,
    RXNORM,
    SNOMED,
)
from cds_service.knowledge.loader import CONTENT
from cds_service.knowledge.names import Side
from cds_service.knowledge.terminology import CodeIndex

with warnings.catch_warnings():  # it reads its data in a way that Python 3.11 calls deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import simple_icd_10_cm

FILES = sorted((CONTENT / "valuesets").glob("*.json"))
VALUE_SETS: dict[str, dict[str, Any]] = {f.stem: json.loads(f.read_bytes()) for f in FILES}
INDEX = CodeIndex.of(VALUE_SETS.values())

OIDS = {
    SNOMED: "6.96", ICD10CM: "6.90", ICD10: "6.3", ICD9CM: "6.103", PCS: "6.4", CPT: "6.12",
    RXNORM: "6.88", LOINC: "6.1", ATC: "6.73",
}  # fmt: skip
DOTTED = {ICD10CM, ICD10, OPCS4, ICD9CM}
CASELESS = {ICD10CM, ICD10, PCS, OPCS4, ICD9CM, ATC}


def concepts(system: str | None, code: str | None) -> frozenset[str]:
    match = INDEX.match(system, code)
    return match.concepts if match else frozenset()


def spellings(row: terminology.Row) -> Iterator[tuple[str, str]]:
    """A row as real systems write it."""
    written = [row.code]
    if row.prefix:
        written.append(longer(row))
    for code in written:
        yield row.system, code
        yield f"{row.system}/", code
        yield f"{row.system}|2026", code
        yield row.system.replace("http://", "HTTP://"), f" {code} "
        if row.system in OIDS:
            yield f"urn:oid:2.16.840.1.113883.{OIDS[row.system]}", code
            yield f"2.16.840.1.113883.{OIDS[row.system]}", code
        if row.system in DOTTED:
            yield row.system, code.replace(".", "")
        if row.system in CASELESS:
            yield row.system, code.lower()


def longer(row: terminology.Row) -> str:
    """A code that begins with the listed prefix."""
    if row.system == ICD10CM and simple_icd_10_cm.is_valid_item(row.code):
        leaf: str = ([row.code, *simple_icd_10_cm.get_descendants(row.code)])[-1]
        return leaf
    dot = "." if row.system in {ICD10, ICD9CM} and "." not in row.code else ""
    return row.code + dot + "1"


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_row_lands_in_its_value_set(name: str) -> None:
    for row in terminology.rows(VALUE_SETS[name]):
        if row.confidence == "low":
            continue
        for system, code in spellings(row):
            match = INDEX.match(system, code)
            assert match is not None, (system, code)
            assert name in match.concepts or ("fop" in match.concepts and name.startswith("ho-"))
            assert match.display
        exact = INDEX.match(row.system, row.code)
        assert exact is not None
        if row.side:
            assert exact.side is row.side, row


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_file_is_a_valid_fhir_value_set(name: str) -> None:
    value_set = ValueSet.model_validate(VALUE_SETS[name])
    assert value_set.id == name
    assert value_set.url == f"https://ho-cds.example.org/fhir/ValueSet/{name}"
    assert value_set.status == "active"
    assert value_set.description
    assert value_set.version
    notices = value_set.copyright or ""
    assert value_set.compose is not None
    for include in value_set.compose.include:
        for system, owner in (
            (SNOMED, "SNOMED"),
            (CPT, "American Medical"),
            (LOINC, "Regenstrief"),
        ):
            assert include.system != system or owner in notices


def test_every_row_says_where_it_was_verified_and_how_sure_that_is() -> None:
    for value_set in VALUE_SETS.values():
        for include in value_set["compose"]["include"]:
            for concept in include["concept"]:
                said = terminology.extensions(concept)
                assert said["verified-in"]
                assert said["confidence"] in {"high", "medium", "low"}
                assert said["match"] in {"exact", "prefix", "descendants"}
                # The name of a medicine is never cut: an ingredient would be lost.
                most = 140 if include["system"] == RXNORM else 100
                assert len(concept["display"]) <= most


def test_low_confidence_is_listed_and_never_acted_on() -> None:
    low = [r for v in VALUE_SETS.values() for r in terminology.rows(v) if r.confidence == "low"]
    assert {"407674008"}.isdisjoint(r.code for r in low)
    assert "J45.998" in {r.code for r in low}
    for row in low:
        assert row.concept not in concepts(row.system, row.code)


def every_cm_code_below(code: str) -> list[str]:
    return [code, *simple_icd_10_cm.get_descendants(code)]


@pytest.mark.parametrize("code", every_cm_code_below("M61.1"))
@pytest.mark.parametrize("spell", [str, str.lower, lambda c: c.replace(".", ""), "{} ".format])
def test_m61_1_is_fop_and_nothing_else(code: str, spell: Any) -> None:
    assert concepts(ICD10CM, spell(code)) == {"fop"}
    assert concepts(ICD10, spell(code)) == {"fop"}
    assert concepts("http://fhir.de/CodeSystem/bfarm/icd-10-gm", spell(code)) == {"fop"}


@pytest.mark.parametrize("code", [c for c in every_cm_code_below("M61") if c != "M61"])
def test_every_code_of_m61_lands_once_and_where_its_title_says(code: str) -> None:
    if code.startswith("M61.1"):
        expected = "fop"
    elif code[5:6] in {"", "0", "8", "9"}:  # no site, unspecified, other, multiple sites
        expected = "ho-site-unspecified"
    else:
        thigh = "thigh" in simple_icd_10_cm.get_description(code)
        expected = "ho-hip-region" if thigh else "ho-elsewhere"
    calcified = {"muscle-calcification"} if code.startswith("M61.4") else set()
    assert concepts(ICD10CM, code) == {expected, *calcified}


LANDS = [
    # Genetic
    (SNOMED, "82725007", {"fop"}),
    (SNOMED, "3458000", {"fop-possible"}),
    (SNOMED, "719271000", {"poh"}),
    (SNOMED, "404074003", {"poh-possible"}),
    (SNOMED, "44551007", {"ho-site-unspecified"}),
    (ICD9CM, "728.11", {"fop"}),
    (ICD9CM, "72811", {"fop"}),
    (ICD9CM, "728.13", {"ho-postoperative"}),
    (ICD9CM, "728.12", {"ho-site-unspecified"}),
    ("http://id.who.int/icd/release/11/mms", "FB31.1", {"fop"}),
    (ORPHA, "337", {"fop"}),
    (ORPHA, "ORPHA:337", {"fop"}),
    (ORPHA, "2762", {"poh"}),
    (OMIM, "135100", {"fop"}),
    (OMIM, "#135100", {"fop"}),
    ("http://purl.obolibrary.org/obo/mondo.owl", "MONDO_0007606", {"fop"}),
    (ICD10CM, "E20.1", {"gnas-related"}),
    # Acquired HO
    (SNOMED, "444748003", {"ho-postoperative"}),
    (ICD10CM, "M61.40", {"ho-site-unspecified", "muscle-calcification"}),
    (ICD10CM, "M61.451", {"ho-hip-region", "muscle-calcification"}),
    (ICD10CM, "M61.521", {"ho-elsewhere"}),
    (ICD10, "M61.5", {"ho-site-unspecified"}),
    ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "M61.55", {"ho-hip-region"}),
    # Wrong codes seen in public code
    (SNOMED, "128491006", set()),
    (RXNORM, "198405", {"nsaid", "ibuprofen", "allergy-nsaid"}),  # ibuprofen, not naproxen
    (RXNORM, "197591", set()),  # diazepam
    # ICD-10-PCS: 0SR9 and 0SRB are hip, 0SRC and 0SRD are knee
    (PCS, "0SR901Z", {"hip-total-primary", "orthopaedic-surgery"}),
    (PCS, "0SRB049", {"hip-total-primary", "hip-cemented", "orthopaedic-surgery"}),
    (PCS, "0SRC0J9", {"orthopaedic-surgery"}),
    (PCS, "0SRD0J9", {"orthopaedic-surgery"}),
    (PCS, "0SRA00Z", {"hip-hemiarthroplasty", "orthopaedic-surgery"}),
    (PCS, "0SW90JZ", {"hip-revision", "orthopaedic-surgery"}),
    (PCS, "0SW900Z", {"orthopaedic-surgery"}),  # a drain
    (PCS, "0SP904Z", {"orthopaedic-surgery"}),  # a fixation device
    (PCS, "0SP90JZ", {"hip-revision", "hip-prosthesis-removal", "orthopaedic-surgery"}),
    (PCS, "0SU90BZ", {"hip-resurfacing", "orthopaedic-surgery"}),
    (PCS, "0KBN0ZX", {"biopsy", "orthopaedic-surgery"}),
    (PCS, "0KBN0ZZ", {"soft-tissue-excision", "orthopaedic-surgery"}),
    # CPT
    (CPT, "27130", {"hip-total-primary"}),
    (CPT, "27132", {"hip-total-conversion"}),
    (CPT, "27134", {"hip-revision"}),
    (CPT, "27236", {"hip-fracture-fixation-or-prosthesis"}),
    (CPT, "27036", {"ho-excision-or-release", "hip-open-surgery"}),
    (CPT, "27447", {"orthopaedic-surgery"}),  # knee
    (CPT, "27146", {"hip-open-surgery", "hip-bone-cut-or-fixed"}),
    (CPT, "64400", {"mandibular-block", "nerve-block"}),
    (CDT, "D9212", {"mandibular-block", "nerve-block"}),
    # SNOMED: conversion to is a first arthroplasty, conversion from a revision
    (SNOMED, "449039004", {"hip-total-conversion"}),
    (SNOMED, "447947007", {"hip-revision"}),
    (SNOMED, "609588000", {"orthopaedic-surgery"}),  # knee
    # OPCS-4
    (OPCS4, "W37.1", {"hip-total-primary", "hip-cemented"}),
    (OPCS4, "W371", {"hip-total-primary", "hip-cemented"}),
    (OPCS4, "W52.1", {"opcs-prosthesis-needs-hip-site"}),
    (OPCS4, "W58.1", {"opcs-resurfacing-needs-hip-site"}),
    (OPCS4, "W40.1", set()),  # knee
    (OPCS4, "Z84.3", {"site-hip"}),
    (SNOMED, "287579007", {"site-hip"}),
    (SNOMED, "6757004", {"site-elsewhere"}),
    # ICD-9-CM volume 3 keeps its dot apart from the diagnoses
    (ICD9CM, "81.51", {"hip-total-primary"}),
    (ICD9CM, "8151", {"hip-total-primary"}),
    (ICD9CM, "815.1", set()),
    (ICD9CM, "V43.64", {"hip-implant-present"}),
    # ICD-10-CM traps
    (ICD10CM, "M45.A0", set()),
    (ICD10CM, "M45.9", {"ankylosing-spondylitis"}),
    (ICD10CM, "D68.51", {"thrombophilia"}),
    (ICD10CM, "D68.61", {"thrombophilia"}),
    (ICD10CM, "D68.32", {"bleeding-disorder"}),
    (ICD10CM, "Z89.621", set()),
    (ICD10CM, "Z89.611", {"lower-limb-amputation"}),
    (ICD10CM, "T84.020A", {"hip-implant-present"}),
    (ICD10CM, "T84.022A", set()),  # knee
    (ICD10CM, "G20", {"parkinson-disease"}),
    (ICD10CM, "G20.A1", {"parkinson-disease"}),
    (ICD10CM, "N18.32", {"ckd-stage-3"}),
    (ICD10CM, "N18.3", {"ckd-stage-3"}),
    (ICD10CM, "N18.6", {"dialysis-esrd"}),
    (ICD10CM, "Z88.6", {"nsaid-hypersensitivity-possible"}),
    (ICD10CM, "M16.51", {"hip-osteoarthritis", "hip-osteoarthritis-post-traumatic"}),
    (ICD10CM, "M16.31", {"hip-osteoarthritis"}),
    (ICD10CM, "M89.49", set()),  # hypertrophic osteoarthropathy is clubbing
    (SNOMED, "203357004", set()),
    (ICD10CM, "S06.0X0A", {"concussion"}),
    (ICD10CM, "S06.5X9A", {"traumatic-brain-injury"}),
    (ICD10CM, "S06.5X9S", {"traumatic-brain-injury", "neuro-injury-sequela"}),
    (ICD10CM, "Z85.46", {"malignancy-history", "pelvic-cancer-history"}),
    (ICD10CM, "C61", {"malignancy-active", "pelvic-cancer-history"}),
    (ICD10CM, "C41.4", {"malignancy-active", "malignancy-hip-field"}),
    (ICD10CM, "Z79.01", {"long-term-anticoagulant"}),
    (ICD10, "Z96.6", set()),  # any joint
    (ICD10, "M16.1", {"hip-osteoarthritis"}),
    (ICD10, "G20*", {"parkinson-disease"}),
    # Medicines
    (ATC, "M01AH01", {"nsaid", "celecoxib", "allergy-nsaid", "allergy-celecoxib"}),
    (ATC, "M01AX05", set()),  # glucosamine
    (ATC, "B01AC06", {"aspirin", "allergy-aspirin", "allergy-nsaid"}),
    (ATC, "B01AC04", {"antiplatelet", "clopidogrel"}),
    (ATC, "C03DA01", {"diuretic", "potassium-sparing-diuretic"}),
    (ATC, "C09BA02", {"diuretic", "ace-inhibitor-arb"}),
    (ATC, "M09AX11", {"palovarotene"}),
    (RXNORM, "5487", {"diuretic"}),
    (RXNORM, "214618", {"diuretic", "ace-inhibitor-arb"}),
    (RXNORM, "9997", {"diuretic", "potassium-sparing-diuretic"}),
    (RXNORM, "205323", {"nsaid", "celecoxib", "allergy-nsaid", "allergy-celecoxib"}),
    (RXNORM, "198014", {"nsaid", "naproxen", "allergy-nsaid"}),
    (SNOMED, "372711004", set()),  # sulfonylurea
    (SNOMED, "387458008", {"aspirin", "allergy-aspirin", "allergy-nsaid"}),
    (LOINC, "33914-3", {"lab-egfr"}),
]  # fmt: skip


def _name(value: str | set[str]) -> str:
    """The same in every process: pytest-xdist compares names, and a set has no order."""
    return (value if isinstance(value, str) else "+".join(sorted(value)) or "nothing")[-30:]


@pytest.mark.parametrize(("system", "code", "expected"), LANDS, ids=_name)
def test_where_it_lands(system: str, code: str, expected: set[str]) -> None:
    assert concepts(system, code) == expected


SIDES = [
    (ICD10CM, "M16.11", Side.RIGHT),
    (ICD10CM, "M1612", Side.LEFT),
    (ICD10CM, "M16.0", Side.BILATERAL),
    (ICD10CM, "M16.10", None),
    (ICD10CM, "M16.9", None),
    (ICD10CM, "M24.651", Side.RIGHT),
    (ICD10CM, "S32.401A", Side.RIGHT),
    (ICD10CM, "S32.402D", Side.LEFT),
    (ICD10CM, "S72.002A", Side.LEFT),
    (ICD10CM, "M25.752", Side.LEFT),
    (ICD10CM, "Z96.643", Side.BILATERAL),
    (ICD10CM, "M61.552", Side.LEFT),
    (ICD10CM, "M61.559", None),
    (ICD10, "M16.0", Side.BILATERAL),
    (ICD10, "M16.1", None),
    (PCS, "0SR9019", Side.RIGHT),
    (PCS, "0SRB019", Side.LEFT),
    (PCS, "0SRE00Z", Side.LEFT),
    (PCS, "0SU90BZ", Side.RIGHT),
    (PCS, "0SWB0JZ", Side.LEFT),
    (SNOMED, "443435007", Side.RIGHT),
    (SNOMED, "770606008", Side.LEFT),
    (SNOMED, "444051004", Side.BILATERAL),
    (CPT, "27134", None),  # both components of one implant, not both hips
    (ICD9CM, "00.70", None),
    (SNOMED, "8271002", None),
    (SNOMED, "52734007", None),
    (SNOMED, "287579007", Side.RIGHT),
    (SNOMED, "287679003", Side.LEFT),
    (SNOMED, "362906008", Side.RIGHT),
    (CPT, "27130", None),
]


@pytest.mark.parametrize(("system", "code", "side"), SIDES)
def test_side_comes_from_the_code(system: str, code: str, side: Side | None) -> None:
    match = INDEX.match(system, code)
    assert match is not None
    assert match.side is side


ALIASES = [
    ("urn:oid:2.16.840.1.113883.6.104", "81.51", "hip-total-primary"),
    ("urn:oid:2.16.840.1.113883.6.2", "728.13", "ho-postoperative"),
    ("http://terminology.hl7.org/CodeSystem/icd9cm", "728.13", "ho-postoperative"),
    ("http://terminology.hl7.org/CodeSystem/icd10PCS", "0SR901Z", "hip-total-primary"),
    ("http://hl7.org/fhir/sid/icd-10-pcs", "0SR901Z", "hip-total-primary"),
    ("http://www.icd10data.com/icd10pcs", "0SR901Z", "hip-total-primary"),
    ("http://terminology.hl7.org/CodeSystem/icd10CM", "M16.0", "hip-osteoarthritis"),
    ("https://snomed.info/sct", "82725007", "fop"),
    ("http://snomed.info/sct/731000124108/version/20260301", "82725007", "fop"),
    ("  http://snomed.info/sct  ", "82725007", "fop"),
    ("http://SNOMED.info/sct", "82725007", "fop"),
    ("http://loinc.org/", "2160-0", "lab-creatinine"),
    ("http://fhir.de/CodeSystem/bfarm/atc", "M01AH01", "celecoxib"),
]


@pytest.mark.parametrize(("system", "code", "concept"), ALIASES)
def test_other_names_of_a_code_system(system: str, code: str, concept: str) -> None:
    assert concept in concepts(system, code)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (None, "82725007"),
        (SNOMED, None),
        (SNOMED, ""),
        ("", "82725007"),
        ("http://snomed.info/sctx", "82725007"),
        (ICD10CM, "82725007"),
        (SNOMED, "M61.1"),
        (SNOMED, "827250070"),
        (SNOMED, "8272500"),
        (CPT, "271300"),
        (RXNORM, "2053230"),
        (ICD10CM, "."),
    ],
)
def test_nothing_is_recognised_by_accident(system: str | None, code: str | None) -> None:
    assert INDEX.match(system, code) is None


def test_acquired_sets_hold_no_code_of_a_genetic_disease() -> None:
    for name in ("fop", "poh"):
        for row in terminology.rows(VALUE_SETS[name]):
            assert not any(c.startswith("ho-") for c in concepts(row.system, row.code))


def test_even_a_value_set_that_claims_m61_1_does_not_make_it_acquired() -> None:
    wrong = {
        "id": "ho-site-unspecified",
        "compose": {"include": [{"system": ICD10CM, "concept": [{"code": "M61.15"}]}]},
    }
    index = CodeIndex.of([*VALUE_SETS.values(), wrong])
    match = index.match(ICD10CM, "M61.15")
    assert match is not None
    assert match.concepts == {"fop"}


def test_codes_lists_what_a_prefetch_query_needs() -> None:
    assert "2160-0" in INDEX.codes("lab-creatinine", LOINC)
    assert INDEX.codes("lab-creatinine", SNOMED) == ()


def test_memory_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminology, "_MOST_CODES", 10)
    monkeypatch.setattr(terminology, "_MOST_SYSTEMS", 10)
    index = CodeIndex.of([VALUE_SETS["fop"]])
    for number in range(100):
        assert index.match(SNOMED, str(number)) is None
        assert index.match(f"urn:x:{number}", "1") is None
    assert index.match(SNOMED, "82725007") is not None
    assert len(index._systems) <= 10
    assert len(index._systems[SNOMED]) <= 10


@given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
def test_any_text_is_answered(system: str | None, code: str | None) -> None:
    INDEX.match(system, code)
    for known in (SNOMED, ICD10CM, ICD9CM, PCS, OMIM, ORPHA):
        match = INDEX.match(known, code)
        assert match is None or match.concepts


def test_no_file_names_a_local_path() -> None:
    for file in (*FILES, *Path(CONTENT).glob("*.yaml")):
        assert "/work/" not in file.read_text(encoding="utf-8")
