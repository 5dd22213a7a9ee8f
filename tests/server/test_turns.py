"""A large call is worked on in turns with the small ones, and within its time."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr

from benchmarks.bodies import body
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.constants import NOW
from tests.support.heavy_calls import heavy

SIGN = "/cds-services/ho-order-sign"


def _app(knowledge: Knowledge, **settings: Any) -> FastAPI:
    nowhere = Settings(database_url=SecretStr("none"), **settings)
    return create_app(nowhere, knowledge, clock=lambda: NOW)


@pytest.mark.parametrize("large", [1, 5])
def test_a_small_call_does_not_wait_for_large_ones(knowledge: Knowledge, large: int) -> None:
    answered: list[str] = []

    async def all_at_once() -> None:
        transport = httpx.ASGITransport(_app(knowledge, give_up_ms=60_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def call(name: str, content: bytes) -> None:
                answer = await client.post(SIGN, content=content)
                assert answer.json()["cards"]
                answered.append(name)

            heavy_body = heavy(200, 1_500)
            calls = [call("large", heavy_body) for _ in range(large)]
            await asyncio.gather(*calls, call("small", body(10)))

    asyncio.run(all_at_once())
    assert answered == ["small", *["large"] * large]


def test_large_calls_are_answered_in_the_order_they_came(knowledge: Knowledge) -> None:
    answered: list[int] = []

    async def all_at_once() -> None:
        transport = httpx.ASGITransport(_app(knowledge, give_up_ms=60_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def call(number: int) -> None:
                await client.post(SIGN, content=heavy(3, 1_000))
                answered.append(number)

            await asyncio.gather(*(call(number) for number in range(4)))

    asyncio.run(all_at_once())
    assert sorted(answered) == answered


def test_a_call_that_takes_too_long_is_ended(knowledge: Knowledge) -> None:
    before = REGISTRY.get_sample_value("cds_outran_total") or 0
    answer = AppClient(_app(knowledge, give_up_ms=50)).post(SIGN, content=heavy(200, 12_000))

    assert answer.status_code == 503
    issue = answer.json()["issue"][0]
    assert (issue["severity"], issue["code"]) == ("error", "too-costly")
    assert "was not checked" in issue["diagnostics"]
    assert REGISTRY.get_sample_value("cds_outran_total") == before + 1
