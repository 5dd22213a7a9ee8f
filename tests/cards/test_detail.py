"""The detail of a card: order of its parts, what stands in each, and hostile charts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cards.detail import citation, render
from cds_service.clinical.assessment import Effect, Finding, OptionVerdict, Reason, Standing, Tier
from cds_service.clinical.chart import CodeSeen, Provenance
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Evidence
from tests.cards.test_markdown import HOSTILE
from tests.support.assessments import (
    AGE,
    ALLERGY,
    EGFR_48,
    HAS_FOP,
    HO,
    MALE,
    NSAID,
    PREVIOUS_HO,
    RADIOTHERAPY,
    SNOMED,
    UNREAD,
    day,
    genetic,
    guidance,
    hostile,
)
from tests.support.wire_rules import markdown_problems


def detail(given_: Any, knowledge: Knowledge) -> str:
    text = render(given_, knowledge.cards[given_.card], knowledge)
    assert not markdown_problems(text)
    return text


def block(text: str, title: str) -> str:
    """The part of a detail that begins with `title`; empty where it is not there."""
    parts = text.split("\n\n**")
    found = [part for part in parts if part.lstrip("*").startswith(f"{title}:**")]
    assert len(found) <= 1
    return found[0] if found else ""


def test_the_parts_stand_in_the_agreed_order(knowledge: Knowledge) -> None:
    nsaid = replace(
        NSAID,
        standing=Standing.CONDITIONAL,
        reasons=(EGFR_48,),
        dropped=(("indomethacin", (AGE,)),),
    )
    full = guidance(
        "prophylaxis-conflict",
        options=(nsaid, RADIOTHERAPY),
        conflicts=(ALLERGY,),
        not_assessed=(UNREAD,),
    )
    text = detail(full, knowledge)
    titles = ("Found", "Advised", "Conflict", "Check first", "Excluded", "Not assessed", "Limits")
    places = [text.index(f"**{title}:**") for title in titles]
    assert places == sorted(places)
    assert "<" not in text
    assert "—" not in text


# --- found ---


def test_facts_are_named_with_code_date_reference_and_status(knowledge: Knowledge) -> None:
    found = block(detail(guidance(), knowledge), "Found")
    assert (
        "- Previous HO of the hip: Postoperative heterotopic ossification (SNOMED CT 444748003), "
        "2019-06-02, Condition/c12, Brooker III\n"
    ) in found
    assert found.endswith("- Male sex: Patient/p1")


def test_modifiers_come_last_and_non_factors_stay_in_the_trace(knowledge: Knowledge) -> None:
    other = Finding("osteoporosis", "non-factor", "osteoporosis", (HO,))
    found = block(detail(guidance(findings=(MALE, other, PREVIOUS_HO)), knowledge), "Found")
    assert found.index("Previous HO") < found.index("Male sex")
    assert "steoporosis" not in found


def test_a_recorder_is_named_because_codes_of_fop_are_often_wrong(knowledge: Knowledge) -> None:
    found = block(detail(genetic(), knowledge), "Found")
    assert found.endswith("(ICD-10-CM M61.151), 2015-03-01, Condition/f1, recorded by Dr. A. Smith")


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("genetic", "Fibrodysplasia ossificans progressiva (FOP): "),
        ("suspected", "Suspected fibrodysplasia ossificans progressiva (FOP): "),
        ("mention", "Question of fibrodysplasia ossificans progressiva (FOP): "),
        ("family", "Family history of fibrodysplasia ossificans progressiva (FOP): "),
        ("prophylaxis", "Already ordered: fibrodysplasia"),
        ("undecided", "Not decided: fibrodysplasia"),
    ],
)
def test_what_is_not_the_patients_own_disease_does_not_read_as_if(
    knowledge: Knowledge, role: str, said: str
) -> None:
    found = block(detail(genetic(findings=(replace(HAS_FOP, role=role),)), knowledge), "Found")
    assert found.startswith(f"**Found:** {said}")


def test_the_same_fact_is_told_once_and_many_are_counted(knowledge: Knowledge) -> None:
    more = tuple(replace(HO, reference=f"Condition/{n}") for n in range(5))
    many = replace(PREVIOUS_HO, sources=(HO, HO, *more))
    found = block(detail(guidance(findings=(many,)), knowledge), "Found")
    assert found.count("444748003") == 3
    assert found.endswith("; and 3 more")


def test_a_finding_without_facts_or_with_a_note(knowledge: Knowledge) -> None:
    two = Finding("one-stage", "factor", "both hips in one session", (), note="both drafts")
    found = block(detail(guidance(findings=(two,)), knowledge), "Found")
    assert found == "**Found:** Both hips in one session (both drafts)"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            Provenance("Condition/1", CodeSeen("urn:oid:2.16.840.1.113883.6.96", "5"), "A"),
            "(SNOMED CT 5)",
        ),
        (
            Provenance("Condition/1", CodeSeen(None, "x1"), "Some text"),
            "Some text (x1), Condition/1",
        ),
        (Provenance("Condition/1", CodeSeen(SNOMED, None), "Some text"), "Some text, Condition/1"),
        (
            Provenance("Condition", None, "Some text", day("2020-01-02")),
            "Some text, 2020-01-02, Cond",
        ),
        (
            Provenance("Condition/1", CodeSeen(SNOMED, "5"), "previous ho"),
            "hip: SNOMED CT 5, Condition/1",
        ),
    ],
)
def test_what_a_fact_lacks_is_left_out(knowledge: Knowledge, source: Provenance, said: str) -> None:
    given_ = guidance(findings=(replace(PREVIOUS_HO, sources=(source,)),))
    assert said in detail(given_, knowledge)


# --- advised, checks, exclusions ---


def test_open_options_are_named_with_their_courses(knowledge: Knowledge) -> None:
    advised = block(detail(guidance(), knowledge), "Advised")
    assert (
        "Open for this patient: NSAID course (celecoxib 200 mg twice daily for 10 days or "
        "indomethacin 50 mg twice daily for 7 days) or single-fraction radiotherapy."
    ) in advised
    assert "within 24 h after surgery" in advised


def test_a_single_open_option_is_called_the_only_one(knowledge: Knowledge) -> None:
    excluded = OptionVerdict("nsaid", Standing.EXCLUDED, reasons=(ALLERGY,))
    text = detail(guidance(options=(excluded, RADIOTHERAPY)), knowledge)
    assert "Open for this patient: single-fraction radiotherapy only." in text
    assert block(text, "Excluded") == (
        "Excluded:**\n\n- **NSAID course:** Allergy on record: Ibuprofen. No NSAID "
        "(AllergyIntolerance/a1)."
    )
    assert "off-label" not in text


@pytest.mark.parametrize(
    ("excluded", "left", "said", "unsaid"),
    [
        ("nsaid", RADIOTHERAPY, "One fraction of 7-8 Gy radiotherapy is advised", "either of two"),
        ("radiotherapy", NSAID, "An NSAID course of 7 to 10 days is advised", "either of two"),
    ],
)
def test_with_one_option_left_only_that_one_is_advised(
    knowledge: Knowledge, excluded: str, left: OptionVerdict, said: str, unsaid: str
) -> None:
    gone = OptionVerdict(excluded, Standing.EXCLUDED, reasons=(ALLERGY,))
    advised = block(detail(guidance(options=(gone, left)), knowledge), "Advised")
    assert said in advised
    assert unsaid not in advised


def test_a_moderate_risk_without_an_option_advises_none(knowledge: Knowledge) -> None:
    options = tuple(
        OptionVerdict(option, Standing.EXCLUDED, reasons=(ALLERGY,))
        for option in ("nsaid", "radiotherapy")
    )
    text = detail(guidance("moderate-risk", options=options), knowledge)
    assert block(text, "Advised").startswith("Advised:** Neither an NSAID course nor radiotherapy")


def test_no_option_is_named_where_none_is_left(knowledge: Knowledge) -> None:
    excluded = tuple(
        OptionVerdict(option, Standing.EXCLUDED, reasons=(ALLERGY,))
        for option in ("nsaid", "radiotherapy")
    )
    text = detail(guidance("high-risk-no-option", row="8", options=excluded), knowledge)
    assert "Open for this patient" not in text
    assert text.count("Ibuprofen") == 2


def test_an_option_without_a_drug_left_says_why_for_each_drug(knowledge: Knowledge) -> None:
    sulfa = Reason("sulfonamide-allergy", Effect.EXCLUDE, "Sulfonamide reaction on record.")
    mild = Reason("x", Effect.CONDITION, "not told here")
    excluded = OptionVerdict(
        "nsaid",
        Standing.EXCLUDED,
        reasons=(sulfa, AGE),
        dropped=(("celecoxib", (sulfa, mild)), ("indomethacin", (AGE,))),
    )
    text = detail(guidance(options=(excluded, RADIOTHERAPY)), knowledge)
    assert block(text, "Excluded") == (
        "Excluded:**\n\n- **Celecoxib:** Sulfonamide reaction on record.\n"
        "- **Indomethacin:** Age 66: indomethacin is avoided from 65."
    )


def test_conditions_name_their_option_and_are_told_once(knowledge: Knowledge) -> None:
    unknown = Reason("allergies-not-known", Effect.CONDITION, UNREAD.text, unknown=True)
    options = tuple(
        replace(option, standing=Standing.CONDITIONAL, reasons=(EGFR_48, unknown))
        for option in (NSAID, RADIOTHERAPY)
    )
    text = detail(guidance(options=options, not_assessed=(UNREAD,)), knowledge)
    assert block(text, "Check first") == (
        "Check first:**\n\n- **NSAID course:** eGFR 48 on 2026-10-20: 7 to 10 days only "
        "(Observation/e1)."
    )
    assert text.count("Allergies could not be read") == 1
    assert block(text, "Not assessed").endswith("Allergies could not be read: confirm none.")


def test_a_conflict_names_what_speaks_against_the_order(knowledge: Knowledge) -> None:
    text = detail(guidance("prophylaxis-conflict", conflicts=(ALLERGY,)), knowledge)
    assert "**Conflict:** Allergy on record: Ibuprofen." in text
    assert "Celebrex" in block(text, "Sources")


def test_a_conflict_is_not_told_a_second_time(knowledge: Knowledge) -> None:
    excluded = OptionVerdict("nsaid", Standing.EXCLUDED, reasons=(ALLERGY, AGE))
    text = detail(
        guidance("prophylaxis-conflict", conflicts=(ALLERGY,), options=(excluded, RADIOTHERAPY)),
        knowledge,
    )
    assert text.count("Allergy on record") == 1
    assert "Age 66" in block(text, "Excluded")


def test_what_must_be_avoided_is_a_list(knowledge: Knowledge) -> None:
    avoid = block(detail(genetic(), knowledge), "Avoid")
    for danger in ("biopsy", "intramuscular injection", "elective surgery", "mandibular block"):
        assert f"- {danger}" in avoid


# --- limits and sources ---


def test_limits_say_off_label_when_a_drug_is_drafted(knowledge: Knowledge) -> None:
    limits = block(detail(guidance(), knowledge), "Limits")
    assert "Celecoxib is not licensed for prevention of HO (off-label use)." in limits
    assert "Indomethacin is not licensed for prevention of HO (off-label use)." in limits
    assert "not a validated" in limits
    assert f"Knowledge {knowledge.version}." in limits


def test_a_genetic_card_says_nothing_about_tiers(knowledge: Knowledge) -> None:
    limits = block(detail(genetic(), knowledge), "Limits")
    assert "tiering" not in limits
    assert "coded data only" in limits


def test_sources_are_cited_once_with_their_links(knowledge: Knowledge) -> None:
    twice = replace(PREVIOUS_HO, evidence=("vavken2009", "eggli2001"))
    sources = block(detail(guidance(findings=(twice, MALE)), knowledge), "Sources")
    assert sources.count("https://pubmed.ncbi.nlm.nih.gov/") == 1


def test_sources_are_limited(knowledge: Knowledge) -> None:
    many = tuple(
        Finding(rule.id, "factor", rule.label, (), Tier.MODERATE, rule.evidence)
        for rule in knowledge.factors.values()
    )
    sources = block(detail(guidance(findings=many), knowledge), "Sources")
    assert sources.count("\n- ") == 6


@pytest.mark.parametrize(
    ("members", "ending"),
    [
        ({"pmid": "123", "doi": "10.1/x"}, "[PMID 123](https://pubmed.ncbi.nlm.nih.gov/123/)"),
        ({"doi": "10.1/x"}, "A title [DOI](https://doi.org/10.1/x)"),
        ({"url": "https://example.org/a"}, "A title [example\\.org](https://example.org/a)"),
        ({"verified": False}, "A title (not read in the original)"),
    ],
)
def test_a_citation_links_to_its_pmid_or_doi(members: dict[str, Any], ending: str) -> None:
    said = {"id": "x", "citation": "A title", "finding": "f", "verified": True} | members
    assert citation(Evidence.model_validate(said)).endswith(ending)


# --- hostile charts ---


@pytest.mark.statement("MD-02", "MD-03", "MD-04")
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_chart_leaves_nothing_active_in_the_detail(
    knowledge: Knowledge, text: str
) -> None:
    detail(hostile(text), knowledge)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_chart_leaves_nothing_active_in_the_detail(knowledge: Knowledge, text: str) -> None:
    detail(hostile(text), knowledge)
