"""A warning that was overridden comes back as an info card: when, and when never."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.store import tables
from tests.support.builders import request as build
from tests.support.builders import with_resource
from tests.support.constants import NOW
from tests.support.observed import TRACE
from tests.support.repeating import DECLINED, HIGH, HO, Ward, ward
from tests.support.stores import read

pytestmark = pytest.mark.anyio

FOP = "sct 82725007 Fibrodysplasia ossificans progressiva"
OURS = "https://ho-cds.example.org/fhir/CodeSystem/override-reason"


@pytest.fixture
async def north(tmp_path: Path, knowledge: Knowledge) -> AsyncIterator[Ward]:
    async with ward(tmp_path, knowledge) as found:
        yield found


def changed(**chart: Any) -> dict[str, Any]:
    """HIGH with more in the chart."""
    return HIGH | {"chart": HIGH["chart"] | chart}


# --- the same finding for the same order ---


async def test_an_answered_warning_is_an_info_card_that_says_so(north: Ward) -> None:
    warning = await north.overridden()
    again = await north.card(HIGH)

    assert (warning["indicator"], again["indicator"]) == ("warning", "info")
    assert again["summary"].startswith("Answered on 2026-11-23: Patient declined. High HO risk")
    assert "Answered:** 2026-11-23: Patient declined." in again["detail"]
    assert "from 2026-12-23 on" in again["detail"]
    assert "Found:** Postoperative heterotopic ossification" in again["detail"]
    assert "Advised" not in again["detail"]
    assert "suggestions" not in again
    assert again["source"] == warning["source"]
    assert again["overrideReasons"] == warning["overrideReasons"]
    said = again["extension"][TRACE]
    assert said.pop("answered") == {
        "on": "2026-11-23",
        "reason": "105480006",
        "until": "2026-12-23",
    }
    assert said == warning["extension"][TRACE]


async def test_the_same_is_not_a_matter_of_ids_order_or_hook(north: Ward) -> None:
    """Drafts get new ids, charts are sent in another order and hold the same twice."""
    both = changed(conditions=[HO, "icd10cm M48.10 DISH"])
    await north.overridden(both, hook="order-select")

    text = json.dumps(build(changed(conditions=["icd10cm M48.10 DISH", HO, HO])))
    body = json.loads(text.replace("order-1", "order-7").replace("condition-", "c"))
    [again] = await north.asked(body)
    assert again["indicator"] == "info"


async def test_an_order_that_came_to_it_is_told_though_the_card_of_the_hip_stands_for_it(
    north: Ward,
) -> None:
    elbow = "cpt 24149 Radical resection of the elbow with heterotopic bone"
    await north.overridden()
    both = HIGH | {"orders": ["right hip replacement", elbow]}
    warning = await north.overridden(both)
    assert warning["indicator"] == "warning"
    assert warning["extension"][TRACE]["orders"] == ["ServiceRequest/order-1"]
    assert (await north.card(both))["indicator"] == "info"
    assert (await north.card(HIGH | {"orders": [elbow]}))["indicator"] == "warning"


async def test_an_order_that_is_no_business_of_ours_changes_nothing(north: Ward) -> None:
    await north.overridden()
    more = HIGH | {"orders": ["right hip replacement", "sct 168537006 Plain radiography"]}
    assert (await north.card(more))["indicator"] == "info"


@pytest.mark.parametrize("spec", [None, "3.0.0"])
async def test_every_reason_of_ours_counts(
    tmp_path: Path, knowledge: Knowledge, spec: str | None
) -> None:
    async with ward(tmp_path, knowledge, spec_version=spec) as north:
        warning = await north.card(HIGH)
        for reason in warning["overrideReasons"]:
            await north.answered(warning, reason={k: reason[k] for k in ("system", "code")})
            north.later(seconds=1)
            again = await north.card(HIGH)
            assert again["indicator"] == "info"
            assert reason["display"].rstrip(".")[:40] in again["summary"]


# --- what is no answer ---


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("accepted", None),
        ("ignored", DECLINED),
        ("dismissed", DECLINED),
        ("overridden", None),
        ("overridden", {"system": "https://hospital.example.org/reasons", "code": "busy"}),
        ("overridden", {"system": OURS, "code": "no-such-reason"}),
    ],
)
async def test_only_an_override_with_a_reason_of_ours_is_an_answer(
    north: Ward, outcome: str, reason: dict[str, str] | None
) -> None:
    await north.answered(await north.card(HIGH), outcome=outcome, reason=reason)
    assert (await north.card(HIGH))["indicator"] == "warning"


async def test_no_answer_at_all(north: Ward) -> None:
    for _ in range(3):
        assert (await north.card(HIGH))["indicator"] == "warning"
        await north.written()


async def test_the_last_answer_counts(north: Ward) -> None:
    first, second = await north.card(HIGH), await north.card(HIGH)
    await north.answered(first)
    north.later(minutes=5)
    await north.answered(second, outcome="accepted", reason=None)
    assert (await north.card(HIGH))["indicator"] == "warning"


async def test_off_is_the_default(tmp_path: Path, knowledge: Knowledge) -> None:
    async with ward(tmp_path, knowledge, clients={"north": {}}) as north:
        await north.overridden()
        assert (await north.card(HIGH))["indicator"] == "warning"
        await north.written()
        assert await read(north.url, tables.repeat_marks) == []


# --- findings that changed ---

CHANGES: dict[str, dict[str, Any]] = {
    "another factor": changed(conditions=[HO, "icd10cm M48.10 DISH"]),
    "another code of the same rule": changed(
        conditions=["icd10cm M61.551 Other ossification of muscle, right thigh"]
    ),
    "another exclusion": changed(conditions=[HO, "icd10cm K25.4 Gastric ulcer with hemorrhage"]),
    "an option that is gone": changed(medications=["rxnorm 1364430 apixaban | 5 mg twice daily"]),
    "a result": changed(observations=["loinc 98979-8 eGFR | = 24 mL/min/{1.73_m2}"]),
    "an input that is not read": HIGH | {"failed": ["observations"]},
    "the other side": HIGH | {"orders": ["left hip replacement"]},
    "both sides": HIGH | {"orders": ["right hip replacement", "left hip replacement"]},
    "another operation": HIGH | {"orders": ["sct 76915002 Hemiarthroplasty of hip"]},
    "no factor more": changed(conditions=["sct 444748003 | refuted"]),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_what_changed_is_told_as_ever(north: Ward, name: str) -> None:
    await north.overridden()
    cards = await north.cards(CHANGES[name])
    assert "info" not in {c["indicator"] for c in cards if "answered" in c["extension"][TRACE]}
    assert all("answered" not in card["extension"][TRACE] for card in cards)
    assert (await north.card(HIGH))["indicator"] == "info"


async def test_content_that_changed_asks_again(tmp_path: Path, knowledge: Knowledge) -> None:
    """The answer was to what the card said then."""
    async with ward(tmp_path, knowledge) as north:
        await north.overridden()
    other = deepcopy(knowledge)
    object.__setattr__(other, "version", f"{knowledge.version}-1")
    async with ward(tmp_path, other) as north:
        assert (await north.card(HIGH))["indicator"] == "warning"


# --- whom it is about ---


@pytest.mark.parametrize(
    "how",
    [
        {"patient": "pat-2"},
        {"client": "south"},
        {"tenant": "clinic-2"},
        {"fhirServer": "https://other.example.org/fhir"},
    ],
    ids=lambda how: next(iter(how)),
)
async def test_never_across_patients_clients_tenants_and_servers(
    north: Ward, how: dict[str, str]
) -> None:
    await north.overridden()
    assert (await north.card(HIGH, **how))["indicator"] == "warning"
    assert (await north.card(HIGH))["indicator"] == "info"


async def test_no_client_answers_for_another(north: Ward) -> None:
    """Not even with the uuid of the other's card."""
    warning = await north.card(HIGH)
    await north.answered(warning, client="south")
    assert (await north.card(HIGH))["indicator"] == "warning"


