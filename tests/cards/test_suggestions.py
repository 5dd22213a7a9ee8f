"""Suggestions: drafts of the open options, removal of a draft, referral; labels that say it all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cds_service.clinical.assessment import (
    Effect,
    Finding,
    Guidance,
    OptionVerdict,
    Reason,
    Standing,
    Tier,
)
from cds_service.clinical.chart import Chart, MedicationFact, Provenance
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import Side
from tests.cards.test_compose import answered
from tests.support.assessments import (
    EGFR_48,
    NSAID,
    RADIOTHERAPY,
    UNREAD,
    assessment,
    chart,
    day,
    genetic,
    guidance,
    order,
)


def made(
    given_: Guidance, knowledge: Knowledge, of: Chart | None = None, **options: Any
) -> list[dict[str, Any]]:
    (card,) = answered(assessment([given_]), knowledge, of, **options)["cards"]
    suggestions: list[dict[str, Any]] = card.get("suggestions", [])
    assert card.get("selectionBehavior") in ("at-most-one", "any") or not suggestions
    for suggestion in suggestions:
        assert len(suggestion["label"]) <= 80
        assert "isRecommended" not in suggestion
        assert "actionSelectionBehavior" not in suggestion
    return suggestions


def test_two_open_options_are_alternatives(knowledge: Knowledge) -> None:
    (card,) = answered(assessment([guidance()]), knowledge)["cards"]
    assert card["selectionBehavior"] == "at-most-one"
    nsaid, radiotherapy = card["suggestions"]
    assert nsaid["label"] == "Draft celecoxib 200 mg twice daily for 10 days + PPI"
    assert [action["type"] for action in nsaid["actions"]] == ["create", "create"]
    drug, guard = (action["resource"] for action in nsaid["actions"])
    assert drug["medicationCodeableConcept"]["text"] == "celecoxib 200 MG Oral Capsule"
    assert "pantoprazole" in guard["medicationCodeableConcept"]["text"]
    assert radiotherapy["label"] == "Draft referral to radiation oncology"
    (referral,) = radiotherapy["actions"]
    assert referral["resource"]["resourceType"] == "ServiceRequest"
    assert referral["description"].startswith("Create a draft referral: Radiation oncology consult")


def test_gastroprotection_lasts_as_long_as_the_nsaid(knowledge: Knowledge) -> None:
    short = replace(NSAID, regimen="indomethacin", alternatives=())
    nsaid, _ = made(guidance(options=(short, RADIOTHERAPY)), knowledge)
    for action in nsaid["actions"]:
        assert action["resource"]["dispenseRequest"]["expectedSupplyDuration"]["value"] == 7


def test_no_second_proton_pump_inhibitor(knowledge: Knowledge) -> None:
    taken = MedicationFact(
        frozenset({"ppi"}), Provenance("MedicationRequest/m", None, "x"), "active"
    )
    protection = knowledge.protection.model_copy(update={"excluded_by": ("ppi",)})
    careful = replace(knowledge, protection=protection)
    nsaid, _ = made(guidance(), careful, chart(medications=(taken,)))
    assert len(nsaid["actions"]) == 1
    assert nsaid["label"] == "Draft celecoxib 200 mg twice daily for 10 days"


def test_a_drafted_proton_pump_inhibitor_is_not_drafted_again(knowledge: Knowledge) -> None:
    given_ = assessment([guidance()], drafted=frozenset({"ppi"}))
    (card,) = answered(given_, knowledge)["cards"]
    assert card["suggestions"][0]["label"] == "Draft celecoxib 200 mg twice daily for 10 days"
    assert len(card["suggestions"][0]["actions"]) == 1


def test_an_ended_proton_pump_inhibitor_does_not_protect(knowledge: Knowledge) -> None:
    ended = MedicationFact(
        frozenset({"ppi"}), Provenance("MedicationRequest/m", None, "x"), "ended"
    )
    protection = knowledge.protection.model_copy(update={"excluded_by": ("ppi",)})
    nsaid, _ = made(
        guidance(), replace(knowledge, protection=protection), chart(medications=(ended,))
    )
    assert len(nsaid["actions"]) == 2


def test_a_condition_stands_in_label_and_description(knowledge: Knowledge) -> None:
    unknown = Reason("kidney-function-not-known", Effect.CONDITION, "x", unknown=True)
    for reasons, said in (
        ((EGFR_48,), "eGFR"),
        ((unknown,), "kidney function"),
        ((EGFR_48, EGFR_48), "eGFR"),
    ):
        nsaid = replace(NSAID, standing=Standing.CONDITIONAL, reasons=reasons)
        suggestion, _ = made(guidance(options=(nsaid, RADIOTHERAPY)), knowledge)
        assert suggestion["label"].endswith(f"(check {said})")
        description = suggestion["actions"][0]["description"]
        assert description.endswith(
            f"first dose within 24 hours after surgery. Check first: {said}."
        )


def test_a_condition_of_radiotherapy_stands_in_its_label(knowledge: Knowledge) -> None:
    unknown = Reason("procedures-not-known", Effect.CONDITION, "x", unknown=True)
    option = replace(RADIOTHERAPY, standing=Standing.CONDITIONAL, reasons=(unknown,))
    (suggestion,) = made(guidance(options=(option,)), knowledge)
    assert suggestion["label"] == "Draft referral to radiation oncology (check procedures)"


def test_many_conditions_are_counted(knowledge: Knowledge) -> None:
    rules = ("egfr-30-to-59", "asthma", "lithium", "age-75")
    reasons = tuple(Reason(rule, Effect.CONDITION, "x") for rule in rules)
    nsaid = replace(NSAID, standing=Standing.CONDITIONAL, reasons=reasons)
    (suggestion,) = made(guidance(options=(nsaid,)), knowledge)
    assert suggestion["label"].endswith(" for 10 days + PPI (check eGFR, asthma +2)")
    assert suggestion["actions"][0]["description"].endswith(
        "Check first: eGFR, asthma, lithium, age."
    )


def test_drug_dose_and_days_stay_whole_whatever_is_to_be_checked(knowledge: Knowledge) -> None:
    """Over all courses and all rules; every rule has its own words for it."""
    checks = (*knowledge.exclusions, *(check.id for check in knowledge.unknown_checks))
    for regimen in knowledge.regimens.values():
        whole = f"Draft {regimen.label[0].lower()}{regimen.label[1:]} + PPI (check "
        for rule in checks:
            reasons = (Reason(rule, Effect.CONDITION, "x"), Reason("age-75", Effect.CONDITION, "x"))
            nsaid = replace(
                NSAID, regimen=regimen.id, standing=Standing.CONDITIONAL, reasons=reasons
            )
            (suggestion,) = made(guidance(options=(nsaid,)), knowledge)
            assert suggestion["label"].startswith(whole), rule
            assert "the card" not in suggestion["label"], rule
            assert "…" not in str(suggestion), rule


def test_an_excluded_option_is_not_suggested(knowledge: Knowledge) -> None:
    excluded = OptionVerdict("nsaid", Standing.EXCLUDED)
    (only,) = made(guidance(options=(excluded, RADIOTHERAPY)), knowledge)
    assert only["label"] == "Draft referral to radiation oncology"
    closed = OptionVerdict("radiotherapy", Standing.EXCLUDED)
    none = (excluded, closed)
    for tier in (Tier.HIGH, Tier.MODERATE):  # a risk is not left to nobody
        (referral,) = made(guidance(options=none, tier=tier), knowledge)
        assert (
            referral["label"]
            == "Draft referral to radiation oncology or a revision arthroplasty centre"
        )
        (note,) = referral["actions"][0]["resource"]["note"]
        assert note["text"].startswith(f"{tier.value.capitalize()} risk of heterotopic")


def test_no_option_left_leads_to_a_specialist(knowledge: Knowledge) -> None:
    (suggestion,) = made(guidance("high-risk-no-option", row="8", options=()), knowledge)
    assert "arthroplasty centre" in suggestion["label"]


# --- what drafts take from the request ---


def referral_of(given_: Guidance, knowledge: Knowledge, **options: Any) -> dict[str, Any]:
    resource: dict[str, Any] = made(given_, knowledge, **options)[-1]["actions"][0]["resource"]
    return resource


def test_drafts_refer_to_patient_encounter_and_requester(knowledge: Knowledge) -> None:
    resource = referral_of(guidance(), knowledge, encounter="e1", requester="PractitionerRole/r1")
    assert resource["subject"] == {"reference": "Patient/p1"}
    assert resource["encounter"] == {"reference": "Encounter/e1"}
    assert resource["requester"] == {"reference": "PractitionerRole/r1"}


@pytest.mark.parametrize(
    ("encounter", "requester"),
    [
        ("Encounter/e1", "Practitioner/d1"),
        ("e 1", "d1"),
        ("", ""),
        ("Encounter/", "医師"),
        ("a/b", "Practitioner/d1/_history/2"),
        (None, None),
    ],
)
def test_what_is_no_plain_reference_is_left_out(
    knowledge: Knowledge, encounter: str | None, requester: str | None
) -> None:
    resource = referral_of(guidance(), knowledge, encounter=encounter, requester=requester)
    assert ("encounter" in resource) is (encounter == "Encounter/e1")
    assert ("requester" in resource) is (requester == "Practitioner/d1")


def test_a_referral_names_order_side_and_day(knowledge: Knowledge) -> None:
    planned = guidance(orders=(order(when=day("2026-12-05")),))
    resource = referral_of(planned, knowledge)
    assert resource["bodySite"] == [{"text": "Right hip"}]
    assert resource["reasonCode"] == [
        {
            "text": "Prophylaxis of heterotopic ossification after "
            "Total replacement of right hip (planned 2026-12-05)"
        }
    ]


def test_two_hips_are_one_referral_for_both(knowledge: Knowledge) -> None:
    both = guidance(orders=(order(), order(1, Side.LEFT)))
    resource = referral_of(both, knowledge)
    assert resource["bodySite"] == [{"text": "Both hips"}]
    assert resource["reasonCode"][0]["text"].endswith(
        "Total replacement of right hip and Total replacement of left hip"
    )


def test_an_excision_elsewhere_is_not_called_the_hip(knowledge: Knowledge) -> None:
    elbow = order(
        kinds=frozenset({"soft-tissue-excision"}),
        sites=frozenset({"site-elsewhere"}),
        reasons=frozenset({"ho-elsewhere"}),
        label="Excision at the right elbow",
    )
    given_ = guidance("ho-excision", orders=(elbow,))
    resource = referral_of(given_, knowledge)
    assert "bodySite" not in resource
    assert "hip" not in resource["code"]["text"]


def test_an_excision_at_the_hip_names_its_side(knowledge: Knowledge) -> None:
    hip = order(kinds=frozenset({"ho-excision"}), label="Release of the hip capsule")
    resource = referral_of(guidance("ho-excision", orders=(hip,)), knowledge)
    assert resource["bodySite"] == [{"text": "Right hip"}]


# --- genetic HO ---


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("genetic", "Fibrodysplasia ossificans progressiva (FOP) is on record."),
        ("suspected", "Fibrodysplasia ossificans progressiva (FOP) is suspected."),
        ("mention", "The chart names or hints at fibrodysplasia ossificans progressiva (FOP)"),
        ("family", "The family history names fibrodysplasia ossificans progressiva (FOP)"),
    ],
)
def test_a_referral_says_no_more_than_the_chart(knowledge: Knowledge, role: str, said: str) -> None:
    finding = Finding("fop", role, "fibrodysplasia ossificans progressiva (FOP)", ())
    note = made(genetic(findings=(finding,)), knowledge)[-1]["actions"][0]["resource"]["note"]
    assert note[0]["text"].startswith(said)


def test_a_referral_without_genetic_ho_names_none(knowledge: Knowledge) -> None:
    (suggestion,) = made(guidance("high-risk-no-option", row="8", options=()), knowledge)
    assert "heteroplasia" not in str(suggestion)
    assert "genetics" not in str(suggestion)


def test_genetic_ho_offers_removal_of_each_draft_and_an_expert(knowledge: Knowledge) -> None:
    orders = (order(), order(1, Side.LEFT), order(0))
    (card,) = answered(assessment([genetic(orders=orders)]), knowledge)["cards"]
    assert card["selectionBehavior"] == "any"
    removals = [s["actions"][0] for s in card["suggestions"][:-1]]
    assert removals == [
        {
            "type": "delete",
            "description": f"Remove the draft order: Total replacement of {side} hip",
            "resourceId": f"ServiceRequest/sr{index}",
        }
        for index, side in enumerate(("right", "left"))
    ]
    expert = card["suggestions"][-1]["actions"][0]["resource"]
    assert "fibrodysplasia" in expert["code"]["text"]
    assert "bodySite" not in expert
    assert expert["reasonCode"][0]["text"].startswith("Advice before Total replacement")


@pytest.mark.parametrize("id_", [None, "a/b", "a b", "../x", "x\n", "x?y=z", "x" * 300 + "|1"])
def test_a_draft_without_a_plain_id_cannot_be_removed(
    knowledge: Knowledge, id_: str | None
) -> None:
    (only,) = made(genetic(orders=(order(resource_id=id_),)), knowledge)
    assert only["actions"][0]["type"] == "create"


def test_a_draft_without_a_name_is_called_so(knowledge: Knowledge) -> None:
    removal, _ = made(genetic(orders=(order(label="\u202e "),)), knowledge)
    assert removal["label"] == "Remove the draft: order without a name"


def test_a_long_id_of_epic_can_be_removed(knowledge: Knowledge) -> None:
    removal, _ = made(genetic(orders=(order(resource_id="e" * 194),)), knowledge)
    assert removal["actions"][0]["resourceId"] == f"ServiceRequest/{'e' * 194}"


def test_poh_goes_to_metabolic_bone_disease(knowledge: Knowledge) -> None:
    poh = Finding("poh", "genetic", "progressive osseous heteroplasia (POH)", ())
    suggestions = made(genetic("poh-surgery", indicator="warning", findings=(poh,)), knowledge)
    assert "metabolic bone" in suggestions[-1]["label"]


def test_a_card_without_orders_is_about_any_procedure(knowledge: Knowledge) -> None:
    question = genetic("genetic-question", indicator="info", orders=())
    (suggestion,) = made(question, knowledge)
    assert (
        suggestion["actions"][0]["resource"]["reasonCode"][0]["text"]
        == "Advice before any procedure"
    )


def test_not_assessed_has_no_suggestion(knowledge: Knowledge) -> None:
    lost = guidance("not-assessed", indicator="info", options=(), not_assessed=(UNREAD,))
    assert made(lost, knowledge) == []


def test_r5_drafts_for_an_r5_request(knowledge: Knowledge) -> None:
    [option, _] = made(guidance(), knowledge, chart(release="R5"))
    assert "concept" in option["actions"][0]["resource"]["medication"]
