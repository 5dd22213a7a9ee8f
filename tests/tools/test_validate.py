"""Validation of single documents: what is found, where, and what is to be done about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.knowledge.loader import Knowledge
from cds_service.tools.validate import icd
from cds_service.tools.validate.engine import Options, Validator
from cds_service.tools.validate.findings import KINDS, DocumentFinding, Report, json_path, pointer
from cds_service.tools.validate.patches import patch_of
from cds_service.tools.validate.positions import Positions
from tests.support.builders import request

TODAY = date(2026, 11, 23)
SCT = "http://snomed.info/sct"
CM = "http://hl7.org/fhir/sid/icd-10-cm"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
Check = Callable[..., Report]


@pytest.fixture(scope="module")
def validator(knowledge: Knowledge) -> Validator:
    return Validator(Options(today=TODAY), knowledge)


@pytest.fixture
def check(validator: Validator) -> Check:
    def run(value: Any) -> Report:
        data = value if isinstance(value, bytes) else json.dumps(value, indent=1).encode()
        return validator.check(data)

    return run


def condition(coding: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    coding = coding or {"system": SCT, "code": "444748003"}
    status = {"coding": [{"system": CLINICAL, "code": "active"}]}
    resource = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": status,
        "code": {"coding": [coding]},
    } | more
    return {name: value for name, value in resource.items() if value is not None}


def observation(code: str, **quantity: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": "2026-11-01",
        "valueQuantity": quantity,
    }


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def only(report: Report, kind: str) -> DocumentFinding:
    [found] = [finding for finding in report.findings if finding.kind == kind]
    return found


@pytest.mark.parametrize("value", ["9" * 5_000, "9" * 5_000 + ".5"])
def test_digits_without_end_are_no_number_to_send(check: Check, value: str) -> None:
    found = only(check(observation("98979-8", value=value, unit="mL/min")), "string-for-number")

    assert found.patch == ()


# --- places ---


def test_places_are_found_line_by_line() -> None:
    text = '{\n "a": [1,\n  {"b":\n 2, "a":3}],\n "c~/": {"x": "\\"}\\n"},\n"d":[]}'
    lines = Positions(text).lines([(), ("a",), ("a", 1, "b"), ("a", 1, "zz"), ("c~/", "x"), ("d",)])
    assert lines == {
        (): 1, ("a",): 2, ("a", 1, "b"): 3, ("a", 1, "zz"): 3, ("c~/", "x"): 5, ("d",): 6,
    }  # fmt: skip


def test_members_that_stand_twice_are_found_at_any_depth() -> None:
    text = '{"a": {"b": 1, "c": [{"x": 1, "x": 2}], "b": 3}, "a": 1}'
    assert list(Positions(text).twice()) == [("a", "c", 0, "x"), ("a", "b"), ("a",)]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(p for step, item in inner for p in paths_of(item, (*path, step)))]


@given(values)
def test_lines_are_those_of_an_independent_writer(value: Any) -> None:
    """With `indent=0` every item and member begins a line, in the order in which it is written."""
    text = json.dumps(value, indent=0)
    lines = Positions(text).lines(paths_of(value))
    for path, line in lines.items():
        if not path:
            continue
        written = text.split("\n")[line - 1]
        inner: Any = value
        for step in path:
            inner = inner[step]
        name = f"{json.dumps(path[-1])}: " if isinstance(path[-1], str) else ""
        head = json.dumps(inner, indent=0).split("\n")[0]
        assert written.startswith(name + head)
    assert len({line for path, line in lines.items() if path}) == len(lines) - 1


def test_paths_are_written_for_people_and_for_patches() -> None:
    path = ("a b", 0, "c'd", "e/~f")
    assert json_path(path) == "$['a b'][0]['c\\'d']['e/~f']"
    assert pointer(path) == "/a b/0/c'd/e~1~0f"


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


# --- content: codings ---


@pytest.mark.parametrize(
    ("coding", "kind", "mend"),
    [
        ({"system": SCT, "code": "444748004"}, "snomed-check-digit", "look the code up"),
        ({"system": "http://loinc.org", "code": "33914-4"}, "loinc-check-digit", "look"),
        ({"system": CM, "code": "M61.5519"}, "icd-unknown", "look the code up"),
        ({"system": CM, "code": "444748003"}, "wrong-system", f"send system {SCT}"),
        ({"system": SCT, "code": "M45.9"}, "wrong-system", f"send system {CM}"),
        ({"system": CM, "code": "hip"}, "code-format", "correct the code"),
        ({"system": "SNOMED-CT", "code": "444748003"}, "system-not-uri", f"send {SCT}"),
        ({"system": "http://snomed.info/id", "code": "1"}, "system-uri", f"send {SCT}"),
        ({"system": "my codes", "code": "1"}, "system-not-uri", "send the URI"),
        ({"system": "http://terminology.hl7.org/CodeSystem/icd9cm", "code": "720.0"},
         "system-uri", "send http://hl7.org/fhir/sid/icd-9-cm"),
        ({"system": "urn:oid:2.16.840.1.113883.6.90", "code": "M45.9"}, "system-oid", f"send {CM}"),
        ({"system": "http://snomed.info/sct/", "code": "444748003"}, "system-uri", f"send {SCT}"),
        ({"system": "https://hospital.example/codes", "code": "X"}, "local-code", "site overlay"),
        ({"system": CM, "code": "M24.651", "display": "Ankylosis, left hip"},
         "display-contradicts", "correct"),
        ({"system": SCT, "code": "52734007", "display": "Total knee replacement"},
         "display-contradicts", "correct"),
        ({"system": SCT, "code": "387458008", "display": "Cefazolin"}, "display-unlike", "Aspirin"),
        ({"code": "444748003", "display": "Postoperative heterotopic ossification"},
         "system-missing", SCT),
    ],
)  # fmt: skip
def test_likely_mistakes_in_codings(
    check: Check, coding: dict[str, Any], kind: str, mend: str
) -> None:
    report = check(condition(coding))
    found = [f for f in report.findings if f.kind == kind]
    assert found, kinds(report)
    assert mend in str(found[0].mend)
    assert found[0].path[:3] == ("code", "coding", 0) or kind == "local-code"
    assert found[0].line > 0


@pytest.mark.parametrize(
    "coding",
    [
        {"system": CM, "code": "M61551", "display": "Other ossification of muscle, right thigh"},
        {"system": f"{SCT}/900000000000207008", "code": "444748003"},
        {"system": SCT, "code": "363346000:363698007=24136001"},
        {"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": "M61.55"},
        {"system": CM, "code": "I10", "display": "Essential hypertension"},
        {"system": SCT, "code": "230690007", "display": "Stroke"},  # the value set is called so
        {"system": "http://hl7.org/fhir/sid/ndc", "code": "00025-1520-51"},
    ],
)
def test_what_is_right_is_left_alone(check: Check, coding: dict[str, Any]) -> None:
    assert kinds(check(condition(coding))) == set()


def test_codings_are_counted_as_known_and_unknown(check: Check) -> None:
    report = check(condition({"system": CM, "code": "I10"}))
    assert report.unknown[f"{CM}|I10"] == 1
    assert check(condition()).known == {"ho-postoperative": 1}


def test_without_the_icd_list_one_line_says_so(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icd, "find_spec", lambda name: None)
    icd.exists.cache_clear()
    report = Validator(Options(today=TODAY), knowledge).check(
        json.dumps(condition({"system": CM, "code": "M99.9999"})).encode()
    )
    icd.exists.cache_clear()
    assert report.notices == {icd.MISSING}
    assert "icd-unknown" not in kinds(report)


# --- content: elements ---


def test_numbers_for_strings_and_strings_for_numbers(check: Check) -> None:
    number = check(condition({"system": SCT, "code": 444748003}))
    assert only(number, "number-for-string").mend == 'send "444748003"'
    assert "fhir-structure" not in kinds(number)  # said once, in better words
    text = check(observation("33914-3", value="29", unit="mL/min/1.73m2"))
    assert only(text, "string-for-number").mend == "send 29 without quotes"


def test_missing_and_unknown_statuses(check: Check) -> None:
    assert "status-missing" in kinds(check(condition(clinicalStatus=None)))
    wrong = {"coding": [{"system": CLINICAL, "code": "entered-in-error"}]}
    quiet = check(condition(clinicalStatus=None, verificationStatus=wrong))
    assert "status-missing" not in kinds(quiet)
    assert "status-unknown" in kinds(
        check(condition(clinicalStatus={"coding": [{"code": "aktiv"}]}))
    )


def test_units_that_cannot_be_converted(check: Check) -> None:
    assert "unit" in kinds(check(observation("2160-0", value=1.1, unit="stones")))
    assert "unit" not in kinds(check(observation("2160-0", value=97, unit="umol/L")))
    assert "unit" not in kinds(check(observation("8480-6", value=120, unit="stones")))


def test_dates_that_cannot_be_read(check: Check) -> None:
    found = only(check(condition(onsetDateTime="06/02/2019")), "date-unreadable")
    assert found.mend == "send YYYY-MM-DD"


def test_text_without_a_code_is_a_note(check: Check) -> None:
    report = check(condition(code={"text": "HO"}))
    assert only(report, "uncoded").severity.value == "note"
    assert not report.failed


def test_resources_of_another_patient_are_told(check: Check) -> None:
    description = {
        "patient": {"age": 60, "sex": "female"},
        "orders": ["right hip replacement"],
        "chart": {"conditions": ["icd10cm I10 Hypertension | of another patient",
                                 "sct 444748003 HO", "sct 444748003 HO | refuted"]},
    }  # fmt: skip
    report = check(request(description))
    assert only(report, "other-patient").path[:2] == ("prefetch", "conditions")
    states = {r.path[3]: r.state for r in report.resources if r.path[1] == "conditions"}
    assert states == {0: "other-patient", 1: "used", 2: "set-aside"}


# --- the answer ---


def test_the_card_that_would_come_is_told(check: Check) -> None:
    description = {
        "patient": {"age": 60, "sex": "female"},
        "orders": ["right hip replacement"],
        "chart": {"conditions": ["sct 444748003 HO | onset 2019-06-02"]},
    }
    answer = check(request(description)).answer
    assert [(c.row, c.card, c.indicator) for c in answer.cards] == [("7", "high-risk", "warning")]


@pytest.mark.parametrize(
    ("orders", "chart", "why"),
    [
        (["right hip replacement"], {}, "row 10"),
        (["loinc 24762-7 XR Hip Views"], {}, "none of 1 draft orders is of a kind"),
        (["text Total hip replacement"], {}, "1 of them without a code"),
    ],
)
def test_silence_has_a_reason(check: Check, orders: Any, chart: Any, why: str) -> None:
    description = {"patient": {"age": 60, "sex": "female"}, "orders": orders, "chart": chart}
    assert why in check(request(description)).answer.silences[0]


def test_a_call_without_the_problem_list_would_get_412(check: Check) -> None:
    report = check(request({"orders": ["right hip replacement"], "missing": ["conditions"]}))
    assert report.answer.status == 412
    assert only(report, "data-missing").layer.value == "answer"


def test_a_call_that_would_be_refused_says_where(check: Check) -> None:
    report = check({"hook": "order-sign", "hookInstance": "x", "context": {"userId": "P/1"}})
    assert only(report, "refused").path == ("context", "patientId")


def test_a_record_gets_the_order_that_is_asked_for(knowledge: Knowledge) -> None:
    patient = {"resourceType": "Patient", "id": "p1"}
    entries = [{"resource": patient}, {"resource": condition()}]
    bundle = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    silent = Validator(Options(today=TODAY), knowledge).check(bundle).answer
    assert "no draft order" in silent.silences[0]
    asked = Validator(Options(today=TODAY, order="hip"), knowledge).check(bundle).answer
    assert asked.cards[0].card == "high-risk"


# --- mends ---


def patched(document: Any, patch: list[Any]) -> Any:
    """A small reader of RFC 6902: test, replace and add."""
    result = json.loads(json.dumps(document))
    for operation in patch:
        *way, last = [
            step.replace("~1", "/").replace("~0", "~")
            for step in operation["path"].split("/")[1:]
        ]  # fmt: skip
        holder = result
        for step in way:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        key: Any = int(last) if isinstance(holder, list) else last
        if operation["op"] == "test":
            assert holder[key] == operation["value"]
        else:
            holder[key] = operation["value"]
    return result


@pytest.mark.parametrize(
    "coding",
    [
        {"system": "http://terminology.hl7.org/CodeSystem/icd9cm", "code": "720.0"},
        {"system": SCT, "code": 444748003},
        {"system": "SNOMED", "code": "444748003"},
        {"code": "444748003", "display": "Postoperative heterotopic ossification"},
        {"system": CM, "code": "444748003", "display": "Postoperative heterotopic ossification"},
    ],
)
def test_certain_mends_mend(check: Check, coding: dict[str, Any]) -> None:
    document = condition(coding)
    mended = patched(document, patch_of(check(document)))
    assert mended != document
    assert kinds(check(mended)) == set()


def test_a_mend_that_is_not_certain_is_not_in_the_patch(check: Check) -> None:
    assert patch_of(check(condition({"system": CM, "code": "444748003"}))) == []
    assert patch_of(check(condition(clinicalStatus=None))) == []


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
