"""HAPI's server with clinical reasoning from nothing, and one `$apply` over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import archive
from cds_service.knowledge.published.plan_definition import PLAN
from cds_service.tools.synthetic.generate import Wish, generate
from tests.support.second_engine import KNOWN, bundle_of, class_path

_OPTIONS: Final = ("-Xmx2g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_START_SECONDS: Final = 500
_BATCH: Final = 40  # resources of one transaction


@contextmanager
def reasoning_server() -> Iterator[str]:
    """The server on a free port of this machine; gives its base URL. Raises HapiMissing."""
    command = [str(shutil.which("java")), *_OPTIONS, "-cp", class_path(), "ReasoningServer"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            if process.stdout is None:
                raise AssertionError("a pipe was asked for")
            base = process.stdout.readline().strip()
            if not base.startswith("http://"):
                log.seek(0)
                raise AssertionError(f"the server did not start: {log.read()[-2000:]}")
            yield base
        finally:
            process.communicate("", timeout=60)  # it ends when its input does


def put(client: httpx.Client, resources: Iterable[Mapping[str, Any]]) -> int:
    """Load resources under their own ids, a few dozen in a transaction; gives how many."""
    listed = list(resources)
    for start in range(0, len(listed), _BATCH):
        entries = [
            {
                "resource": one,
                "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
            }
            for one in listed[start : start + _BATCH]
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        client.post("", json=bundle).raise_for_status()
    return len(listed)


def apply(client: httpx.Client, patient: str, known: Iterable[str]) -> dict[str, Any]:
    """PlanDefinition/$apply over HTTP: the CarePlan."""
    told = [{"name": name, "valueBoolean": True} for name in known]
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subject", "valueString": f"Patient/{patient}"},
            {"name": "parameters", "resource": {"resourceType": "Parameters", "parameter": told}},
        ],
    }
    answer = client.post(f"/PlanDefinition/{PLAN}/$apply", json=asked)
    answer.raise_for_status()
    plan: dict[str, Any] = answer.json()
    return plan


def applied(plan: Mapping[str, Any]) -> list[str]:
    """The ids of the actions of a CarePlan, outer ones first."""
    found: list[str] = []
    waiting = [a for held in plan.get("contained", ()) for a in held.get("action", ())]
    while waiting:
        one = waiting.pop(0)
        found.append(one["id"])
        waiting[:0] = one.get("action", ())
    return found


def shown(knowledge: Knowledge) -> str:
    """Start the server, load the package and one patient, and tell what `$apply` says."""
    wish = Wish(today=datetime.now(UTC).date(), count=2)
    patient = list(generate(wish))[-1]
    with reasoning_server() as base, httpx.Client(base_url=base, timeout=300) as client:
        number = put(client, archive.resources(knowledge))
        put(client, (one["resource"] for one in bundle_of(patient.call)["entry"]))
        plan = apply(client, patient.id, KNOWN)
    lines = [f"{base}: {number} resources of the package", f"POST PlanDefinition/{PLAN}/$apply"]
    lines += [f"  {one}" for one in applied(plan)]
    outcomes = [
        one for one in plan.get("contained", ()) if one["resourceType"] == "OperationOutcome"
    ]
    lines += [json.dumps(one) for one in outcomes]
    return "\n".join(lines)
