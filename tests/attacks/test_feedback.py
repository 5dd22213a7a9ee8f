"""Attacks on feedback: patient data put where codes belong, and figures of other clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cds_service.cdshooks.feedback import EPIC_REASON, NOT_OURS
from cds_service.knowledge.loader import Knowledge
from cds_service.store import report
from cds_service.store.tables import feedback, issued
from tests.cdshooks.test_feedback import ACCEPTED, OVERRIDDEN, SUGGESTION
from tests.support.attack_book import attack, attacks
from tests.support.bad_tokens import ISSUER, OTHER, OTHER_ISS
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.live import FEEDBACK, Live, Service

pytestmark = pytest.mark.anyio

KIND = "Feedback"
RECORD_NUMBER = "MRN-00471142"  # any token; a code may look like that, too
DIGITS = "004711420815"


def overridden(**reason: Any) -> dict[str, Any]:
    return {"overrideReason": reason}


PLACES: list[tuple[str, str, dict[str, Any]]] = [
    ("code of a reason", "not kept", overridden(reason={"code": RECORD_NUMBER})),
    ("code of a reason, as a number", "not kept", overridden(reason={"code": int(DIGITS)})),
    ("system of a reason", "not kept",
     overridden(reason={"code": "x", "system": f"urn:oid:1.2.3.{DIGITS}"})),
    ("our code in a system that holds it", "not kept",
     overridden(reason={"code": "record-checked", "system": f"http://h/Patient/{DIGITS}"})),
    ("code of a reason of earlier drafts", "not kept", overridden(code=RECORD_NUMBER)),
    ("category of Epic's reason", "not kept", overridden(extension={EPIC_REASON: DIGITS})),
    ("reasons in the plural", "not kept", {"overrideReasons": {"reason": {"code": DIGITS}}}),
    ("id of the card", "not kept", {"card": RECORD_NUMBER}),
    ("id of the card, as a number", "not kept", {"card": int(DIGITS)}),
    ("id of the card, as a UUID of another kind", "not kept",
     {"card": "00471142-0815-1000-8000-004711420815"}),
    ("id of a suggestion", "not kept", {"acceptedSuggestions": [{"id": RECORD_NUMBER}]}),
    ("id of a suggestion, as a UUID", "not kept",
     {"acceptedSuggestions": [{"id": "00471142-0815-4000-8000-004711420815"}]}),
]  # fmt: skip


@attacks(KIND, [(f"record number as {name}", answer, item) for name, answer, item in PLACES])
async def test_a_record_number_is_never_kept(
    answer: str, value: dict[str, Any], live: Live, tmp_path: Path
) -> None:
    async with live() as service:
        row = await service.stored(OVERRIDDEN | value)

    assert NOT_OURS in row.values()
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        for part in (RECORD_NUMBER, DIGITS, DIGITS.lstrip("0"), "00471142", "Patient/"):
            assert part.encode() not in content


async def test_suggestions_of_the_card_are_kept_and_no_others(live: Live) -> None:
    async with live() as service:
        [card] = (await service.post(build(HIGH), SIGN)).json()["cards"]
        mine = card["suggestions"][0]["uuid"]
    async with live() as service:  # by now the card is written
        ids = [{"id": mine}, {"id": SUGGESTION}, {"id": "x"}]
        await service.send(ACCEPTED | {"card": card["uuid"], "acceptedSuggestions": ids})
        [row] = await service.rows()

    assert row["suggestions"] == f"{mine} {NOT_OURS}"


async def test_standard_reasons_are_ours(service: Service, knowledge: Knowledge) -> None:
    for reason in knowledge.standard_reasons.values():
        coding = {"code": reason.code, "system": reason.system}
        await service.send(OVERRIDDEN | overridden(reason=coding))
    kept = {(row["reason_system"], row["reason_code"]) for row in await service.rows()}

    assert kept == {(r.system, r.code) for r in knowledge.standard_reasons.values()}


# --- clients ---


@asynccontextmanager
async def two_clients(live: Live, folder: Path, **more: Any) -> AsyncIterator[Service]:
    """A service with two registered clients."""
    path = folder / "clients.toml"
    keys = key_set(jwk("P-384", ISSUER.kid))
    others = key_set(jwk("P-384#other", OTHER.kid))
    path.write_text(
        client_toml(id="north", iss=ISS, jwks=keys)
        + client_toml(id="east", iss=OTHER_ISS, jwks=others)
    )
    async with live(clients=path, public_url=PUBLIC, **more) as service:
        yield service


async def post(service: Service, issuer: Issuer, body: Any, path: str = FEEDBACK) -> Any:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    return await service.request("POST", path, content=json.dumps(body), headers=headers)


@attack(KIND, "feedback on a card of another client", "kept, not counted for the card")
async def test_nobody_answers_for_another_client(live: Live, tmp_path: Path) -> None:
    async with two_clients(live, tmp_path) as service:
        [card] = (await post(service, ISSUER, build(HIGH), SIGN)).json()["cards"]
        theirs = ACCEPTED | {
            "card": card["uuid"],
            "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        }
        mine = OVERRIDDEN | {"card": card["uuid"]}
    async with two_clients(live, tmp_path) as service:
        assert (await post(service, OTHER, {"feedback": [theirs]})).json() == {"feedback": 1}
        before = await service.figures()
        assert (await post(service, ISSUER, {"feedback": [mine]})).status_code == 200
        after = await service.figures()
        [row] = await service.rows(issued)
        kept = {row["client"]: row["suggestions"] for row in await service.rows(feedback)}

    assert row["client"] == "north"
    assert kept == {"east": NOT_OURS, "north": ""}
    assert before.total == report.OutcomeTally(issued=1)
    assert after.total == report.OutcomeTally(issued=1, overridden=1)
    assert before.unmatched == after.unmatched == {"accepted": 1}


@attack(KIND, "a client fills the store", "429 with Retry-After; other clients go on")
async def test_each_client_has_a_quota(live: Live, tmp_path: Path) -> None:
    many = {"feedback": [OVERRIDDEN] * 600}
    async with two_clients(live, tmp_path, feedback_per_hour=1_000) as service:
        first, second = [await post(service, ISSUER, many) for _ in range(2)]
        other = await post(service, OTHER, many)
        small = await post(service, ISSUER, {"feedback": [OVERRIDDEN]})

    assert [each.status_code for each in (first, second, other, small)] == [200, 429, 200, 200]
    assert 600 < int(second.headers["retry-after"]) <= 720  # 200 items at 1,000 an hour
    assert second.json()["issue"][0]["code"] == "throttled"


async def test_what_could_not_be_stored_is_not_counted(live: Live, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with live(f"sqlite:///{tmp_path / 'file' / 'db'}", feedback_per_hour=1_000) as service:
        many = {"feedback": [OVERRIDDEN] * 1_000}
        answers = [(await service.post(many)).status_code for _ in range(2)]

    assert answers == [503, 503]


# --- what a page of another origin can send without asking ---


@attacks(
    KIND,
    [
        ("text/plain", "415", "text/plain"),
        ("text/plain that names JSON", "415", "text/plain; application/json"),
        ("a form", "415", "application/x-www-form-urlencoded"),
        ("a form with files", "415", "multipart/form-data; boundary=application/json"),
        ("no Content-Type", "415", None),
        ("two types in one", "415", "text/plain, application/json"),
        ("a type that begins the same", "415", "application/jsonp"),
    ],
)
async def test_what_is_not_called_json_is_refused(
    answer: str, value: str | None, service: Service
) -> None:
    said = {} if value is None else {"content-type": value}
    body = json.dumps({"feedback": [ACCEPTED]})
    response = await service.bare("POST", FEEDBACK, content=body, headers=said)

    assert response.status_code == 415
    assert response.json()["issue"][0]["expression"] == ["Content-Type"]
    assert await service.rows() == []


@pytest.mark.parametrize(
    "said",
    [
        "application/json",
        "application/json;charset=utf-8",
        "Application/JSON; charset=UTF-8",
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
    ],
)
async def test_json_by_any_of_its_names_is_read(said: str, service: Service) -> None:
    body = json.dumps({"feedback": [ACCEPTED]})
    response = await service.bare("POST", FEEDBACK, content=body, headers={"content-type": said})

    assert response.status_code == 200
