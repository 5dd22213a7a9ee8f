"""An entry that says only that it is not shown, or that nobody knows; and a statement that there is
none, of the list that it is about and of no other."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.builders import request as build
from tests.support.ehr_calls import SIGN, EhrClient, cards_of, client_of, inputs_of
from tests.support.resources import PATIENT_ID

SUBJECT = {"reference": f"Patient/{PATIENT_ID}"}
IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
SNOMED = "http://snomed.info/sct"
CHART: dict[str, Any] = {"conditions": [], "procedures": [], "medications": [], "allergies": []}
PLAIN = {"patient": {"age": 60, "sex": "male"}, "orders": ["right hip replacement"], "chart": CHART}
AT_RISK = PLAIN | {
    "chart": CHART
    | {"conditions": ["sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"]}
}


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


def _entry(kind: str, code: dict[str, Any], **members: Any) -> dict[str, Any]:
    whose = "patient" if kind == "AllergyIntolerance" else "subject"
    element = "medicationCodeableConcept" if kind.startswith("Medication") else "code"
    return {"resourceType": kind, "id": "e1", whose: SUBJECT, element: code} | members


def _ask(
    client: EhrClient, chart: dict[str, Any], key: str, *entries: dict[str, Any]
) -> tuple[Any, ...]:
    call = build(chart)
    call["prefetch"][key] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": entry} for entry in entries],
    }
    response = client.post(SIGN, json=call)
    return cards_of(response), response


HIDDEN = ["Redacted", "[masked]", "***", "Confidential", "Sensitive diagnosis", "Gesperrt",
          "Diagnostic masqué", "非開示"]  # fmt: skip
UNKNOWN = ["Unknown", "Not available", "Problem list not reviewed", "Diagnose nicht bekannt",
           "Non renseigné", "病名不明", "No information available"]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "key"), [("Condition", "conditions"), ("Procedure", "procedures")]
)
@pytest.mark.parametrize("words", [*HIDDEN, *UNKNOWN])
def test_words_that_hide_are_no_entry(client: EhrClient, kind: str, key: str, words: str) -> None:
    [card], response = _ask(client, PLAIN, key, _entry(kind, {"text": words}))

    assert card["indicator"] == "info"
    assert inputs_of(response)[key] == ("withheld" if words in HIDDEN else "unknown")


@pytest.mark.parametrize(
    "words",
    ["Restrictive lung disease", "Masked hypertension", "Sensitive skin", "Blocked tear duct",
     "Fever of unknown origin", "Gluten sensitivity", "Unknown primary malignancy"],
)  # fmt: skip
def test_a_diagnosis_is_an_entry(client: EhrClient, words: str) -> None:
    cards, _ = _ask(client, PLAIN, "conditions", _entry("Condition", {"text": words}))

    assert cards == []


def test_one_entered_in_error_hides_nothing(client: EhrClient) -> None:
    status = {"coding": [{"code": "entered-in-error"}]}
    entry = _entry("Condition", {"text": "Redacted"}, verificationStatus=status)

    assert _ask(client, PLAIN, "conditions", entry)[0] == []


def test_a_procedure_without_a_name_is_asked_about(client: EhrClient) -> None:
    cards, response = _ask(client, PLAIN, "procedures", _entry("Procedure", {}))

    assert len(cards) == 1
    assert inputs_of(response)["procedures"] == "partial"


@pytest.mark.parametrize(
    "words", ["No allergy information", "Not on file", "Allergien nicht erhoben", "Unknown"]
)
def test_allergies_that_nobody_knows_are_asked_about(client: EhrClient, words: str) -> None:
    [card], response = _ask(
        client, AT_RISK, "allergies", _entry("AllergyIntolerance", {"text": words})
    )

    assert inputs_of(response)["allergies"] == "unknown"
    assert "check allergies" in card["suggestions"][0]["label"]


def test_what_stands_beside_the_words_is_read(client: EhrClient) -> None:
    aspirin = {"coding": [{"system": SNOMED, "code": "387458008", "display": "Aspirin"}]}
    entry = _entry("AllergyIntolerance", {"text": "Unknown"}, reaction=[{"substance": aspirin}])

    [card], _ = _ask(client, AT_RISK, "allergies", entry)

    assert "spirin" in card["detail"]
    labels = [suggestion["label"] for suggestion in card["suggestions"]]
    assert not any("celecoxib" in label and "check" not in label for label in labels)


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": IPS, "code": "no-known-food-allergies"}]},
        {"coding": [{"system": IPS, "code": "no-known-environmental-allergies"}]},
        {"coding": [{"system": IPS, "code": "no-known-problems"}]},
        {"coding": [{"system": IPS, "code": "no-known-medications"}]},
        {"coding": [{"system": SNOMED, "code": "429625007"}]},
        {"text": "No known food allergies"},
        {"text": "Keine bekannten Nahrungsmittelallergien"},
    ],
    ids=str,
)
def test_none_of_another_list_is_not_none_of_this(client: EhrClient, code: dict[str, Any]) -> None:
    [card], response = _ask(client, AT_RISK, "allergies", _entry("AllergyIntolerance", code))

    assert inputs_of(response)["allergies"] == "empty"
    assert "No allergies recorded: ask" in card["detail"]


def test_no_known_allergies_are_no_medicines(client: EhrClient) -> None:
    code = {"coding": [{"system": IPS, "code": "no-known-allergies"}]}
    statement = _entry("MedicationStatement", code, status="active")

    _, response = _ask(client, AT_RISK, "medicationStatements", statement)

    assert inputs_of(response)["medications"] == "empty"


def test_of_several_codes_that_of_this_list_counts(client: EhrClient) -> None:
    codes = [{"system": SNOMED, "code": code} for code in ("429625007", "716186003")]

    _, response = _ask(
        client, AT_RISK, "allergies", _entry("AllergyIntolerance", {"coding": codes})
    )

    assert inputs_of(response)["allergies"] == "none-stated"


def test_fewer_than_there_are_is_a_part(client: EhrClient) -> None:
    """Where no further page can be read; pages that follow are counted by their links."""
    call = build(PLAIN)
    issue = {"severity": "information", "code": "informational", "diagnostics": "20 of 57 returned"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    call["prefetch"]["conditions"] = {"resourceType": "Bundle", "entry": [{"resource": outcome}]}

    response = client.post(SIGN, json=call)

    assert len(cards_of(response)) == 1
    assert inputs_of(response)["conditions"] == "partial"


@pytest.mark.parametrize(
    ("section", "state"),
    [
        ({"entry": [{"reference": "urn:uuid:9"}]}, "partial"),
        (
            {"text": {"status": "generated", "div": "<div>Fibrodysplasia ossificans</div>"}},
            "unknown",
        ),
        ({}, "unknown"),
    ],
    ids=["entries that were not sent", "a narrative", "nothing"],
)
def test_a_section_without_what_it_names(
    client: EhrClient, section: dict[str, Any], state: str
) -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "11450-4"}]}
    document = {"resourceType": "Composition", "section": [{"code": code} | section]}
    call = build(PLAIN)
    call["prefetch"]["summary"] = document

    response = client.post(SIGN, json=call)

    assert len(cards_of(response)) == 1
    assert inputs_of(response)["conditions"] == state
