"""A small run of what `scripts/fuzz` does at length: no 5xx, no hang, no broken answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.constants import ROOT
from tests.support.fuzzing import ENDPOINTS, Ledger, feedback, post, requests, texts
from tests.support.service_process import started

pytestmark = pytest.mark.process

# Not all checks: the description is stricter than the service, which reads what real clients send.
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    database = f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'store.sqlite3'}"
    with (
        started(CDS_DATABASE_URL=database) as running,
        httpx.Client(base_url=running.base, timeout=30) as client,
    ):
        yield client


@given(body=requests())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_up_requests(service: httpx.Client, body: dict[str, Any]) -> None:
    post(service, Ledger(), "/cds-services/ho-order-sign", json.dumps(body).encode())


@given(body=texts())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_up_text(service: httpx.Client, body: bytes) -> None:
    post(service, Ledger(), "/cds-services/ho-order-sign", body)


@given(body=feedback())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_up_feedback(service: httpx.Client, body: dict[str, Any]) -> None:
    post(service, Ledger(), "/cds-services/ho-order-sign/feedback", json.dumps(body).encode())


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff", b'{"hook": {}}', b"[" * 600])
def test_odd_bodies(service: httpx.Client, path: str, body: bytes) -> None:
    post(service, Ledger(), path, body)


def test_schemathesis(service: httpx.Client) -> None:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{service.base_url}/openapi.json",
        "--max-examples", "5", "--checks", CHECKS, "--seed", "1",
        "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
        "--warnings", "off",
    ]  # fmt: skip
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300
    )

    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    found = re.search(r"(\d+) generated", run.stdout)
    assert found, run.stdout[-1000:]
    assert int(found[1]) > 50
