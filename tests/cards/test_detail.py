"""The detail of a card: order of its parts, what stands in each, and hostile charts."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cards.detail import render
from cds_service.cards.word_budget import AT_WORST, NOTHING_TO_CHECK, cut, fit
from cds_service.clinical.assessment import Effect, Finding, OptionVerdict, Reason, Standing
from cds_service.knowledge.loader import Knowledge
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
    UNREAD,
    genetic,
    guidance,
    hostile,
)
from tests.support.card_words import all_details
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


CLOSED = OptionVerdict("nsaid", Standing.EXCLUDED, reasons=(ALLERGY,))


def test_the_parts_stand_in_the_agreed_order(knowledge: Knowledge) -> None:
    nsaid = replace(
        NSAID,
        standing=Standing.CONDITIONAL,
        reasons=(EGFR_48,),
        dropped=(("indomethacin", (AGE,)),),
    )
    full = guidance(options=(nsaid, RADIOTHERAPY), not_assessed=(UNREAD,))
    text = detail(full, knowledge)
    titles = ("Found", "Advised", "Avoid", "Check", "Benefit, harm", "Limits")
    places = [text.index(f"**{title}:**") for title in titles]
    assert places == sorted(places)
    assert text.count("**") == 2 * len(titles)


# --- words ---


def test_no_card_of_any_case_or_generated_chart_is_longer_than_ten_seconds(
    knowledge: Knowledge,
) -> None:
    details = knowledge.once(all_details)
    assert len(details) > 500
    for one in details:
        limit = AT_WORST if one.checks else NOTHING_TO_CHECK
        assert one.words <= limit, f"{one.case}: {one.words} words\n{one.card['detail']}"


def test_half_of_the_cards_have_at_most_ninety_words_and_nine_of_ten_at_most_150(
    knowledge: Knowledge,
) -> None:
    words = [one.words for one in knowledge.once(all_details)]
    assert statistics.median(words) <= NOTHING_TO_CHECK
    assert statistics.quantiles(words, n=10)[-1] <= AT_WORST


def test_each_kind_of_card_is_mostly_short(knowledge: Knowledge) -> None:
    """A kind that is long for everybody is a text to shorten, not a patient with much to check."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for one in knowledge.once(all_details):
        kinds[one.kind].append(one.words)
    # Cards of orders that a call has for other patients, and the like, are in no case of a chart.
    assert len(kinds) > 25
    # An order that conflicts with the chart has the conflict to tell beside all that others tell.
    most = dict.fromkeys(kinds, NOTHING_TO_CHECK + 10) | {"prophylaxis-conflict": 120}
    middle = {kind: statistics.median(words) for kind, words in kinds.items()}
    assert not {kind: n for kind, n in middle.items() if n > most[kind]}


def test_facts_of_a_factor_are_not_told_again_as_a_modifier(knowledge: Knowledge) -> None:
    again = Finding("oa-osteophytes", "modifier", "osteoarthritis with osteophytes", (HO,))
    other = replace(HO, reference="Condition/other")
    new = Finding("amputation", "modifier", "amputation after injury", (HO, other))
    found = block(detail(guidance(findings=(again, new, PREVIOUS_HO)), knowledge), "Found")
    assert "osteophytes" not in found
    assert "Amputation after injury" in found


def test_an_empty_allergy_list_is_asked_about_where_an_nsaid_is_open(knowledge: Knowledge) -> None:
    """Nothing is asked of an option that is ruled out anyway."""
    clause = "o allergies recorded: ask."
    asked = [one for one in knowledge.once(all_details) if clause in one.card["detail"]]
    assert len(asked) > 200
    for one in asked:
        assert one.options["nsaid"] != "excluded", one.case


def test_no_card_says_a_sentence_twice_or_names_a_resource(knowledge: Knowledge) -> None:
    for one in knowledge.once(all_details):
        said = [part for part in one.card["detail"].split(". ") if len(part.split()) > 4]
        assert len(said) == len(set(said)), one.card["detail"]
        for kind in ("Condition/", "Observation/", "MedicationRequest/", "AllergyIntolerance/"):
            assert kind not in one.card["detail"], f"{one.case}: {one.card['detail']}"


def test_a_long_record_is_counted_and_not_told(knowledge: Knowledge) -> None:
    many = tuple(replace(HO, label=f"Ossification number {n}") for n in range(40))
    asked = tuple(
        Reason("egfr-30-to-59", Effect.CONDITION, f"Question {n}: a few words to check first.")
        for n in range(40)
    )
    nsaid = replace(NSAID, standing=Standing.CONDITIONAL, reasons=asked)
    text = detail(
        guidance(findings=(replace(PREVIOUS_HO, sources=many),), options=(nsaid, RADIOTHERAPY)),
        knowledge,
    )
    assert len(text.split()) <= AT_WORST
    assert "Question 0" in text
    assert "more" in block(text, "Found")


@pytest.mark.parametrize(
    ("items", "room", "said"),
    [
        (["a b", "c d"], 4, "a b; c d"),
        (["a b", "c d", "e f"], 5, "a b; +2 more"),
        (["a b", "c d", "e f"], 6, "a b; c d; e f"),
        (["one two three four"], 2, "one two…"),
        ([], 5, ""),
    ],
)
def test_what_does_not_fit_is_counted(items: list[str], room: int, said: str) -> None:
    assert fit(items, room) == said
    assert cut(said, 99) == said


# --- found ---


def test_facts_are_told_in_the_words_of_the_chart_with_date_and_grade(knowledge: Knowledge) -> None:
    given_ = guidance(params=(("order", "hip"), ("finding", "HO"), ("who", "man, 58")))
    assert block(detail(given_, knowledge), "Found") == (
        "**Found:** Postoperative heterotopic ossification, 2019-06-02, Brooker III; man, 58."
    )


