"""A worker that says that it is ready has made all that its first calls need."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from benchmarks.bodies import body
from cds_service.knowledge.loader import Knowledge, load
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.constants import FIXTURES, NOW

HAEMOGLOBIN = {"system": "http://loinc.org", "code": "718-7", "display": "Haemoglobin"}
CHEST = {"system": "http://loinc.org", "code": "36643-5", "display": "XR Chest 2 Views"}
TABLET = {
    "resourceType": "MedicationRequest",
    "status": "draft",
    "intent": "order",
    "subject": {"reference": "Patient/pat-1"},
    "medicationCodeableConcept": {"text": "Amlodipine 5 mg tablet"},
    "dosageInstruction": [{"text": "one a day", "route": {"text": "by mouth"}}],
}


def call(hook: str, orders: list[dict[str, Any]] | None, content: bytes) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(content) | {"hook": hook}
    if orders is None:
        request["context"].pop("draftOrders", None)
    else:
        entries = [{"resource": order} for order in orders]
        request["context"]["draftOrders"] = {"resourceType": "Bundle", "entry": entries}
    return request


def ordered(*codings: dict[str, str], text: str = "") -> dict[str, Any]:
    [entry] = json.loads(body(1))["context"]["draftOrders"]["entry"]
    code = {"coding": list(codings)} | ({"text": text} if text else {})
    order: dict[str, Any] = entry["resource"] | {"code": code}
    return order


FOP = (FIXTURES / "fop-hip-replacement.json").read_bytes()
FIRST_CALLS = {
    **{path.stem: json.loads(path.read_bytes()) for path in sorted(FIXTURES.glob("*.json"))},
    "laboratory": call("order-sign", [ordered(HAEMOGLOBIN)], body(10)),
    "image": call("order-sign", [ordered(CHEST)], body(10)),
    "tablet": call("order-sign", [TABLET], FOP),
    "in words": call("order-sign", [ordered(text="Hüft-TEP links")], body(10)),
    "several": call("order-sign", [ordered(HAEMOGLOBIN), TABLET, ordered(text="?")], FOP),
    "patient": call("patient-view", None, FOP),
}


@contextmanager
def patterns_made() -> Iterator[list[str]]:
    """The regular expressions that this thread compiles meanwhile."""
    found: list[str] = []

    def look(frame: FrameType, event: str, _: object) -> None:
        path, name = Path(frame.f_code.co_filename), frame.f_code.co_name
        if event == "call" and name == "compile" and path.match("re/_compiler.py"):
            found.append(str(frame.f_locals["p"]))

    re.purge()
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)


async def first_calls(knowledge: Knowledge) -> tuple[set[str], list[str]]:
    """The tables and the expressions that are made by the first calls after a start."""
    nowhere = Settings(database_url=SecretStr("none"), timezone="UTC", allow_anonymous=True)
    app = create_app(nowhere, knowledge, clock=lambda: NOW)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client,
    ):
        await client.get("/health/ready")
        before = set(knowledge._made)
        with patterns_made() as patterns:
            for request in FIRST_CALLS.values():
                service = (
                    "ho-patient-view" if request["hook"] == "patient-view" else "ho-order-sign"
                )
                answer = await client.post(f"/cds-services/{service}", json=request)
                assert answer.status_code in {200, 412}, answer.text
        return {made.__qualname__ for made in set(knowledge._made) - before}, patterns


@pytest.mark.anyio
async def test_the_first_calls_make_nothing() -> None:
    tables, patterns = await first_calls(load())
    assert (tables, patterns) == (set(), [])
