"""Readiness tells how old the key set of each client is, and why it cannot be renewed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.trust import jwks
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.ehr_calls import HIGH
from tests.support.issuer import (
    ISS,
    PUBLIC,
    SIGN,
    Issuer,
    WebServer,
    client_toml,
    json_answer,
    jwk,
    key_set,
    serving,
)
from tests.support.live import Live, Service

pytestmark = pytest.mark.anyio

ISSUER = Issuer(NOW)
GOOD = key_set(jwk("P-384", ISSUER.kid))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving(lambda _: json_answer(GOOD)) as server:
        yield server


@pytest.fixture
def settings(server: WebServer, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "clients.toml"
    at = f"{server.base}/jwks"
    path.write_text(
        client_toml(id="north", iss=ISS, jku=at, private_hosts=["localhost"])
        + client_toml(id="own", iss="https://own.example.org", jwks=GOOD)
    )
    return {"clients": path, "public_url": PUBLIC}


async def state(service: Service) -> tuple[Any, str]:
    """What readiness says of the keys, and its problems."""
    told = (await service.request("GET", "/health/ready")).json()
    return told["keys"], " ".join(told.get("problems", ()))


async def call(service: Service) -> int:
    headers = {"Authorization": f"Bearer {ISSUER.token()}"}
    return (await service.request("POST", SIGN, json=build(HIGH), headers=headers)).status_code


async def test_before_and_after_the_first_call(live: Live, settings: dict[str, Any]) -> None:
    async with live(**settings) as service:
        before = await state(service)
        assert await call(service) == 200
        after = await state(service)

    assert before == ({"north": {"state": "not fetched"}}, "")
    assert after[0]["north"]["state"] == "fresh"
    assert 0 <= after[0]["north"]["age"] < 60
    assert after[1] == ""


BROKEN: dict[str, tuple[Any, str]] = {
    "an error": (lambda _: json_answer({}, 500), "the server of the keys answered 500"),
    "no key set": (lambda _: json_answer({"keys": []}), "has no public EC or RSA key"),
    "no JSON": (lambda _: (200, {}, b"<html>"), "the JWK Set is not JSON"),
    "a redirect": (lambda _: (302, {"Location": "/x"}, b""), "the server of the keys answered 302"),
}


@pytest.mark.parametrize(("answer", "why"), BROKEN.values(), ids=BROKEN)
async def test_a_set_that_cannot_be_fetched(
    answer: Any, why: str, live: Live, settings: dict[str, Any], server: WebServer
) -> None:
    server.answer = answer
    async with live(**settings) as service:
        assert await call(service) == 401
        keys, problems = await state(service)

    assert keys == {"north": {"state": "unusable"}}
    assert "keys of north cannot be fetched" in problems
    assert why in problems
    assert "its calls are refused" in problems


@pytest.mark.parametrize(("answer", "why"), BROKEN.values(), ids=BROKEN)
async def test_a_set_that_cannot_be_renewed(
    answer: Any,
    why: str,
    live: Live,
    settings: dict[str, Any],
    server: WebServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is used on for an hour; then calls are refused."""
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0)
    async with live(**settings) as service:
        assert await call(service) == 200
        server.answer = answer
        monkeypatch.setattr(jwks, "FRESH_SECONDS", -1)
        assert await call(service) == 200
        for _ in range(200):
            keys, problems = await state(service)
            if problems:
                break
            assert await call(service) == 200
        assert keys["north"]["state"] == "stale"
        assert why in problems
        assert "s ago are used for" in problems

        monkeypatch.setattr(jwks, "STALE_SECONDS", -1)
        assert await call(service) == 401
        keys, problems = await state(service)
        assert keys["north"]["state"] == "unusable"

        server.answer = lambda _: json_answer(GOOD)
        monkeypatch.setattr(jwks, "STALE_SECONDS", 3600)
        for _ in range(200):
            assert await call(service) == 200
            _, problems = await state(service)
            if not problems:
                break
        assert problems == ""


async def test_a_server_that_is_not_there(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    at = "http://localhost:9/jwks"
    path.write_text(client_toml(id="north", iss=ISS, jku=at, private_hosts=["localhost"]))
    async with live(clients=path, public_url=PUBLIC) as service:
        assert await call(service) == 401
        _, problems = await state(service)

    assert "the server of the keys: cannot be reached" in problems


async def test_an_address_that_is_refused(live: Live, tmp_path: Path) -> None:
    """The host is registered, and leads to this machine without being registered as private."""
    path = tmp_path / "clients.toml"
    path.write_text(client_toml(id="north", iss=ISS, jku="https://localhost:9/jwks"))
    async with live(clients=path, public_url=PUBLIC) as service:
        assert await call(service) == 401
        _, problems = await state(service)

    assert "the server of the keys: its address is not allowed" in problems
