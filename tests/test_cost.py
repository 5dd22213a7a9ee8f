"""What a call costs, without a clock: function calls made for fixed requests, against a baseline.

Time differs from machine to machine and hour to hour; the number of calls does not. It is known
for the versions of Python in the baseline, because each counts a little differently.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from benchmarks.bodies import body, laboratory
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.constants import FIXTURES, NOW
from tests.support.heavy_calls import heavy

BASELINE = Path(__file__).parent / "cost_baseline.json"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TOLERANCE = 0.10
UPDATE = "UPDATE_COST_BASELINE"
CASES: dict[str, Callable[[], bytes]] = {
    "laboratory order, known": lambda: laboratory(10),
    "10 conditions, card": lambda: body(10),
    "1000 conditions, card": lambda: body(1_000),
    "20 draft orders, card": lambda: body(10, orders=20),
    **{
        name: lambda name=name: (FIXTURES / f"{name}.json").read_bytes()  # type: ignore[misc]
        for name in ("low-risk", "knee-replacement", "prophylaxis-conflict", "r5-previous-ho")
    },
}


@pytest.fixture(scope="module")
def app(knowledge: Knowledge) -> FastAPI:
    settings = Settings(database_url=SecretStr("none"))
    return create_app(settings, knowledge, clock=lambda: NOW)


def counted(app: FastAPI, content: bytes) -> int:
    """Function calls, ours and the libraries', from the first message of a call to the last."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    async def twice() -> None:
        await _call(app, content)  # the first one builds what is kept
        sys.setprofile(count)
        try:
            await _call(app, content)
        finally:
            sys.setprofile(None)

    before = sys.getprofile()
    asyncio.run(twice())
    sys.setprofile(before)
    return calls


async def _call(app: FastAPI, content: bytes) -> None:
    path = "/cds-services/ho-order-sign"
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http",
        "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 200))

    await app(scope, receive, send)
    assert statuses[0] == 200


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_it_did(app: FastAPI, name: str) -> None:
    known: dict[str, dict[str, int]] = json.loads(BASELINE.read_text(encoding="utf-8"))
    if UPDATE in os.environ:
        known.setdefault(VERSION, {})[name] = counted(app, CASES[name]())
        BASELINE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return
    if VERSION not in known:
        pytest.skip(f"no baseline for Python {VERSION}; make one with {UPDATE}=1")
    calls, before = counted(app, CASES[name]()), known[VERSION][name]
    change = calls / before - 1
    assert abs(change) <= TOLERANCE, (
        f"{name}: {calls} function calls, {before} before ({change:+.0%}). If this is wanted, run "
        f"{UPDATE}=1 scripts/test tests/test_cost.py, commit {BASELINE.name} and say why."
    )


def test_cost_grows_in_a_straight_line(app: FastAPI) -> None:
    few, more, many = (counted(app, body(number)) for number in (500, 1_000, 2_000))
    assert (many - more) <= 2 * (more - few) * (1 + TOLERANCE)


def test_many_drafts_ask_the_chart_once(app: FastAPI) -> None:
    one, many = counted(app, heavy(1, 1_000)), counted(app, heavy(200, 1_000))
    drafts = counted(app, heavy(200, 1)) - counted(app, heavy(1, 1))
    # Once for each of three sides, and not once for each of 200 drafts.
    assert many - drafts < 3 * one
