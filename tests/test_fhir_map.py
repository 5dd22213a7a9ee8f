"""What becomes of prefetch values, entries and subjects: nothing is lost, nothing is invented."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.clinical.chart import InputState
from cds_service.knowledge.names import InputName
from tests.support.charts import (
    ABSENT,
    DULL,
    EMPTY,
    FAILED,
    FOP,
    INDOMETHACIN,
    PARTIAL,
    POSTOPERATIVE_HO,
    READ,
    TOTAL_HIP,
    bundle,
    condition,
    orders,
    raw,
    read,
    reader,
    report,
    resource,
    state,
)


def outcome(*severities: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": s} for s in severities]}


# --- the decision table (PD-01 to PD-10) ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, EMPTY),
        (bundle(), EMPTY),
        ({"resourceType": "Bundle", "type": "searchset", "total": 0}, EMPTY),
        ({"resourceType": "Bundle", "entry": None}, EMPTY),
        ([], FAILED),
        (bundle(condition()), READ),
        (bundle(condition(DULL)), READ),
        (condition(), READ),
        ([condition(), condition(DULL)], READ),
        ([{"resource": condition()}], READ),
        ({"entry": [{"resource": condition()}]}, READ),
        ({"resourceType": "Bundle", "entry": {"resource": condition()}}, READ),
        ({"resourceType": "Bundle", "entry": [condition()]}, READ),
        ({"response": {"status": "200 OK"}, "resource": condition()}, READ),
        ({"response": {"status": "200 OK"}, "resource": None}, EMPTY),
        ({"resource": bundle(condition())}, READ),
        ({"response": {"status": "404 Not Found"}, "resource": None}, FAILED),
        (json.dumps(bundle(condition())), READ),
        (json.dumps(json.dumps(condition())), FAILED),
        ("null", EMPTY),
        (bundle(bundle(condition())), READ),
        (bundle(bundle()), EMPTY),
        (outcome("error"), FAILED),
        (outcome("information"), FAILED),
        (outcome(), FAILED),
        (bundle(outcome("warning", "information")), PARTIAL),
        (bundle(outcome("error")), FAILED),
        (bundle(outcome()), FAILED),
        (bundle(condition(), outcome("warning")), PARTIAL),
        (bundle(condition(), outcome("error")), PARTIAL),
        (bundle(condition(), outcome("fatal", "warning")), PARTIAL),
        (bundle(condition(), outcome("strange")), PARTIAL),
        ({"resourceType": "Bundle", "entry": [{"response": {"status": "403"}}]}, FAILED),
        (
            {"resourceType": "Bundle", "entry": [{"resource": condition()},
                                                 {"response": {"status": "500"}}]},
            PARTIAL,
        ),
        (bundle(condition(), link=[{"relation": "next", "url": "https://e/2"}]), PARTIAL),
        (bundle(condition(), link=[{"relation": "self", "url": "https://e/1"}]), READ),
        (bundle(condition(), link=[{"relation": "next", "url": " "}]), PARTIAL),
        (bundle(condition(), link=[{"relation": "next", "url": None}]), PARTIAL),
        (bundle(condition(), link=[{"relation": "next", "url": ["https://e/2"]}]), PARTIAL),
        (bundle(condition(), link="https://e/2"), PARTIAL),
        ({"resourceType": "Bundle", "total": 3, "entry": []}, FAILED),
        ({"resourceType": "Bundle", "total": 3}, FAILED),
        ({"total": 3, "entry": []}, FAILED),
        (bundle(condition(), total=5), PARTIAL),
        (bundle(condition(), total=1), READ),
        (bundle(condition(), total="5"), PARTIAL),
        (bundle(bundle(condition(), total=2)), PARTIAL),
        ("<html><body>500</body></html>", FAILED),
        ("", FAILED),
        (b'"\xff"', FAILED),
        ("123", FAILED),
        (123, FAILED),
        (True, FAILED),
        ({}, FAILED),
        ({"resourceType": 5}, FAILED),
        ({"id": "c1"}, FAILED),
        ({"resourceType": "Bundle", "entry": "none"}, FAILED),
        (resource("Procedure"), FAILED),
        (bundle(resource("Procedure")), FAILED),
        (bundle(resource("Encounter")), FAILED),
        (bundle(condition(), resource("Encounter")), READ),
        (bundle("x", 5, None), FAILED),
        (bundle(condition(), "x"), PARTIAL),
        (bundle(condition(), {}), PARTIAL),
        (bundle(condition(), {"resourceType": "<b>"}), PARTIAL),
        (bundle(condition(), None), READ),
        ({"resourceType": "Bundle", "entry": [{"resource": condition()}, 1]}, PARTIAL),
        ({"resourceType": "Bundle", "entry": [{"resource": condition()}, {"resource": 5}]},
         PARTIAL),
        ({"resourceType": "Bundle", "entry": [{}, {"fullUrl": "x"}, {"resource": condition()}]},
         READ),
        (bundle(condition({"coding": 5})), PARTIAL),
        (bundle(condition({"coding": [{"code": {}}]})), PARTIAL),
        (bundle(condition({"coding": ["M61.1"]})), PARTIAL),
        (bundle(condition(True)), PARTIAL),
        (bundle(condition("in words")), READ),
        (bundle(condition({"coding": [{"code": ""}]})), READ),
    ],
)  # fmt: skip
def test_prefetch_value(value: Any, expected: InputState) -> None:
    assert state(value) is expected


def test_text_in_text_in_lists_is_followed_only_so_far() -> None:
    value: Any = condition()
    for _ in range(8):
        value = bundle(value)
    assert state(value) is FAILED
    wrapped: Any = condition()
    for _ in range(8):
        wrapped = {"resource": wrapped}
    assert state(wrapped) is FAILED


@pytest.mark.parametrize("deep", ["[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_deep_nesting_is_a_problem_and_no_crash(deep: str) -> None:
    assert state(deep) is FAILED
    inside = '{"resourceType":"Condition","id":"deep","code":' + deep + "}"
    text = '{"resourceType":"Bundle","entry":[{"resource":' + inside + "}]}"
    assert state(text) is FAILED
    made = reader()
    made.read_input(InputName.CONDITIONS, text.encode())
    made.read_input(InputName.CONDITIONS, f'[{{"entry":{deep}}}]'.encode())
    assert report(made.chart()).state is FAILED


@pytest.mark.parametrize("extra", ["", '"y":"\\ud800",'])
def test_every_depth_near_the_limit_is_read_or_told(extra: str) -> None:
    code = json.dumps(POSTOPERATIVE_HO)
    states = set()
    for depth in range(800, 1010):
        nest = "[" * depth + "]" * depth
        body = f'{{"resourceType":"Condition",{extra}"x":{nest},"code":{code}}}'.encode()
        made = reader()
        made.read_input(InputName.CONDITIONS, body)
        chart = made.chart()
        states.add(report(chart).state)
        assert report(chart).state is READ or chart.problems
        assert len(chart.conditions) == (report(chart).state is READ)
        assert orders(body).orders == ()
        task = body.replace(b'"Condition"', b'"Task"')
        assert len(orders(task).orders) + len(orders(task).problems) == 1
    assert states == {READ, FAILED}


def test_bytes_that_are_no_text_cost_only_their_resource() -> None:
    body = json.dumps(bundle(condition(note="HERE"), condition(id="c2"))).encode()
    made = reader()
    made.read_input(InputName.CONDITIONS, body.replace(b"HERE", b"\xff"))
    assert report(made.chart()).state is PARTIAL
    assert [c.source.reference for c in made.chart().conditions] == ["Condition/c2"]
    draft = json.dumps(resource("Task", description="HERE")).encode().replace(b"HERE", b"\xff")
    assert [p.why for p in orders(draft).problems] == ["not JSON"]
    link = json.dumps(bundle(condition(), link="HERE")).encode().replace(b"HERE", b"\xff")
    made.read_input(InputName.CONDITIONS, link)
    assert made.next_links() == {}


def test_entry_that_cannot_be_decoded_does_not_spoil_its_neighbours() -> None:
    chart = reader()
    odd = (
        '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Condition","x":"\\ud800",'
        '"code":{"coding":[{"system":"http://snomed.info/sct","code":"444748003"}]}}},5]}'
    )
    chart.read_input(InputName.CONDITIONS, odd.encode())
    # Half a surrogate pair: the standard library reads it; only the 5 is lost.
    assert report(chart.chart()).state is PARTIAL
    assert len(chart.chart().conditions) == 1
    chart.read_input(InputName.CONDITIONS, b'[{"resourceType":"Condition","id":"\\udfff"}]')
    chart.read_input(InputName.CONDITIONS, b'{"resourceType":"Bundle","entry":[{]}')
    assert report(chart.chart()).state is PARTIAL
    chart.read_input(InputName.CONDITIONS, b"[{]")
    why = report(chart.chart()).why or ""
    assert "not JSON; an entry could not be read" in why


def test_numbers_beyond_all_bounds_are_survived() -> None:
    for number in ("1e999", "-1e999", "9" * 400, "9" * 6000, "NaN", "Infinity"):
        made = reader()
        body = json.dumps(bundle(condition(extension=[{"valueDecimal": "HERE"}])))
        made.read_input(InputName.CONDITIONS, body.replace('"HERE"', number).encode())
        assert [c.concepts for c in made.chart().conditions] == [{"ho-postoperative"}], number


def test_known_key_in_any_case_and_with_blanks() -> None:
    made = reader({" Conditions ": None, "FAMILYHISTORY": None, "conditionlist": None})
    states = {r.name: r.state for r in made.chart().inputs}
    assert states[InputName.CONDITIONS] is EMPTY
    assert states[InputName.FAMILY_HISTORY] is EMPTY
    assert states[InputName.PROCEDURES] is ABSENT


def test_no_prefetch_at_all_is_absent_everywhere() -> None:
    made = reader()
    made.read_prefetch(None)
    assert made.missing() == tuple(InputName)
    assert {r.state for r in made.chart().inputs} == {ABSENT}


@pytest.mark.parametrize("key", ["item1", "problems", "", "x" * 500, "a\nb"])
def test_resources_are_found_under_any_key(key: str) -> None:
    chart = reader({key: bundle(condition(), resource("Procedure", code=TOTAL_HIP))}).chart()
    assert report(chart).state is READ
    assert report(chart, "procedures").state is READ
    assert len(chart.conditions) == len(chart.procedures) == 1


EMPTY_SEARCHES = [
    ("https://e/fhir/Condition?patient=p1", EMPTY),
    ("https://e/fhir/Condition/?subject=Patient%2Fp1&_count=50&_sort=-date", EMPTY),
    ("Condition?patient:Patient=p1", EMPTY),
    ("https://e/fhir/Condition?patient=p1&code=I10", ABSENT),
    ("https://e/fhir/Condition?patient=p1&clinical-status=active", ABSENT),
    ("https://e/fhir/Condition?patient=p1&_id=c1", ABSENT),
    ("https://e/fhir/Condition", ABSENT),
    ("https://e/fhir?patient=p1", ABSENT),
    ("", ABSENT),
]


@pytest.mark.parametrize(("link", "expected"), EMPTY_SEARCHES)
def test_an_empty_bundle_under_an_unknown_key_is_known_by_its_self_link(
    link: str, expected: InputState
) -> None:
    made = reader({"problemList": bundle(link=[{"relation": "self", "url": link}])})
    assert report(made.chart()).state is expected


def test_resources_of_another_type_go_to_their_own_input() -> None:
    chart = reader({"conditions": bundle(resource("Procedure", code=TOTAL_HIP))}).chart()
    assert report(chart).state is FAILED
    assert report(chart, "procedures").state is READ
    assert len(chart.procedures) == 1


def test_failed_key_with_data_elsewhere_is_partial() -> None:
    chart = reader({"conditions": outcome("error"), "item1": bundle(condition())}).chart()
    assert report(chart).state is PARTIAL
    assert report(chart).why == "the EHR answered with an error"


def test_error_beside_data_under_an_unknown_key() -> None:
    chart = reader({"item1": bundle(condition(), outcome("error"))}).chart()
    assert report(chart).state is PARTIAL


@pytest.mark.parametrize("kind", ["MedicationDispense", "MedicationAdministration"])
def test_what_was_given_is_no_list_of_medicines(kind: str) -> None:
    given = resource(kind, status="completed", medicationCodeableConcept=INDOMETHACIN)
    chart = reader({"item4": bundle(given)}).chart()
    assert report(chart, "medications").state is PARTIAL
    assert len(chart.medications) == 1
    listed = resource("MedicationRequest", medicationCodeableConcept=DULL)
    chart = reader({"item4": bundle(given), "item5": bundle(listed)}).chart()
    assert report(chart, "medications").state is READ
    assert report(reader({"medications": bundle(given)}).chart(), "medications").state is READ


def test_undecodable_entry_makes_the_inputs_of_its_bundle_partial() -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    text = json.dumps(bundle(condition(), {"resourceType": "Condition", "x": "HERE"}))
    chart = reader({"item1": text.replace('"HERE"', deep)}).chart()
    assert report(chart).state in {PARTIAL, ABSENT}
    # The scanner itself gives up on such depth: nothing of the value is taken for read.
    assert not chart.conditions or report(chart).state is PARTIAL


# --- pages and fetched answers ---


def test_pages_are_followed_until_there_is_none() -> None:
    first = bundle(condition(), link=[{"relation": "next", "url": " https://ehr/2 "}])
    made = reader({"conditions": first})
    assert made.next_links() == {InputName.CONDITIONS: "https://ehr/2"}
    assert report(made.chart()).why == "a further page was not read"
    made.read_input(InputName.CONDITIONS, raw(bundle(condition(FOP, id="c2"))))
    assert made.next_links() == {}
    assert report(made.chart()).state is READ
    assert report(made.chart()).seen == 2


def test_page_that_fails_leaves_the_input_partial() -> None:
    made = reader({"conditions": bundle(condition(), link=[{"relation": "next", "url": "u"}])})
    made.fail(InputName.CONDITIONS, "timed\nout")
    made.fail(InputName.CONDITIONS, "timed\nout")
    assert report(made.chart()).state is PARTIAL
    assert report(made.chart()).why == "timed out; a further page was not read"


def test_next_link_under_an_unknown_key_belongs_to_what_was_there() -> None:
    made = reader({"item1": bundle(condition(), link=[{"relation": "next", "url": "u"}])})
    assert made.next_links() == {InputName.CONDITIONS: "u"}


def test_fetch_that_fails() -> None:
    made = reader()
    for number in range(9):
        made.fail(InputName.ALLERGIES, f"error {number}")
    assert report(made.chart(), "allergies").state is FAILED
    assert InputName.ALLERGIES not in made.missing()


def test_fetched_answer_fills_an_absent_input() -> None:
    made = reader({"conditions": None})
    assert InputName.CONDITIONS not in made.missing()
    made.read_input(InputName.PROCEDURES, raw(bundle()))
    made.read_input(InputName.PATIENT, raw(resource("Patient", gender="male") | {"id": "p1"}))
    chart = made.chart()
    assert report(chart, "procedures").state is EMPTY
    assert chart.patient.sex == "male"


def test_chart_can_be_asked_for_twice() -> None:
    made = reader({"conditions": bundle(condition())})
    assert made.chart() == made.chart()


# --- what is told about what could not be read ---


def test_problems_name_places_and_never_values() -> None:
    secret = "Ms Secret"
    value = {"resourceType": "Bundle", "entry": [secret, {"resource": secret}, {}, {"resource": {}},
             {"resource": condition({"coding": [secret]})}, {"resource": {"resourceType": secret}},
             {"resource": None}]}  # fmt: skip
    chart = reader({"conditions": value, "item2": secret}).chart()
    assert [(p.place, p.why) for p in chart.problems] == [
        ("prefetch.conditions.entry[0]", "not an object"),
        ("prefetch.conditions.entry[1]", "a resource that is not an object"),
        ("prefetch.conditions.entry[2]", "no resource"),
        ("prefetch.conditions.entry[6]", "no resource"),
        ("prefetch.conditions.entry[3]", "without resourceType"),
        ("prefetch.conditions.entry[4].code", "codes that cannot be read"),
        ("prefetch.conditions.entry[5]", "without resourceType"),
        ("prefetch.item2", "text that is not JSON"),
    ]
    assert secret not in repr(chart.problems)


def test_problems_are_bounded() -> None:
    chart = reader({"conditions": bundle(*[5] * 500)}).chart()
    assert len(chart.problems) == 101
    urns = [condition(id=str(n), subject={"reference": f"urn:uuid:{n}"}) for n in range(200)]
    assert len(read(*urns).problems) == 100


def test_same_resource_under_two_keys_counts_once() -> None:
    same = bundle(condition())
    assert len(reader({"conditions": same, "item1": same}).chart().conditions) == 1


def test_facts_stand_newest_first_in_any_order_of_entries() -> None:
    dates = ["2019", "2026-01-02", "2020-05", None]
    entries = [condition(id=f"c{i}", onsetDateTime=d) for i, d in enumerate(dates)]
    forward, backward = read(*entries), read(*reversed(entries))
    assert [str(c.date) for c in forward.conditions] == ["2026-01-02", "2020-05", "2019", "None"]
    assert forward.conditions == backward.conditions


# --- the prescreen lets through whatever matters ---


def test_irrelevant_resources_are_counted_and_left_alone() -> None:
    many = [condition({"coding": [{"system": "s", "code": str(n), "display": f"d{n}"}],
                       "text": f"t{n}"}, id=str(n)) for n in range(2500)]  # fmt: skip
    chart = read(*many, condition(id="last"))
    assert report(chart).seen == 2501
    assert len(chart.conditions) == 1
