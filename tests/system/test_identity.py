"""One setting names all identifiers of ours, on cards, in drafts, in feedback and in files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.constants import FIXTURES, ROOT

pytestmark = pytest.mark.system

BASE = "https://cds.hospital.example/ho"
# Answers a call, sends an override of its card back, then signs what the card drafts.
STORY = """
import asyncio, json, sys
from cds_service.knowledge.loader import load
from cds_service.ops.settings import from_environment
from cds_service.server.app import create_app
from cds_service.cards.override_reasons import offered
from tests.support.app_client import AppClient
from tests.support.constants import NOW
app = create_app(from_environment(), clock=lambda: NOW)
client = AppClient(app)
body = json.load(open(sys.argv[1]))
answer = client.post("/cds-services/ho-orders", json=body).json()
[referral] = [
    a["resource"] for s in answer["cards"][0]["suggestions"] for a in s["actions"]
    if a["resource"]["resourceType"] == "ServiceRequest"
]
entry = {"resource": referral | {"id": "new"}}
body["context"]["draftOrders"]["entry"].append(entry)
print(json.dumps({
    "answer": answer,
    "after": client.post("/cds-services/ho-orders", json=body).json(),
    "discovery": client.get("/cds-services").json(),
    "sets": client.get("/fhir/ValueSet").json(),
    "reasons": [one.system for one in offered(load())],
}))
"""


def told(**more: str) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    env |= {"CDS_DATABASE_URL": "none", "CDS_TIMEZONE": "UTC", **more}
    file = str(FIXTURES / "high-risk-previous-ho.json")
    command = [sys.executable, "-c", STORY, file]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_placeholder_is_left_where_a_base_is_set() -> None:
    found = told(CDS_IDENTIFIER_BASE=BASE)
    [card] = found["answer"]["cards"]

    assert "ho-cds" not in json.dumps(found)
    assert set(found["answer"]["extension"]) == {"example.hospital.cds.ho"}
    assert card["source"]["topic"]["system"] == f"{BASE}/fhir/CodeSystem/card-topic"
    assert f"{BASE}/fhir/CodeSystem/override-reason" in found["reasons"]
    assert found["after"]["cards"] == []  # its own referral is read as prophylaxis
    [silent] = found["after"]["extension"]["example.hospital.cds.ho"]["silent"]
    assert silent["row"] == "6"


def test_the_placeholder_stands_where_none_is_set() -> None:
    assert set(told()["answer"]["extension"]) == {"org.example.ho-cds"}


@pytest.mark.parametrize(
    "value", ["http://cds.example", "cds.example", "https://x", "https://a.b/?q"]
)
def test_a_base_that_cannot_be_used_is_refused(value: str) -> None:
    env = {**os.environ, "CDS_IDENTIFIER_BASE": value}
    command = [sys.executable, "-m", "cds_service", "clients", "check"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "CDS_IDENTIFIER_BASE: must be a https URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_others_reach_warns() -> None:
    env = {**os.environ, "CDS_ALLOW_ANONYMOUS": "true", "CDS_DATABASE_URL": "none"}
    for more, warned in (({}, True), ({"CDS_IDENTIFIER_BASE": BASE}, False)):
        given = env | more | {"CDS_HOST": "0.0.0.0", "CDS_PORT": "1"}  # noqa: S104  # no port
        command = [sys.executable, "-m", "cds_service", "serve"]
        given["CDS_KNOWLEDGE_OVERLAY"] = "/nowhere"  # it ends before it listens
        done = subprocess.run(
            command, env=given, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ("identifiers are placeholders" in done.stderr) is warned
        assert done.returncode == 1