def test_sex_stands_once_and_non_factors_stay_in_the_trace(knowledge: Knowledge) -> None:
    other = Finding("osteoporosis", "non-factor", "osteoporosis", (HO,))
    found = block(detail(guidance(findings=(MALE, other, PREVIOUS_HO)), knowledge), "Found")
    assert "steoporosis" not in found
    assert "Male" not in found


def test_a_recorder_is_named_because_codes_of_fop_are_often_wrong(knowledge: Knowledge) -> None:
    found = block(detail(genetic(), knowledge), "Found")
    assert "(ICD-10-CM M61.151), 2015-03-01, recorded by Dr. A. Smith" in found
    assert found.endswith("ordered: Total replacement of right hip.")


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


# --- advised, avoid, check ---


def test_open_options_are_named_with_their_courses(knowledge: Knowledge) -> None:
    advised = block(detail(guidance(), knowledge), "Advised")
    assert advised == (
        "Advised:** NSAID with PPI, started ≤24 h postop (celecoxib 200 mg twice daily "
        "10 days, or indomethacin 50 mg twice daily 7 days; off-label), or 7-8 Gy radiotherapy "
        "once, ideally ≤4 h preop or ≤72 h postop."
    )


def test_with_one_option_left_only_that_one_is_advised(knowledge: Knowledge) -> None:
    text = detail(guidance(options=(CLOSED, RADIOTHERAPY)), knowledge)
    assert "celecoxib" not in block(text, "Advised")
    assert block(text, "Avoid") == "Avoid:** Allergy on record: Ibuprofen. No NSAID."
    gone = replace(RADIOTHERAPY, standing=Standing.EXCLUDED, reasons=(AGE,))
    text = detail(guidance(options=(NSAID, gone)), knowledge)
    assert "Gy" not in block(text, "Advised")
    assert "vavken2009" not in text


def test_a_moderate_risk_without_an_option_advises_none(knowledge: Knowledge) -> None:
    gone = replace(RADIOTHERAPY, standing=Standing.EXCLUDED, reasons=(AGE,))
    text = detail(guidance("moderate-risk", options=(CLOSED, gone)), knowledge)
    assert block(text, "Advised").startswith("Advised:** Neither an NSAID course nor radiotherapy")
    assert "Benefit" not in text


def test_what_the_clinician_decides_is_named_last(knowledge: Knowledge) -> None:
    decided = replace(EGFR_48, effect=Effect.NO_DRAFT)
    nsaid = replace(NSAID, standing=Standing.CONDITIONAL, reasons=(decided,))
    advised = block(detail(guidance(options=(nsaid, RADIOTHERAPY)), knowledge), "Advised")
    assert advised.startswith("Advised:** 7-8 Gy radiotherapy once")
    assert advised.endswith("; NSAID course only as your own decision, not drafted.")


def test_conditions_are_told_once(knowledge: Knowledge) -> None:
    unknown = Reason("allergies-not-known", Effect.CONDITION, UNREAD.text, unknown=True)
    options = tuple(
        replace(option, standing=Standing.CONDITIONAL, reasons=(EGFR_48, unknown))
        for option in (NSAID, RADIOTHERAPY)
    )
    text = detail(guidance(options=options, not_assessed=(UNREAD,)), knowledge)
    assert block(text, "Check") == (
        "Check:** eGFR 48 on 2026-10-20: 7 to 10 days only. "
        "Allergies could not be read: confirm none."
    )


def test_checks_of_an_option_that_is_excluded_are_one_line(knowledge: Knowledge) -> None:
    unread = replace(UNREAD, check="allergies-not-known")
    text = detail(guidance(options=(CLOSED, RADIOTHERAPY), not_assessed=(unread,)), knowledge)
    assert block(text, "Check") == "Check:** Before any NSAID: allergies."


def test_a_conflict_names_what_speaks_against_the_order_once(knowledge: Knowledge) -> None:
    excluded = OptionVerdict("nsaid", Standing.EXCLUDED, reasons=(ALLERGY, AGE))
    text = detail(
        guidance("prophylaxis-conflict", conflicts=(ALLERGY,), options=(excluded, RADIOTHERAPY)),
        knowledge,
    )
    assert text.count("Allergy on record") == 1
    assert block(text, "Avoid").startswith("Avoid:** Allergy on record: Ibuprofen. No NSAID. ")
    assert "Instead: 7-8 Gy" in text


def test_what_must_be_avoided_is_named(knowledge: Knowledge) -> None:
    avoid = block(detail(genetic(), knowledge), "Avoid").casefold()
    for danger in ("biopsy", "intramuscular injection", "elective surgery", "mandibular block"):
        assert danger in avoid


# --- benefit and limits ---


def test_every_card_that_advises_an_option_gives_absolute_numbers(knowledge: Knowledge) -> None:
    for one in knowledge.once(all_details):
        if "; off-label)" in one.card["detail"]:  # a course is advised
            assert "per 34" in one.card["detail"], one.case
    text = detail(guidance(), knowledge)
    assert "bone on X-ray 21 instead of 30 in 100" in text
    assert "[zhu2015, hipaid2006, hipaid-reply]. Radiotherapy about equal [vavken2009]." in text


def test_limits_are_one_line_with_the_version(knowledge: Knowledge) -> None:
    limits = block(detail(guidance(), knowledge), "Limits")
    assert limits == f"Limits:** Expert-tiered, unvalidated. Knowledge {knowledge.version}."
    limits = block(detail(genetic(), knowledge), "Limits")
    assert limits == f"Limits:** Free-text notes not read. Knowledge {knowledge.version}."


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
