"""Any JSON whatever is survived: by the reader of charts, of orders, and of single elements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.fhir.draft_orders import read_orders
from cds_service.fhir_map import ChartReader
from cds_service.knowledge.names import InputName
from tests.support.charts import (
    APIXABAN,
    EGFR,
    FOP,
    HIP_JOINT,
    MENTIONS,
    NSAID_SUBSTANCE,
    RIGHT,
    TODAY,
    TOTAL_HIP,
    bundle,
    concept,
    index,
    raw,
    signals,
)

PERIOD = {"start": "2026-01-01", "end": "2027-01-01"}
SEEDS: list[dict[str, Any]] = [
    {"resourceType": "Condition", "id": "c", "code": FOP | {"text": "FOP"},
     "clinicalStatus": concept("active"), "verificationStatus": concept("confirmed"),
     "subject": {"reference": "Patient/p1"}, "bodySite": [RIGHT, HIP_JOINT],
     "stage": [{"summary": {"text": "Brooker III"}, "type": {"text": "Brooker"}}],
     "note": [{"text": "FOP"}], "onsetAge": {"value": 3, "code": "a"}, "onsetPeriod": PERIOD,
     "recorder": {"display": "x"}, "abatementString": "x", "severity": {"text": "x"}},
    {"resourceType": "Procedure", "id": "p", "status": "completed", "code": TOTAL_HIP,
     "performedPeriod": PERIOD, "reasonReference": [{"reference": "Condition/c"}],
     "extension": [{"valueReference": {"reference": "#b"}}],
     "contained": [{"resourceType": "BodyStructure", "id": "b", "location": HIP_JOINT,
                    "includedStructure": [{"structure": HIP_JOINT, "laterality": RIGHT}]}]},
    {"resourceType": "Observation", "status": "final", "code": EGFR, "performer": [{}],
     "valueQuantity": {"value": 12, "unit": "mL/min", "code": "x", "comparator": "<"},
     "component": [{"code": EGFR, "valueString": "<3", "valueInteger": 3}],
     "effectiveTiming": {"event": ["2026-01-01"]}, "interpretation": [concept("POS")]},
    {"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
     "medicationCodeableConcept": APIXABAN, "authoredOn": "2026-01-01",
     "dosageInstruction": [
         {"sequence": 1, "asNeededBoolean": False, "asNeededFor": [FOP], "route": RIGHT,
          "timing": {"code": concept("BID"), "event": ["2026"], "repeat": {
              "frequency": 2, "period": 1, "periodUnit": "d", "count": 3, "boundsPeriod": PERIOD,
              "boundsDuration": {"value": 3, "code": "d"}, "boundsRange": {"low": {"value": 1}},
              "dayOfWeek": ["mon"], "when": ["MORN"], "timeOfDay": ["08:00"]}},
          "doseAndRate": [{"type": concept("ordered"), "doseQuantity": {"value": 1, "unit": "mg"},
                           "doseRange": {"low": {"value": 1}}}]}],
     "dispenseRequest": {"quantity": {"value": 3, "unit": "mg"}, "numberOfRepeatsAllowed": 1,
                         "expectedSupplyDuration": {"value": 2, "unit": "d"}},
     "reasonCode": [FOP], "reason": [{"concept": FOP, "reference": {"reference": "#x"}}]},
    {"resourceType": "MedicationStatement", "medicationReference": {"reference": "#m"},
     "contained": [{"resourceType": "Medication", "id": "m", "code": APIXABAN}],
     "effectivePeriod": PERIOD, "adherence": {"code": concept("taking")}, "taken": "y"},
    {"resourceType": "MedicationDispense", "medication": {"concept": APIXABAN},
     "whenHandedOver": "2026-11-20", "daysSupply": {"value": 5, "unit": "d"},
     "status": "completed", "quantity": {"value": 5}},
    {"resourceType": "AllergyIntolerance", "code": NSAID_SUBSTANCE, "type": "allergy",
     "reaction": [{"substance": APIXABAN}], "patient": {"reference": "urn:uuid:1"}},
    {"resourceType": "FamilyMemberHistory", "relationship": {"text": "x"}, "status": "completed",
     "condition": [{"code": FOP}], "date": "2020"},
    {"resourceType": "ServiceRequest", "id": "s", "status": "draft", "code": {"concept": TOTAL_HIP},
     "orderDetail": [{"parameter": [{"valueCodeableConcept": RIGHT}]}], "bodySite": [RIGHT],
     "category": [concept("387713003")], "occurrenceTiming": {"event": ["2026-01-01"]},
     "item": [{"code": FOP, "bodySite": RIGHT}], "activity": [{"detail": {"code": FOP}}],
     "participant": [{"actor": {"reference": "Patient/p1"}}]},
    {"resourceType": "Patient", "id": "p1", "birthDate": "1960-01-01", "deceasedBoolean": False,
     "extension": [{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
                    "valueCode": "M"}]},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]},
    bundle({"resourceType": "Condition", "code": FOP}, link=[{"relation": "next", "url": "u"}]),
    {"response": {"status": "200"}, "resource": {"resourceType": "Condition", "code": FOP}},
]  # fmt: skip

JUNK: list[Any] = [
    None, True, False, 0, -1, 1e308, 10**400, "", " ", "\x00", "\ud800", "2026-13-45", "Patient/",
    "2026-01-01T99:99:99Z", "urn:uuid:", "#", "<script>", [], {}, [[]], [{}], [None],
    {"coding": 5}, {"coding": {}}, {"coding": [1]}, {"text": 5}, "9999-12-31", "0001-01-01",
    float("nan"), float("inf"), {"value": "1e999"}, {"start": 5}, "x" * 3000,
    {"reference": {"reference": {"reference": {"reference": "x"}}}}, {"code": {"code": {}}},
    2**63, {"low": 0}, {"value": 0}, "1" * 400,
]  # fmt: skip


def survive(body: bytes) -> None:
    """Read the same JSON as every kind of thing a client could send."""
    reader = ChartReader(index(), "p1", TODAY, MENTIONS, signals=signals())
    entry = b'{"fullUrl":"urn:uuid:1","resource":' + body + b"}"
    reader.read_prefetch(
        {
            "conditions": raw(body),
            "item1": raw(b'{"resourceType":"Bundle","entry":[' + entry + b",5]}"),
            "item2": raw(json.dumps(body.decode("utf-8", "replace"))),
        }
    )
    reader.read_input(InputName.OBSERVATIONS, body)
    orders = read_orders(raw(body), index(), "p1", TODAY, reader)
    alone = read_orders(raw(b'{"entry":[' + entry + b"]}"), index(), "p1", TODAY)
    chart = reader.chart()
    assert chart == reader.chart()
    # Whatever comes out can be written as UTF-8.
    repr((chart, orders, alone, reader.missing(), reader.next_links())).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value)  # of a list
    for step, inner in steps:
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, step))
        else:
            yield (*path, step)


def with_junk(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = deepcopy(value)
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = junk
    return copy


@pytest.mark.parametrize("seed", SEEDS, ids=lambda s: str(s.get("resourceType", "wrapper")))
def test_junk_in_every_place_of_a_resource(seed: dict[str, Any]) -> None:
    spots = [path for path in places(seed) if path]
    for number, path in enumerate(spots):
        for junk in JUNK[number % 3 :: 3]:
            survive(json.dumps(with_junk(seed, path, junk)).encode())


@pytest.mark.parametrize("junk", JUNK, ids=lambda j: type(j).__name__)
def test_junk_alone(junk: Any) -> None:
    survive(json.dumps(junk).encode())


MEMBERS = sorted({step for s in SEEDS for path in places(s) for step in path if step == str(step)})
LEAVES = st.one_of(
    st.sampled_from(JUNK),
    st.sampled_from(["Condition", "Observation", "Bundle", "82725007", "http://snomed.info/sct",
                     "Patient/p1", "active", "FOP", "Brooker IV", "2020-01-01", "mg", "d"]),
    st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none(),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6)
    ),
    max_leaves=25,
)
KINDS = st.sampled_from([s["resourceType"] for s in SEEDS if "resourceType" in s])


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_any_json_is_survived(value: Any) -> None:
    survive(json.dumps(value).encode())


@settings(max_examples=300, deadline=None)
@given(KINDS, st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=12))
def test_any_members_of_a_resource_are_survived(kind: str, members: dict[str, Any]) -> None:
    survive(json.dumps({**members, "resourceType": kind}).encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_of_a_fetched_answer_are_survived(body: bytes) -> None:
    reader = ChartReader(index(), "p1", TODAY, MENTIONS, signals=signals())
    reader.read_input(InputName.CONDITIONS, body)
    assert not reader.chart().conditions
