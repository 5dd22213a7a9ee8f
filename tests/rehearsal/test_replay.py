"""One patient's past events, replayed as the live service would have answered them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.rehearsal import replay
from cds_service.rehearsal.options import AsOf, EventKind, ReplayOptions
from cds_service.rehearsal.outcomes import EventOutcome
from tests.support import offline
from tests.support.exports import FOP, HYPERTENSION, coded, condition, of, operation, order, patient

Resource = dict[str, Any]


def outcomes(
    knowledge: Knowledge, *resources: Resource, **options: Any
) -> tuple[EventOutcome, ...]:
    return replay.patient([patient(), *resources], knowledge, ReplayOptions(**options))


def one(knowledge: Knowledge, *resources: Resource, **options: Any) -> EventOutcome:
    (found,) = outcomes(knowledge, *resources, **options)
    return found


def test_an_order_that_is_completed_today_was_a_draft_then(knowledge: Knowledge) -> None:
    found = one(knowledge, order(), condition())
    assert (found.row, found.tier, found.indicator) == ("7", "high", "warning")
    assert (found.day, found.kind, found.about) == (date(2024, 4, 20), "order", "arthroplasty")
    assert found.references == ("ServiceRequest/a-s1",)


@pytest.mark.parametrize("status", ["active", "on-hold", "revoked", "completed", "unknown"])
def test_whatever_became_of_an_order_it_was_signed(knowledge: Knowledge, status: str) -> None:
    assert one(knowledge, order(status=status), condition()).row == "7"


@pytest.mark.parametrize(
    "told",
    [
        {"status": "draft"},
        {"status": "entered-in-error"},
        {"intent": "proposal"},
        {"intent": "plan"},
        {"doNotPerform": True},
    ],
)
def test_what_nobody_signed_is_no_event(knowledge: Knowledge, told: Resource) -> None:
    assert outcomes(knowledge, order(**told), condition()) == ()


def test_a_complication_is_no_cause_of_its_own(knowledge: Knowledge) -> None:
    found = one(knowledge, order(), operation(), condition(day="2024-11-02"))
    assert (found.row, found.carded, found.ho_after) == ("10", False, True)
    assert dict(found.late) == {"conditions": 1}
    today = one(
        knowledge, order(), operation(), condition(day="2024-11-02"),
        as_of=AsOf.TODAY, today=date(2025, 1, 1),
    )  # fmt: skip
    assert today.carded


def test_an_operation_belongs_to_its_order(knowledge: Knowledge) -> None:
    found = one(knowledge, order(), operation())
    assert found.kind == "order"
    alone = one(knowledge, order(), operation(), events=frozenset({EventKind.PROCEDURE}))
    assert (alone.kind, alone.day) == ("procedure", date(2024, 5, 3))


def test_a_second_operation_needs_its_own_order(knowledge: Knowledge) -> None:
    found = outcomes(knowledge, order(), operation(), operation(day="2024-09-01", number=2))
    assert [(o.kind, o.day) for o in found] == [
        ("order", date(2024, 4, 20)), ("procedure", date(2024, 9, 1)),
    ]  # fmt: skip


def test_an_operation_without_an_order_is_an_event_and_not_its_own_history(
    knowledge: Knowledge,
) -> None:
    found = one(knowledge, operation(), condition())
    assert (found.kind, found.row) == ("procedure", "7")
    assert dict(found.inputs)["procedures"] == "empty"


def test_an_order_that_carries_out_another_one_is_the_same(knowledge: Knowledge) -> None:
    filler = order(number=2, basedOn=[{"reference": "ServiceRequest/a-s1"}], intent="filler-order")
    assert one(knowledge, order(), filler).references == ("ServiceRequest/a-s1",)


def test_both_hips_of_one_day_are_one_session(knowledge: Knowledge) -> None:
    right, left = (
        order(number=n, bodySite=[coded(("http://snomed.info/sct", code, side))])
        for n, code, side in ((1, "24028007", "Right"), (2, "7771000", "Left"))
    )
    found = one(knowledge, right, left, condition())
    assert found.references == ("ServiceRequest/a-s1", "ServiceRequest/a-s2")
    assert len(found.cards) == 1


def test_an_order_without_a_day_is_counted_and_not_replayed(knowledge: Knowledge) -> None:
    for day in (None, "2024", "2024-04"):
        assert one(knowledge, order(day=day), condition()).row == "undated"


def test_undated_facts_are_told_and_tried_without(knowledge: Knowledge) -> None:
    found = one(knowledge, order(), condition(day=None))
    assert (found.row, found.dated_row, found.dated_carded) == ("7", "10", False)
    assert dict(found.undated) == {"conditions": 1}


def test_a_list_that_the_export_lacks_is_absent(knowledge: Knowledge) -> None:
    us_core = frozenset({"Patient", "Condition", "Procedure", "ServiceRequest"})
    found = dict(one(knowledge, order(), condition(), types=us_core).inputs)
    assert (found["familyHistory"], found["allergies"]) == ("absent", "absent")
    assert (found["conditions"], found["procedures"]) == ("read", "empty")


def test_without_any_problem_list_nothing_can_be_said(knowledge: Knowledge) -> None:
    found = one(knowledge, order(), types=frozenset({"Patient", "ServiceRequest"}))
    assert (found.row, found.carded) == ("412", False)


def test_events_outside_of_the_time_are_left_out(knowledge: Knowledge) -> None:
    def days(**options: Any) -> list[date | None]:
        found = outcomes(
            knowledge, *(order(day=f"2024-0{n}-01", number=n) for n in (1, 2, 3)), **options
        )
        return [one.day for one in found]

    assert days(since=date(2024, 2, 1)) == [date(2024, 2, 1), date(2024, 3, 1)]
    assert days(until=date(2024, 2, 1)) == [date(2024, 1, 1), date(2024, 2, 1)]


def test_with_genetic_ho_every_order_is_replayed(knowledge: Knowledge) -> None:
    biopsy = order(number="b", code=coded(("http://snomed.info/sct", "86273004", "Biopsy")))
    drug = of(
        "a", "MedicationRequest", 1, status="completed", intent="order", authoredOn="2024-06-01",
        medicationCodeableConcept={"text": "something"},
    )  # fmt: skip
    with_fop = outcomes(knowledge, biopsy, drug, condition(code=FOP))
    assert [(o.about, o.indicator) for o in with_fop] == [
        ("other", "critical"), ("other", with_fop[1].indicator),
    ]  # fmt: skip
    assert outcomes(knowledge, biopsy, drug, condition(code=HYPERTENSION)) == ()


def test_genetic_ho_that_was_found_later_was_not_known(knowledge: Knowledge) -> None:
    found = one(knowledge, order(), condition(day="2024-06-01", code=FOP))
    assert (found.row, found.carded) == ("10", False)


def test_surgeon_and_group(knowledge: Knowledge) -> None:
    named = order(requester={"reference": "Practitioner/s1"})
    groups = {"Practitioner/s1": "North"}
    found = one(knowledge, named, groups=groups)
    assert (found.surgeon, found.group) == ("Practitioner/s1", "North")
    actor = [{"actor": {"reference": "https://ehr/fhir/Practitioner/s1"}}]
    assert one(knowledge, operation(performer=actor), groups=groups).group == "North"


def test_the_same_card_again(knowledge: Knowledge) -> None:
    found = outcomes(
        knowledge, *(order(day=d, number=d) for d in ("2024-01-01", "2024-01-20")), condition()
    )
    assert [o.days_since for o in found] == [None, 19]


def test_codes_that_nobody_reads_are_told_without_words(knowledge: Knowledge) -> None:
    local = condition(code=("http://house.example/x", "HX-12", "Smith, John"))
    odd = condition(code=("http://house.example/x", "John Smith", "y"), number=2)
    found = one(knowledge, order(), local, odd)
    assert found.codes == (("conditions", "http://house.example/x", "HX-12"),)
    assert "Smith" not in repr(found)


def test_an_order_that_may_be_a_hip_order_says_why(knowledge: Knowledge) -> None:
    local = {
        "coding": [
            {"system": "http://house.example/x", "code": "77", "display": "Total hip replacement"}
        ]
    }
    found = one(knowledge, order(code=local), condition())
    assert (found.about, found.doubt) == ("arthroplasty", "words")


def test_another_content_is_asked_about_the_same_chart(knowledge: Knowledge) -> None:
    (found,) = replay.patient(
        [patient(), order(), condition()], knowledge, ReplayOptions(), knowledge
    )
    assert (found.other_row, found.other_carded) == ("7", True)


def test_the_answer_is_that_of_a_live_call(knowledge: Knowledge) -> None:
    """The same chart and drafts, sent as a call on that day."""
    history = [condition(), condition(day="2023-01-01", code=HYPERTENSION, number=2)]
    draft = order() | {"status": "draft"}
    prefetch: dict[str, Any] = {
        name: {"resourceType": "Bundle", "type": "searchset"}
        for name in ("procedures", "medications", "medicationStatements", "allergies",
                     "observations", "familyHistory", "serviceRequests")
    }  # fmt: skip
    entries = [{"resource": one} for one in history]
    prefetch["conditions"] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    call = {
        "hook": "order-sign",
        "hookInstance": "4f2f1a0e-0c3b-4f52-9b5e-5a3a2f0d7c11",
        "context": {
            "userId": "Practitioner/x",
            "patientId": "a",
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
        "prefetch": prefetch | {"patient": patient()},
    }
    answer = json.loads(offline.answer(json.dumps(call).encode(), knowledge, date(2024, 4, 20)))
    (told,) = (next(iter(card["extension"].values())) for card in answer["cards"])
    found = one(knowledge, order(), *history)
    assert (found.row, found.cards[0].card, found.tier) == (told["row"], told["card"], told["tier"])
    assert list(found.rules) == sorted({f["rule"] for f in told["findings"]})
