"""The hospital's day decides, not that of UTC; without a zone each day that it can be."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cds_service import hooks
from cds_service.clinical.days import NO_ZONE
from cds_service.errors import ClientsError
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.trust import access, clients
from cds_service.trust.tokens import Caller
from tests.support.app_client import ClientFactory
from tests.support.builders import request as build
from tests.support.ehr_calls import SIGN

NOON_IN_UTC = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)  # the 26th in Auckland
EARLY_IN_UTC = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)  # the 25th in Los Angeles
CLIENT = '[[client]]\nid = "a"\niss = "https://a.example.org"\njku = "https://a.example.org/jwks"\n'


def _client(folder: Path, zone: str) -> clients.Client:
    file = folder / "clients.toml"
    file.write_text(f'{CLIENT}timezone = "{zone}"\n')
    return clients.load(file).clients[0]


@pytest.mark.parametrize(
    ("zone", "now", "day"),
    [
        (None, NOON_IN_UTC, "2026-11-25"),
        ("Pacific/Auckland", NOON_IN_UTC, "2026-11-26"),
        ("America/Los_Angeles", EARLY_IN_UTC, "2026-11-25"),
    ],
)
def test_the_day_of_the_setting(zone: str | None, now: datetime, day: str) -> None:
    assert str(access.today_of(None, Settings(timezone=zone), now)) == day


def test_a_client_has_its_own_day(tmp_path: Path) -> None:
    client = _client(tmp_path, "Pacific/Auckland")
    settings = Settings(timezone="America/Los_Angeles")
    assert str(access.today_of(client, settings, NOON_IN_UTC)) == "2026-11-26"


def test_a_zone_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="IANA time zone"):
        Settings(timezone="Auckland time")
    with pytest.raises(ClientsError, match="IANA time zone"):
        _client(tmp_path, "Auckland time")


# --- over HTTP ---

EVENING = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # the 26th at UTC+12, the 25th at UTC-8
MORNING = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)  # as before, and the 26th in UTC
TARAWA, ANGELES = "Pacific/Tarawa", "America/Los_Angeles"
HO = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
NO_NSAID = "recent-infarction-or-stent"
CALLS: dict[str, dict[str, Any]] = {
    "65 on the 26th": {"patient": {"birthDate": "1961-11-26", "sex": "male"}},
    "apixaban 14 days ago on the 25th": {
        "chart": {"medications": ["rxnorm 1364430 apixaban | from 2026-10-26 to 2026-11-11"]}
    },
    "infarction on 2025-11-25": {
        "chart": {"conditions": [HO, "sct 57054005 Infarction | onset 2025-11-25"]}
    },
    "infarction at 2025-11-26T07:30Z": {
        "chart": {"conditions": [HO, "sct 57054005 Infarction | onset 2025-11-26T07:30:00Z"]}
    },
    "infarction at 2025-11-25T23:30-08:00": {
        "chart": {"conditions": [HO, "sct 57054005 Infarction | onset 2025-11-25T23:30:00-08:00"]}
    },
    "eGFR at 2026-11-20T03:00Z": {
        "chart": {
            "observations": ["loinc 98979-8 eGFR | = 48 mL/min/{1.73_m2} | on 2026-11-20T03:00:00Z"]
        }
    },
}


def _answer(client: Any, call: str) -> dict[str, Any]:
    said = {"patient": {"age": 60, "sex": "male"}, "orders": ["right hip replacement"]} | CALLS[
        call
    ]
    chart = {"conditions": [HO]} | said.get("chart", {})
    response = client.post(SIGN, json=build(said | {"chart": chart}))
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("now", [EVENING, MORNING], ids=["23:30Z", "00:30Z"])
@pytest.mark.parametrize(
    ("call", "words", "zones"),
    [
        ("65 on the 26th", "age-65-indomethacin", {TARAWA, None}),
        ("apixaban 14 days ago on the 25th", "1364430", {ANGELES, None}),
        ("infarction on 2025-11-25", NO_NSAID, {ANGELES, None}),
        ("infarction at 2025-11-26T07:30Z", NO_NSAID, {TARAWA, ANGELES, None}),
        ("infarction at 2025-11-25T23:30-08:00", NO_NSAID, {TARAWA, ANGELES, None}),
    ],
)
def test_a_limit_holds_where_it_is_that_day(
    make_client: ClientFactory, now: datetime, call: str, words: str, zones: set[str | None]
) -> None:
    for zone in (TARAWA, ANGELES, None):
        (card,) = _answer(make_client(now, timezone=zone), call)["cards"]
        assert (words in json.dumps(card)) == (zone in zones), zone


@pytest.mark.parametrize("zone", [None, TARAWA, ANGELES])
def test_one_instant_in_two_zones_has_one_answer(
    make_client: ClientFactory, zone: str | None
) -> None:
    client = make_client(EVENING, timezone=zone)
    here, there = (
        _answer(client, f"infarction at {written}")["cards"]
        for written in ("2025-11-26T07:30Z", "2025-11-25T23:30-08:00")
    )
    assert [card["detail"] for card in here] == [card["detail"] for card in there]
    assert [card["extension"] for card in here] == [card["extension"] for card in there]


@pytest.mark.parametrize(
    ("zone", "day"), [(ANGELES, "2026-11-19"), (TARAWA, "2026-11-20"), (None, "2026-11-20")]
)
def test_dates_of_a_card_are_the_hospitals(
    make_client: ClientFactory, zone: str | None, day: str
) -> None:
    answer = _answer(make_client(MORNING, timezone=zone), "eGFR at 2026-11-20T03:00Z")
    assert f"on {day}" in answer["cards"][0]["detail"]


@pytest.mark.parametrize(
    ("zone", "today", "said"),
    [
        (TARAWA, "2026-11-26", TARAWA),
        (ANGELES, "2026-11-25", ANGELES),
        (None, "2026-11-25 to 2026-11-26", NO_ZONE),
    ],
)
def test_the_trace_says_which_day_and_zone_decided(
    make_client: ClientFactory, zone: str | None, today: str, said: str
) -> None:
    answer = _answer(make_client(EVENING, timezone=zone), "65 on the 26th")
    trace = answer["extension"]["org.example.ho-cds"]
    assert (trace["today"], trace["zone"]) == (today, said)


def test_the_zone_of_the_client_comes_first(tmp_path: Path, knowledge: Knowledge) -> None:
    runtime = hooks.build_runtime(Settings(timezone=ANGELES), knowledge, lambda: EVENING)
    body = json.dumps(build({"orders": ["right hip replacement"], "chart": {}})).encode()
    caller = Caller(_client(tmp_path, TARAWA))
    answer = json.loads(asyncio.run(hooks.answer("ho-order-sign", body, caller, runtime)))
    trace = answer["extension"]["org.example.ho-cds"]
    assert (trace["today"], trace["zone"]) == ("2026-11-26", TARAWA)