# --- genetic HO ---

GENETIC: dict[str, tuple[dict[str, Any], str]] = {
    "FOP and surgery": (changed(conditions=[HO, FOP]), "order-sign"),
    "suspected FOP": (changed(conditions=[HO, f"{FOP} | provisional"]), "order-sign"),
    "POH and surgery": (
        changed(conditions=[HO, "sct 717051004 Progressive osseous heteroplasia"]),
        "order-sign",
    ),
    "FOP in the family": (changed(family=[FOP]), "order-sign"),
    "FOP in words": (
        changed(
            conditions=[
                HO,
                {
                    "raw": {
                        "resourceType": "Condition",
                        "id": "w",
                        "subject": {"reference": "Patient/pat-1"},
                        "code": {"text": "Fibrodysplasia ossificans progressiva"},
                    }
                },
            ]
        ),
        "order-sign",
    ),
    "FOP on opening the chart": (changed(conditions=[FOP]), "patient-view"),
}


@pytest.mark.parametrize("name", GENETIC)
async def test_genetic_ho_is_never_held_back(north: Ward, name: str) -> None:
    described, hook = GENETIC[name]
    first = await north.cards(described, hook=hook)
    assert first
    for card in first:
        await north.answered(card, reason={"system": OURS, "code": "specialist-consulted"})
    again = await north.cards(described, hook=hook)

    def told(cards: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(card["indicator"], card["summary"]) for card in cards]

    assert told(again) == told(first)
    await north.written()
    assert await read(north.url, tables.repeat_marks) == []


