"""`cds-service sandbox` as a real process: the service, the FHIR server, and the hip card."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cds_service.tools.sandbox.hip_order import BRIDGE
from tests.support.constants import ROOT

pytestmark = pytest.mark.process


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "cds_service", "sandbox", *options]


def environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    return kept | {"CDS_DATA_DIR": str(folder)}


@contextmanager
def sandbox(folder: Path, *options: str) -> Iterator[str]:
    """A running command; gives the URL of the stand-in. It must stop by itself when interrupted."""
    process = subprocess.Popen(
        command("--fhir-port", "0", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder),
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        home = None
        while home is None and (line := process.stdout.readline()):
            home = re.search(r"(http://127\.0\.0\.1:\d+)/card/hip", line)
        assert home, f"did not start: {process.communicate(timeout=20)[1]}"
        yield home[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in {0, -signal.SIGINT}
    finally:
        process.kill()
        process.communicate(timeout=20)


def opened(client: httpx.Client, service: dict[str, object], patient: str) -> httpx.Response:
    """The Sandbox opens a chart: prefetch from the stand-in, then a call at patient-view."""
    templates = service["prefetch"]
    assert isinstance(templates, dict)
    prefetch = {}
    for key, template in templates.items():
        answer = client.get(f"/fhir/{template}".replace("{{context.patientId}}", patient))
        if answer.status_code == 200:
            prefetch[key] = answer.json()
    call = {
        "hook": "patient-view",
        "hookInstance": "5f4f5bb4-9d6b-4f3e-8c3f-6b8d0f6c1a11",
        "context": {"userId": "Practitioner/COREPRACTITIONER1", "patientId": patient},
        "prefetch": prefetch,
    }
    return client.post(f"/cds-services/{BRIDGE}", json=call)


def test_the_hip_card_and_feedback_on_it(tmp_path: Path) -> None:
    with sandbox(tmp_path, "--port", str(free_port())) as home, httpx.Client(base_url=home) as here:
        [service] = here.get("/cds-services").json()["services"]
        [card] = opened(here, service, "hip").json()["cards"]
        demo = here.get("/card/hip").json()
        taken = {"id": card["suggestions"][0]["uuid"]}
        accepted = {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [taken]}
        reason = {"reason": {k: demo["overrideReasons"][0][k] for k in ("code", "system")}}
        overridden = {"card": demo["uuid"], "outcome": "overridden", "overrideReason": reason}
        for item in (accepted, overridden):
            told = here.post(f"/cds-services/{BRIDGE}/feedback", json={"feedback": [item]})
            assert told.json()["feedback"] == 1

    report = subprocess.run(
        [sys.executable, "-m", "cds_service", "feedback", "report", "--json"],
        capture_output=True, text=True, check=True, env=environment(tmp_path), cwd=ROOT,
    )  # fmt: skip
    counted = json.loads(report.stdout)["cards"]
    assert card["indicator"] == "warning"
    assert demo["summary"] == card["summary"]
    assert (counted["issued"], counted["accepted"], counted["overridden"]) == (2, 1, 1)


def test_fop_and_a_healthy_patient_at_a_service_that_runs_already(
    server: httpx.Client, tmp_path: Path
) -> None:
    base = str(server.base_url).rstrip("/")
    with (
        sandbox(tmp_path, "--service", f"{base}/cds-services") as home,
        httpx.Client(base_url=home) as here,
    ):
        assert f"{base}/cds-services".replace(":", "%3A").replace("/", "%2F") in here.get("/").text
        assert here.get("/card/fop").json()["indicator"] == "critical"
        assert here.get("/card/healthy").status_code == 404
        assert "only in part" in here.get("/card/paged").json()["summary"]


@pytest.mark.parametrize("taken", ["--port", "--fhir-port"])
def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        other = "--fhir-port" if taken == "--port" else "--port"
        done = subprocess.run(
            command(taken, port, other, str(free_port())),
            capture_output=True, text=True, timeout=60, check=False,
            env=environment(tmp_path), cwd=ROOT,
        )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {port}" in done.stderr
    assert "--service" in done.stderr if taken == "--port" else "--fhir-port" in done.stderr


@pytest.mark.parametrize(
    "options", [("--service", "ftp://x"), ("--sandbox", "http://sandbox.example.org")]
)
def test_urls_that_cannot_be_used(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = subprocess.run(
        command(*options), capture_output=True, text=True, timeout=60, check=False,
        env=environment(tmp_path), cwd=ROOT,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert options[0] in done.stderr
