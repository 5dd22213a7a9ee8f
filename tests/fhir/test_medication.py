"""Which medicine, in which state, how often, how long, for what: in every release."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.chart import MedicationFact
from tests.support.charts import (
    APIXABAN,
    FOP,
    INDOMETHACIN,
    RXNORM,
    SNOMED,
    concept,
    condition,
    read,
    reader,
    resource,
)

ATRIAL_FIBRILLATION = concept("I48.0", "http://hl7.org/fhir/sid/icd-10-cm")


def one(kind: str = "MedicationRequest", **more: Any) -> MedicationFact:
    inline = {} if {"medication", "medicationReference"} & more.keys() else {
        "medicationCodeableConcept": INDOMETHACIN}  # fmt: skip
    (fact,) = read(resource(kind, **{"status": "active"} | inline | more)).medications
    return fact


def dosed(*dosages: Any, **more: Any) -> MedicationFact:
    return one(dosageInstruction=list(dosages), **more)


def timed(**repeat: Any) -> MedicationFact:
    return dosed({"timing": {"repeat": repeat}})


TWICE = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
WEEK = {"value": 7, "unit": "days", "code": "d"}


# --- which medicine ---

INSIDE = {"resourceType": "Medication", "id": "m", "code": INDOMETHACIN}


@pytest.mark.parametrize(
    "shape",
    [
        {"medicationCodeableConcept": INDOMETHACIN},
        {"medication": {"concept": INDOMETHACIN}},
        {"medicationReference": {"reference": "#m"}, "contained": [INSIDE]},
        {"medicationReference": {"reference": "#m"}, "contained": INSIDE},
        {"medication": {"reference": {"reference": "#m"}}, "contained": [INSIDE]},
        {"medicationReference": {"reference": "Medication/m", "display": "Indocin"}},
        {"medicationReference": {"reference": "https://ehr/fhir/Medication/m/_history/1"}},
        {"medicationReference": {"reference": "urn:uuid:mmm"}},
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_medicine_by_code_or_reference(shape: dict[str, Any], order: int) -> None:
    entries = [
        {"resource": resource("MedicationRequest", status="active", **shape)},
        {"fullUrl": "urn:uuid:mmm", "resource": INSIDE},
    ]
    chart = reader({"medications": {"resourceType": "Bundle", "entry": entries[::order]}}).chart()
    (fact,) = chart.medications
    assert "indomethacin" in fact.concepts
    assert fact.source.coding is not None
    assert fact.source.coding.code == "5781"


def test_medicine_that_cannot_be_resolved_is_no_fact() -> None:
    unknown = {"reference": "Medication/x", "display": "Indomethacin"}
    assert read(resource("MedicationRequest", medicationReference=unknown)).medications == ()
    assert read(resource("MedicationRequest", medicationReference={"reference": "#x"},
                         contained=[INSIDE, 5])).medications == ()  # fmt: skip
    assert read(resource("MedicationRequest")).medications == ()


@pytest.mark.parametrize(
    ("kind", "shape", "state"),
    [
        ("MedicationRequest", {"status": "active", "intent": "order"}, "active"),
        ("MedicationRequest", {"status": "ACTIVE"}, "active"),
        ("MedicationRequest", {"status": "draft", "intent": "proposal"}, "draft"),
        ("MedicationRequest", {"status": "on-hold"}, "unknown"),
        ("MedicationRequest", {"status": None}, "unknown"),
        ("MedicationRequest", {"status": "unknown"}, "unknown"),
        ("MedicationRequest", {"status": "stopped"}, "ended"),
        ("MedicationRequest", {"status": "completed"}, "ended"),
        ("MedicationRequest", {"status": "cancelled"}, "ended"),
        ("MedicationOrder", {"status": "active", "subject": None,
                             "patient": {"reference": "Patient/p1"}}, "active"),
        ("MedicationStatement", {"status": "active", "taken": "y"}, "active"),
        ("MedicationStatement", {"status": "recorded"}, "active"),
        ("MedicationStatement", {"status": "intended"}, "unknown"),
        ("MedicationStatement", {"status": "completed"}, "ended"),
        ("MedicationStatement", {"status": "active",
                                 "effectivePeriod": {"end": "2026-11-22"}}, "ended"),
        ("MedicationStatement", {"status": "active",
                                 "effectivePeriod": {"end": "2026-11"}}, "active"),
        ("MedicationStatement", {"status": "recorded",
                                 "adherence": {"code": concept("stopped-as-directed")}}, "ended"),
        ("MedicationUsage", {"status": "recorded",
                             "adherence": {"code": concept("taking")}}, "active"),
        ("MedicationDispense", {"status": "completed", "whenHandedOver": "2026-11-20",
                                "daysSupply": {"value": 5, "unit": "d"}}, "active"),
        ("MedicationDispense", {"status": "completed", "whenHandedOver": "2026-11-01",
                                "daysSupply": {"value": 5, "unit": "d"}}, "ended"),
        ("MedicationDispense", {"status": "completed", "whenHandedOver": "2026-11-01"}, "unknown"),
        ("MedicationDispense", {"status": "completed"}, "unknown"),
        ("MedicationDispense", {"status": "in-progress"}, "active"),
        ("MedicationDispense", {"status": "declined"}, "ended"),
        ("MedicationDispense", {"status": "preparation"}, "unknown"),
        ("MedicationAdministration", {"status": "completed",
                                      "effectiveDateTime": "2026-11-23T06:00:00Z"}, "active"),
        ("MedicationAdministration", {"status": "completed",
                                      "occurenceDateTime": "2026-11-20"}, "ended"),
        ("MedicationAdministration", {"status": "completed",
                                      "effectiveTimeDateTime": "2026-11-20"}, "ended"),
        ("MedicationAdministration", {"status": "completed",
                                      "effectivePeriod": {"start": "2026-11-01",
                                                          "end": "2026-11-02"}}, "ended"),
        ("MedicationAdministration", {"status": "in-progress"}, "active"),
        ("MedicationAdministration", {"status": "stopped"}, "ended"),
    ],
)  # fmt: skip
def test_state_of_a_medicine(kind: str, shape: dict[str, Any], state: str) -> None:
    assert one(kind, **shape).state == state


@pytest.mark.parametrize(
    ("repeat", "state"),
    [
        ({"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-10"}}, "ended"),
        ({"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-23"}}, "active"),
        ({"boundsPeriod": {"start": "2026-11-01"}}, "active"),
        ({"boundsPeriod": {"start": "2026-11-01"}, "boundsDuration": WEEK}, "ended"),
        ({"boundsPeriod": {"start": "2026-11-20"}, "boundsDuration": WEEK}, "active"),
        ({"boundsDuration": WEEK}, "active"),
    ],
)
def test_course_that_is_over_has_ended_whatever_the_status(repeat: Any, state: str) -> None:
    assert timed(**repeat).state == state


def test_refillable_supply_is_no_end() -> None:
    begun = {"timing": {"repeat": {"boundsPeriod": {"start": "2019"}}}}
    fact = dosed(begun, dispenseRequest={"expectedSupplyDuration": WEEK})
    assert (fact.state, fact.days) == ("active", 7.0)


@pytest.mark.parametrize(
    ("kind", "more", "why"),
    [
        ("MedicationRequest", {"status": "entered-in-error"}, "entered-in-error"),
        ("MedicationRequest", {"doNotPerform": True}, "do not perform"),
        ("MedicationRequest", {"intent": "option"}, "only an option"),
        ("MedicationStatement", {"status": "not-taken"}, "not taken"),
        ("MedicationStatement", {"taken": "n"}, "not taken"),
        ("MedicationStatement", {"wasNotTaken": True}, "not taken"),
        ("MedicationUsage", {"adherence": {"code": concept("not-taking")}}, "not taken"),
        ("MedicationAdministration", {"status": "not-done"}, "not taken"),
        ("MedicationAdministration", {"notGiven": True}, "not taken"),
    ],
)
def test_medicines_that_do_not_count_are_set_aside(kind: str, more: Any, why: str) -> None:
    chart = read(resource(kind, medicationCodeableConcept=APIXABAN, **more))
    (aside,) = chart.set_aside
    assert chart.medications == ()
    assert aside.why == why
    assert "anticoagulant" in aside.concepts


# --- as needed, once ---


@pytest.mark.parametrize(
    ("dosage", "prn"),
    [
        ({"asNeededBoolean": True}, True),
        ({"asNeededBoolean": "true"}, True),
        ({"asNeededBoolean": False}, False),
        ({"asNeeded": True}, True),
        ({"asNeededCodeableConcept": {"text": "pain"}}, True),
        ({"asNeededCodeableConcept": {}}, False),
        ({"asNeededFor": [concept("22253000")]}, True),
        ({"asNeededFor": []}, False),
        ({"timing": {"code": {"text": "PRN"}}}, True),
        ({"text": "as needed"}, False),
    ],
)
def test_as_needed(dosage: dict[str, Any], prn: bool) -> None:
    assert dosed(dosage).prn is prn


def test_scheduled_medicine_with_doses_on_top_is_scheduled() -> None:
    fact = dosed({"timing": TWICE}, {"asNeededBoolean": True, "timing": TWICE})
    assert (fact.prn, fact.per_day) == (False, 2.0)
    assert dosed({"timing": TWICE, "asNeededBoolean": True}).per_day == 2.0
    assert not one().prn


@pytest.mark.parametrize(
    ("more", "single"),
    [
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 1}}}]}, True),
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 1, "countMax": 5}}}]}, False),
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 7}}}]}, False),
        ({"dosageInstruction": [{"timing": {"event": ["2026-11-23"]}}]}, True),
        ({"dosageInstruction": [{"timing": {"event": ["2026-11-23", "2026-11-24"]}}]}, False),
        ({"dosageInstruction": [{"timing": {"event": ["2026-11-23"]} | TWICE}]}, False),
        ({"dosageInstruction": [{"timing": {"code": {"text": "once"}}}]}, True),
        ({"dosageInstruction": [{"timing": {"code": {"text": "BID"}}}]}, False),
        ({"dosageInstruction": [{"doseQuantity": {"value": 1, "unit": "tab"}}],
          "dispenseRequest": {"quantity": {"value": 1, "unit": "tab"}}}, True),
        ({"dosageInstruction": [{"doseQuantity": {"value": 1, "unit": "tab"}}],
          "dispenseRequest": {"quantity": {"value": 1, "unit": "tab"},
                              "numberOfRepeatsAllowed": 3}}, False),
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 1}}},
                                {"timing": {"repeat": {"count": 1}}}]}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_single_dose(more: dict[str, Any], single: bool) -> None:
    assert one(**more).single_dose is single


def test_administration_at_one_point_in_time_is_one_dose() -> None:
    moment = one("MedicationAdministration", status="completed", effectiveDateTime="2026-11-23")
    period = one("MedicationAdministration", status="in-progress",
                 effectivePeriod={"start": "2026-11-23"})  # fmt: skip
    assert moment.single_dose
    assert not period.single_dose


# --- how often ---


@pytest.mark.parametrize(
    ("repeat", "per_day"),
    [
        ({"frequency": 2, "period": 1, "periodUnit": "d"}, 2.0),
        ({"frequency": 2, "period": 1, "periodUnits": "d"}, 2.0),  # DSTU2
        ({"frequency": 1, "period": 8, "periodUnit": "h"}, 3.0),
        ({"frequency": "1", "period": "12", "periodUnit": "h"}, 2.0),
        ({"frequency": 1, "period": 1, "periodUnit": "wk"}, 1 / 7),
        ({"frequency": 3, "periodUnit": "d"}, 3.0),
        ({"period": 6, "periodUnit": "h"}, 4.0),
        ({"frequency": 2}, None),
        ({"frequency": 2, "period": 1, "periodUnit": "fortnight"}, None),
        ({"frequency": 2, "period": 0, "periodUnit": "d"}, None),
        ({"frequency": 0, "period": 1, "periodUnit": "d"}, None),
        ({"frequency": -1, "period": 1, "periodUnit": "d"}, None),
        ({"when": ["MORN", "EVE"]}, 2.0),
        ({"when": "MORN"}, 1.0),
        ({"timeOfDay": ["08:00:00", "14:00:00", "20:00:00"]}, 3.0),
        ({"frequency": 2, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon", "thu"]}, 4 / 7),
        ({}, None),
        ("twice", None),
    ],
)
def test_doses_a_day(repeat: Any, per_day: float | None) -> None:
    found = dosed({"timing": {"repeat": repeat}}).per_day
    assert found == (pytest.approx(per_day) if per_day else None)


@pytest.mark.parametrize(
    ("code", "per_day"),
    [
        (concept("BID"), 2.0),
        ({"coding": [{"code": "tid"}]}, 3.0),
        ({"text": "QID"}, 4.0),
        ({"text": "Daily"}, 1.0),
        (concept("Q8H"), 3.0),
        (concept("Q12H"), 2.0),
        (concept("QOD"), 0.5),
        (concept("Q0H"), None),
        ({"text": "twice a day"}, None),
        ({}, None),
    ],
)
def test_timing_code(code: Any, per_day: float | None) -> None:
    assert dosed({"timing": {"code": code}}).per_day == per_day


def test_morning_and_evening_lines_add_up() -> None:
    lines = [{"sequence": n, "timing": {"repeat": {"when": [w]}}}
             for n, w in enumerate(["MORN", "EVE"], 1)]  # fmt: skip
    assert dosed(*lines).per_day == 2.0
    assert dosed({"timing": TWICE}, {"timing": TWICE}).per_day == 4.0


def test_steps_follow_each_other() -> None:
    steps = [{"sequence": n, "doseQuantity": {"value": dose, "unit": "mg"},
              "timing": {"repeat": TWICE["repeat"] | {"boundsDuration": WEEK}}}
             for n, dose in ((2, 25), (1, 50))]  # fmt: skip
    fact = dosed(*steps)
    assert (fact.per_day, fact.days, fact.dose) == (2.0, 14.0, 50.0)


# --- how much ---


@pytest.mark.parametrize(
    "dosage",
    [
        {"doseAndRate": [{"doseQuantity": {"value": 50, "unit": "mg"}}]},
        {"doseAndRate": {"doseQuantity": {"value": 50, "code": "mg"}}},
        {"doseQuantity": {"value": 50, "unit": "mg"}},
        {"doseAndRate": [{"doseRange": {"low": {"value": 50, "unit": "mg"},
                                        "high": {"value": 100, "unit": "mg"}}}]},
        {"doseRange": {"low": {"value": 50, "unit": "mg"}}},
        {"quantityQuantity": {"value": 50, "unit": "mg"}},
        {"doseAndRate": [
            {"type": {"text": "calculated"}, "doseQuantity": {"value": 49.5, "unit": "mg"}},
            {"type": concept("admin-amount"), "doseQuantity": {"value": 2, "unit": "capsule"}},
            {"type": concept("ordered"), "doseQuantity": {"value": 50, "unit": "mg"}}]},
        {"doseAndRate": [{"doseQuantity": {"value": 0}}],
         "doseQuantity": {"value": "50", "unit": "mg"}},
    ],
)  # fmt: skip
def test_amount_of_one_dose(dosage: dict[str, Any]) -> None:
    fact = dosed(dosage)
    assert (fact.dose, fact.dose_unit) == (50.0, "mg")


@pytest.mark.parametrize("dosage", [{"dose": {"value": 50, "unit": "mg"}},
                                    {"quantity": {"value": 50, "unit": "mg"}}])  # fmt: skip
def test_amount_that_was_given(dosage: dict[str, Any]) -> None:
    assert one("MedicationAdministration", status="completed", dosage=dosage).dose == 50.0


# --- how long ---


@pytest.mark.parametrize(
    ("repeat", "days"),
    [
        ({"boundsDuration": WEEK}, 7.0),
        ({"boundsDuration": {"value": 1, "unit": "week"}}, 7.0),
        ({"boundsDuration": {"value": 2, "code": "wk"}}, 14.0),
        ({"boundsDuration": {"value": 10}}, 10.0),
        ({"boundsDuration": {"value": 10, "unit": "moons"}}, None),
        ({"boundsDuration": {"value": -1, "code": "d"}}, None),
        ({"boundsQuantity": WEEK}, 7.0),  # DSTU2
        ({"boundsRange": {"low": WEEK, "high": {"value": 10, "code": "d"}}}, 7.0),
        ({"boundsPeriod": {"start": "2026-12-01", "end": "2026-12-07"}}, 7.0),
        ({"boundsPeriod": {"start": "2026-12-01T08:00:00Z", "end": "2026-12-08T08:00:00Z"}}, 7.0),
        ({"boundsPeriod": {"start": "2026-12-01", "end": "2027"}}, None),
        ({"boundsPeriod": {"start": "2026-12-07", "end": "2026-12-01"}}, None),
        ({"count": 14, "frequency": 2, "period": 1, "periodUnit": "d"}, 7.0),
        ({"count": 14}, None),
        ({}, None),
    ],
)
def test_days_of_a_course(repeat: Any, days: float | None) -> None:
    assert timed(**repeat).days == days


@pytest.mark.parametrize(
    ("more", "days"),
    [
        ({"dispenseRequest": {"expectedSupplyDuration": WEEK}}, 7.0),
        ({"dispenseRequest": {"quantity": {"value": 14, "unit": "capsule"}}}, 7.0),
        ({"dispenseRequest": {"quantity": {"value": 700, "unit": "mg"}}}, 7.0),
        ({"dispenseRequest": {"quantity": {"value": 700, "unit": "MG"}}}, 7.0),
        ({"dispenseRequest": {"quantity": {}}}, None),
        ({"dispenseRequest": "10"}, None),
        ({"quantity": {"value": 14, "unit": "capsules"}}, 7.0),
        ({"daysSupply": WEEK}, 7.0),
    ],
)
def test_days_of_a_supply(more: dict[str, Any], days: float | None) -> None:
    dosage = {"timing": TWICE, "doseQuantity": {"value": 50, "unit": "mg"}}
    assert dosed(dosage, **more).days == days


def test_quantity_without_a_frequency_gives_no_days() -> None:
    assert one(dispenseRequest={"quantity": {"value": 14, "unit": "capsule"}}).days is None


def test_start_and_end() -> None:
    fact = timed(boundsPeriod={"start": "2026-12-01", "end": "2026-12-10"})
    assert (str(fact.start), str(fact.end)) == ("2026-12-01", "2026-12-10")
    two = dosed({"timing": {"repeat": {"boundsPeriod": {"start": "2026-12-05"}}}},
                {"timing": {"repeat": {"boundsPeriod": {"start": "2026-12-01",
                                                        "end": "2026-12-10"}}}})  # fmt: skip
    assert (str(two.start), two.end) == ("2026-12-01", None)
    statement = one("MedicationStatement", effectiveDateTime="2020-01-01")
    assert (str(statement.start), statement.end) == ("2020-01-01", None)


# --- known by its ingredients, or by nothing ---

POINTING = {"medicationReference": {"reference": "#m"}}
HOUSE = {"resourceType": "Medication", "id": "m", "code": {"text": "Tablets of the house"}}
AMOXICILLIN = {"itemCodeableConcept": concept("723", RXNORM)}


def unnamed(*contained: Any, **more: Any) -> list[str]:
    """What is listed of a medicine that nobody here can name; empty where it is known."""
    found = resource("MedicationRequest", status="active", contained=list(contained), **more)
    return [entry.source.label for entry in read(found).unidentified]


@pytest.mark.parametrize(
    "ingredient",
    [
        {"itemCodeableConcept": INDOMETHACIN},
        {"item": {"concept": INDOMETHACIN}},
        {"item": {"reference": {"reference": "#s"}}},
        {"itemReference": {"reference": "#s"}},
    ],
)
def test_medicine_known_by_an_ingredient(ingredient: Any) -> None:
    substance = {"resourceType": "Substance", "id": "s", "code": INDOMETHACIN}
    house = HOUSE | {"ingredient": [AMOXICILLIN, ingredient]}
    fact = one(medicationReference={"reference": "#m"}, contained=[house, substance])
    assert fact.concepts >= {"nsaid", "indomethacin"}
    assert fact.source.label == "indomethacin"


def test_ingredient_of_dstu2_and_of_a_medication_sent_along() -> None:
    product = {"ingredient": [{"item": {"reference": "Substance/s"}}]}
    sent = {"medicationReference": {"reference": "Medication/m"}}
    chart = read(
        resource("MedicationOrder", status="active", **sent),
        HOUSE | {"product": product},
        {"resourceType": "Substance", "id": "s", "code": INDOMETHACIN},
    )  # fmt: skip
    assert "nsaid" in chart.medications[0].concepts


@pytest.mark.parametrize(
    ("ingredients", "listed"),
    [
        ([AMOXICILLIN], []),
        ([AMOXICILLIN, {"itemCodeableConcept": {"text": "Warfarin"}}], ["Tablets of the house"]),
        ([{"itemCodeableConcept": INDOMETHACIN, "isActive": False}], ["Tablets of the house"]),
        ([{"itemReference": {"reference": "#lost"}}, "junk"], ["Tablets of the house"]),
        ("junk", ["Tablets of the house"]),
    ],
)
def test_medicine_of_the_house_is_known_by_all_its_ingredients(
    ingredients: Any, listed: list[str]
) -> None:
    assert unnamed(HOUSE | {"ingredient": ingredients}, **POINTING) == listed


@pytest.mark.parametrize(
    ("more", "listed"),
    [
        ({}, [""]),
        ({"medicationCodeableConcept": {"text": "Warfarin"}}, ["Warfarin"]),
        ({"medicationCodeableConcept": concept("W", "urn:house", "Coumadin")}, ["Coumadin"]),
        ({"medicationCodeableConcept": {"coding": [{"code": "11289"}]}}, ["11289"]),
        ({"medicationCodeableConcept": {"coding": [{"system": RXNORM}]}}, [""]),
        ({"medicationCodeableConcept": concept("723", RXNORM + "/")}, []),
        ({"medicationCodeableConcept": concept("none", "http://fhir.de/CodeSystem/bfarm/atc")}, []),
        ({"medicationCodeableConcept": {"text": "No current medications"}}, []),
        ({"medication": {"concept": {"text": "Warfarin"}}}, ["Warfarin"]),
        ({"medicationReference": {"reference": "#lost", "display": "Warfarin"}}, ["Warfarin"]),
        ({"medicationReference": {"display": "Warfarin"}}, ["Warfarin"]),
    ],
)  # fmt: skip
def test_medicine_nobody_can_name(more: Any, listed: list[str]) -> None:
    assert unnamed(**more) == listed


@pytest.mark.parametrize(
    "state", ["stopped", "completed", "cancelled", "entered-in-error", "not-taken"]
)
@pytest.mark.parametrize("shape", ["medicationCodeableConcept", "medication"])
def test_medicine_nobody_can_name_that_is_over(state: str, shape: str) -> None:
    named = {"text": "Warfarin"}
    given = {shape: named if shape == "medicationCodeableConcept" else {"concept": named}}
    assert read(resource("MedicationStatement", status=state, **given)).unidentified == ()


# --- provenance, route, reason ---


def test_provenance_of_a_medicine() -> None:
    fact = one(authoredOn="2026-11-01", requester={"display": "Dr A"})
    assert fact.source.reference == "MedicationRequest/r1"
    assert (str(fact.date), fact.source.recorder) == ("2026-11-01", "Dr A")
    old = one("MedicationOrder", dateWritten="2015-01-15", prescriber={"display": "Dr B"})
    assert (str(old.source.date), old.source.recorder) == ("2015-01-15", "Dr B")
    assert one(medicationReference={"reference": "#m", "display": "Indocin"},
               contained=[INSIDE | {"code": {"coding": [
                   {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "5781"}]}}],
               ).source.label.lower() == "indomethacin"  # fmt: skip


def test_routes() -> None:
    assert dosed({"route": concept("78421000")}).routes == {"route-intramuscular", "route-systemic"}
    assert dosed({}).routes == frozenset()


@pytest.mark.parametrize(
    ("route", "meaning"),
    [
        ({"text": "IM"}, "route-systemic"),
        ({"text": "Oral"}, "route-systemic"),
        ({"text": "By mouth"}, "route-systemic"),
        ({"text": "PO"}, "route-systemic"),
        (
            {"coding": [{"system": "urn:oid:1.2.3", "code": "15", "display": "Oral"}]},
            "route-systemic",
        ),
        ({"text": "Subcutaneous"}, "route-systemic"),
        ({"text": "Both Eyes"}, "route-local"),
        ({"text": "Percutaneous gel"}, "route-local"),
        ({"text": "apply to affected area"}, "route-local"),
        (concept("6064005"), "route-local"),
        (concept("54485002"), "route-local"),
        ({"text": "as directed"}, "route-unread"),
        ({"coding": [{"system": "urn:oid:1.2.3", "code": "99"}]}, "route-unread"),
    ],
)
def test_what_a_route_means(route: dict[str, Any], meaning: str) -> None:
    assert dosed({"route": route}).routes == {meaning}


@pytest.mark.parametrize(
    ("more", "known", "stated"),
    [
        ({"reasonCode": [ATRIAL_FIBRILLATION]}, True, True),
        ({"reasonCode": ATRIAL_FIBRILLATION}, True, True),
        ({"reason": [{"concept": ATRIAL_FIBRILLATION}]}, True, True),
        ({"reasonCodeableConcept": ATRIAL_FIBRILLATION}, True, True),
        ({"reasonReference": [{"reference": "Condition/af"}]}, True, True),
        ({"reasonReference": {"reference": "Condition/af"}}, True, True),
        ({"reason": [{"reference": {"reference": "Condition/af"}}]}, True, True),
        ({"reasonReference": [{"reference": "Condition/x"}]}, False, True),
        ({"reasonReference": [{"display": "AF"}]}, False, True),
        ({"reasonCode": [{"text": "palpitations"}]}, False, True),
        ({"reasonCode": "palpitations"}, False, True),
        ({"reasonCode": []}, False, False),
        ({"reasonCode": [{"coding": [{}], "text": " "}]}, False, False),
        ({}, False, False),
    ],
)
def test_indication(more: dict[str, Any], known: bool, stated: bool) -> None:
    af = condition(ATRIAL_FIBRILLATION, id="af")
    request = resource("MedicationRequest", medicationCodeableConcept=APIXABAN, **more)
    (fact,) = read(request, af).medications
    assert ("atrial-fibrillation" in fact.indications) is known
    assert fact.indication_stated is stated


def test_endless_lists_of_references_are_not_followed_to_the_end() -> None:
    af = condition(ATRIAL_FIBRILLATION, id="af")
    many = [{"reference": f"Condition/{n}"} for n in range(200)] + [{"reference": "Condition/af"}]
    request = resource("MedicationRequest", medicationCodeableConcept=APIXABAN,
                       reasonReference=many)  # fmt: skip
    (fact,) = read(request, af).medications
    assert "atrial-fibrillation" not in fact.indications


def test_dull_medicines_are_left_alone() -> None:
    dull = {"coding": [{"system": SNOMED, "code": "1"}], "text": "Vitamin"}
    request = resource("MedicationRequest", medicationCodeableConcept=dull)
    odd = resource("MedicationRequest", medicationCodeableConcept=dull,
                   medicationReference={"reference": "#m"}, contained=[INSIDE])  # fmt: skip
    chart = read(request, odd)
    assert len(chart.medications) == 1
    assert chart.inputs[3].seen == 2


def test_palovarotene_or_disease_in_reason_does_not_make_a_condition() -> None:
    chart = read(resource("MedicationRequest", medicationCodeableConcept=APIXABAN,
                          reasonCode=[FOP]))  # fmt: skip
    assert chart.conditions == ()
    assert chart.medications[0].indications == {"fop"}
