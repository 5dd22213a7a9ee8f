"""Validation of single documents: what is found, where, and what is to be done about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.knowledge.loader import Knowledge
from cds_service.tools.validate.engine import Options, Validator
from cds_service.tools.validate.findings import KINDS, json_path
from tests.support.builders import request
from tests.support.validating import (
    CM,
    SCT,
    TODAY,
    Check,
    condition,
    kinds,
    observation,
    only,
    values,
)


@pytest.mark.parametrize("value", ["9" * 5_000, "9" * 5_000 + ".5"])
def test_digits_without_end_are_no_number_to_send(check: Check, value: str) -> None:
    found = only(check(observation("98979-8", value=value, unit="mL/min")), "string-for-number")

    assert found.patch == ()


# --- what is no document ---


@pytest.mark.parametrize(
    ("data", "kind", "line"),
    [
        (b"", "not-json", 1),
        (b'{"a": 1,\n\n]', "not-json", 3),
        (b"[NaN]", "not-json", 1),
        (b"\xff\xfe\x00", "not-json", 1),
        (b"[" * 100_000, "not-json", 1),
        (b"1" * 5000, "not-json", 1),
        (b"[]", "not-recognised", 1),
        (b'{"a": 1}', "not-recognised", 1),
        (b'"text"', "not-recognised", 1),
    ],
)
def test_what_cannot_be_used_says_where_it_breaks(
    check: Check, data: bytes, kind: str, line: int
) -> None:
    report = check(data)
    assert report.unusable
    assert [(f.kind, f.line) for f in report.findings] == [(kind, line)]


def test_utf16_with_a_mark_is_read(check: Check) -> None:
    assert not check(json.dumps(condition()).encode("utf-16")).unusable


# --- structure ---


def test_a_sound_resource_has_no_finding(check: Check) -> None:
    assert kinds(check(condition())) == set()


def test_structure_names_the_element_and_its_line(check: Check) -> None:
    twice = check(condition(onsetDateTime="2019-06-02", onsetString="long ago"))
    said = only(twice, "fhir-structure").message
    assert said == "Condition: only one form of onset[x] may stand here"
    bogus = only(check(condition(bogus=1)), "fhir-structure")
    assert bogus.message == "Condition.bogus: FHIR does not have this member here"
    assert '"bogus"' in json.dumps(condition(bogus=1), indent=1).split("\n")[bogus.line - 1]


def test_unknown_types_and_missing_members_are_told(check: Check) -> None:
    assert kinds(check({"resourceType": "Conditio"})) == {"unknown-type"}
    report = check(condition(subject=None))
    assert only(report, "fhir-structure").message == "Condition.subject: is required"


@pytest.mark.parametrize("release", ["R4", "R5", "STU3"])
def test_the_release_is_found_from_the_content(check: Check, release: str) -> None:
    description = {
        "patient": {"age": 60, "sex": "female"},
        "orders": ["right hip replacement"],
        "chart": {"conditions": [f"sct 444748003 HO of {release}"],
                  "medications": ["rxnorm 11289 Warfarin | 5 mg once daily"]},
    }  # fmt: skip
    report = check(request(description, release))
    assert report.release == release
    assert "fhir-structure" not in kinds(report)


def test_a_release_that_is_named_is_believed(knowledge: Knowledge) -> None:
    told = Validator(Options(release="STU3", today=TODAY), knowledge)
    report = told.check(json.dumps(condition()).encode())
    assert any(f.path[:1] == ("clinicalStatus",) for f in report.findings)


def test_every_entry_of_a_bundle_is_looked_at(check: Check) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": condition(bogus=1)},
            condition(id="bare"),
            {"resource": {"resourceType": "Bundle", "type": "batch-response",
                          "entry": [{"resource": condition(bogus=2)}]}},
        ],
    }  # fmt: skip
    paths = {json_path(f.path) for f in check(bundle).findings if "bogus" in f.path}
    assert paths == {"$.entry[0].resource.bogus", "$.entry[2].resource.entry[0].resource.bogus"}


def test_a_member_that_stands_twice_is_told(check: Check) -> None:
    report = check(b'{"resourceType": "Patient",\n"id": "a",\n"id": "b"}')
    assert only(report, "duplicate-member").line == 3  # the one that counts for most readers


def test_the_statements_of_cds_hooks_are_named(check: Check) -> None:
    call = {
        "hook": "order-select",
        "hookInstance": "not-a-uuid",
        "fhirAuthorization": {"access_token": "x"},
        "context": {"patientId": "Patient/p1", "userId": "x", "selections": ["y"],
                    "draftOrders": []},
        "prefetch": {"item1": {"response": {}, "resource": {"resourceType": "Patient"}}},
    }  # fmt: skip
    found = {f.statement for f in check(call).findings if f.statement}
    assert {"RQ-02", "RQ-04", "FA-03", "HK-01", "HK-04", "PD-10", "RQ-12"} <= found


def test_answers_and_discovery_are_judged_by_the_same_rules(check: Check) -> None:
    card = {"summary": "x" * 140, "indicator": "hard-stop", "source": {}}
    found = {f.statement for f in check({"cards": [card]}).findings}
    assert {"CD-02", "CD-04", "SO-01", "JS-03", "CD-01"} <= found
    service = {"hook": "x", "id": "y", "prefetch": {"p": "/Patient/{{Patient.id}}?a:exact=1"}}
    found = {f.statement for f in check({"services": [service]}).findings}
    assert {"DS-05", "DS-07", "DS-15", "PF-04", "PF-05", "PF-07"} <= found


# --- feedback ---


def test_each_item_of_feedback_is_told_what_becomes_of_it(check: Check) -> None:
    card = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
    good = {"card": card, "outcome": "ignored", "outcomeTimestamp": "2026-11-23T10:00:00Z"}
    flat = good | {"outcome": "overridden", "overrideReason": {"code": "record-checked"}}
    report = check({"feedback": [good, good | {"outcome": "seen"}, flat, 7]})

    assert [(f.kind, f.path) for f in report.findings] == [
        ("feedback-item", ("feedback", 1, "outcome")),
        ("cds-hooks-unusual", ("feedback", 2)),
        ("feedback-item", ("feedback", 3)),
    ]
    assert report.answer.silences == ("feedback: 2 kept, 2 refused",)


def test_feedback_without_a_good_item_is_refused(check: Check) -> None:
    report = check({"feedback": [{"outcome": "accepted"}]})

    assert [(f.kind, f.path) for f in report.findings] == [("refused", ("feedback", 0, "card"))]
    assert report.answer.status == 400


# --- everything ---


def test_the_requests_of_the_tests_are_understood(check: Check) -> None:
    for path in sorted(Path(__file__).parents[1].joinpath("fixtures").glob("*.json")):
        report = check(path.read_bytes())
        assert not report.unusable, path
        assert all(f.kind in KINDS and f.line > 0 for f in report.findings)


@given(st.binary(max_size=60) | values.map(lambda v: json.dumps(v).encode()))
def test_no_document_breaks_the_tool(data: bytes) -> None:
    report = SHARED.check(data)
    assert report.findings or not report.unusable


junk = values | st.sampled_from([SCT, CM, "444748003", "Patient/p1", "active", "2019"])
NAMES = st.sampled_from(
    ["code", "subject", "clinicalStatus", "onsetDateTime", "id", "status", "valueQuantity", "entry",
     "medicationReference", "contained", "component", "bodySite", "resourceType", "coding"]
)  # fmt: skip
TYPES = st.sampled_from(["Condition", "Observation", "MedicationRequest", "Patient", "Bundle"])


@settings(deadline=None)  # the first call loads the models of FHIR
@given(st.dictionaries(NAMES, junk | st.lists(junk, max_size=2), max_size=5), TYPES)
def test_no_resource_breaks_the_tool(members: dict[str, Any], kind: str) -> None:
    resource = {"resourceType": kind, **members}
    call = {"hook": "order-sign", "hookInstance": "x",
            "context": {"patientId": "p1", "draftOrders": resource},
            "prefetch": {"conditions": {"resourceType": "Bundle", "entry": [
                {"resource": resource}]}}}  # fmt: skip
    for document in (resource, call):
        SHARED.check(json.dumps(document).encode())


SHARED = Validator(Options(today=TODAY))