async def test_genetic_ho_that_came_up_since_brings_the_warning_back(north: Ward) -> None:
    await north.overridden()
    for card in await north.cards(changed(family=[FOP])):
        assert "answered" not in card["extension"][TRACE]


# --- time ---


async def test_it_ends_by_day(tmp_path: Path, knowledge: Knowledge) -> None:
    """The day is the hospital's: at 23:30 UTC Auckland has the next one."""
    clients = {"north": {"repeat_days": 3, "timezone": "Pacific/Auckland"}}
    async with ward(tmp_path, knowledge, clients=clients) as north:
        await north.overridden()
        found = []
        for _ in range(4):
            card = await north.card(HIGH)
            found.append((card["indicator"], card["summary"][:22]))
            north.later(days=1)
    assert found == [("info", "Answered on 2026-11-24")] * 3 + [
        ("warning", "High risk of heterotop")
    ]


async def test_fewer_days_count_at_once(tmp_path: Path, knowledge: Knowledge) -> None:
    async with ward(tmp_path, knowledge) as north:
        await north.overridden()
    later = NOW + timedelta(days=5)
    clients = {"north": {"repeat_days": 5}}
    async with ward(tmp_path, knowledge, clients=clients, now=later) as north:
        assert (await north.card(HIGH))["indicator"] == "warning"


async def test_to_override_the_info_card_prolongs_nothing(north: Ward) -> None:
    await north.overridden()
    north.later(days=29)
    again = await north.overridden()
    assert again["indicator"] == "info"
    north.later(days=1)
    assert (await north.card(HIGH))["indicator"] == "warning"


async def test_a_clock_that_is_ahead(north: Ward) -> None:
    """The day that is told is never one to come, nor one before the card."""
    warning = await north.card(HIGH)
    await north.answered(warning, at=NOW + timedelta(hours=20))
    assert (await north.card(HIGH))["summary"].startswith("Answered on 2026-11-23")

    other = await north.card(HIGH, patient="pat-2")
    await north.answered(other, at=NOW - timedelta(days=400))
    again = await north.card(HIGH, patient="pat-2")
    assert again["summary"].startswith("Answered on 2026-11-23")


# --- which cards ---


async def test_info_cards_and_what_is_not_shown_leave_no_mark(
    tmp_path: Path, knowledge: Knowledge
) -> None:
    shadow = {"repeat_days": 30, "mode": "shadow"}
    clients = {"north": {"repeat_days": 30}, "south": shadow}
    async with ward(tmp_path, knowledge, clients=clients) as north:
        moderate = await north.overridden(HIGH | {"chart": {"conditions": ["icd10cm M48.10 DISH"]}})
        assert moderate["indicator"] == "info"
        assert await north.cards(HIGH, client="south") == []
        await north.overridden()
        await north.written()
        [mark] = await read(north.url, tables.repeat_marks)
        assert mark["client"] == "north"


async def test_records_and_figures_count_what_was_shown(north: Ward) -> None:
    await north.overridden()
    again = await north.card(HIGH)
    await north.written()
    rows = {row["card"]: row for row in await read(north.url, tables.issued)}
    assert rows[again["uuid"]]["indicator"] == "info"
    assert rows[again["uuid"]]["suggestions"] == ""


async def test_one_more_reading_of_the_chart_is_the_same(north: Ward) -> None:
    """What the rules do not look at changes nothing."""
    await north.overridden()
    other = {"resourceType": "Condition", "id": "x", "subject": {"reference": "Patient/pat-1"},
             "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J00",
                                  "display": "Common cold"}]}}  # fmt: skip
    [again] = await north.asked(with_resource(build(HIGH), "conditions", other))
    assert again["indicator"] == "info"
