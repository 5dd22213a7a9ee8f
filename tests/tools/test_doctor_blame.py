"""The doctor blames a service for nothing that is not its fault, and says what it did not see."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from cds_service.tools.doctor.examine import Plan, examine
from cds_service.tools.doctor.results import Examination, Status
from tests.support.doctoring import doctor, failed
from tests.support.small_services import SERVICE, FellOver, small_service

OWN: dict[str, Any] = {
    "hook": "order-sign",
    "hookInstance": "4f2f1a0e-0c3b-4f52-9b5e-5a3a2f0d7c11",
    "context": {
        "userId": "Practitioner/1",
        "patientId": "own",
        "draftOrders": {"resourceType": "Bundle"},
    },
    "prefetch": {"conditions": {"resourceType": "Bundle"}},
}


def skipped(report: Examination) -> dict[str, str]:
    return {r.statement: r.message for r in report.results if r.status is Status.SKIP}


# --- requests of one's own ---


@pytest.mark.parametrize(
    "changes",
    [{"prefetch": {}}, {"context": {"userId": "Practitioner/1"}}],
    ids=["without prefetch", "without a patient"],
)
def test_a_request_that_a_service_may_refuse_is_no_fault_of_it(changes: dict[str, Any]) -> None:
    with small_service() as small:
        report = examine(small.base, Plan(requests=[OWN | changes]))
    assert failed(report) == set()
    assert "the request that was given" in skipped(report)["RS-01"]
    assert report.cards == {"small (order-sign)": 1}  # of the synthetic call, in its place


def test_a_whole_request_that_is_refused_is_a_fault() -> None:
    with small_service(missing=400, services=[SERVICE | {"prefetch": {"x": "Basic/1"}}]) as small:
        report = examine(small.base, Plan(requests=[OWN | {"prefetch": {"x": None}}]))
    assert "RS-01" in failed(report)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"x": "\\ud800"', "half a character"),
        ('"x": 1e999', "a number that JSON does not have"),
        ('"prefetch": [1]', "prefetch must be an object"),
        (f'"x": {"[" * 950}{"]" * 950}', "nested too deeply"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps(OWN | {"prefetch": None})[:-1].replace(
        ', "prefetch": null', "") + f", {text}}}")  # fmt: skip
    done = doctor("http://127.0.0.1:9", "--request", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert why in done.stderr


def test_a_request_of_a_hook_that_nobody_serves_is_told(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps(OWN | {"hook": "encounter-start"}))
    with small_service() as small:
        told = json.loads(doctor(small.base, "--format", "json", "--request", str(file)).output)
        text = doctor(small.base, "--request", str(file)).output
    assert "not sent, no service that was examined has this hook" in told["notes"][0]
    assert "requests that were given" not in text


# --- what it did not see ---


def test_an_examination_that_ends_early_is_no_good_one(tmp_path: Path) -> None:
    with small_service() as small:
        done = doctor(small.base, "--max-calls", "12")
        junit = doctor(small.base, "--max-calls", "12", "--format", "junit")
        page = doctor(small.base, "--max-calls", "12", "--format", "html")
    assert done.exit_code == junit.exit_code == 2
    assert ET.fromstring(junit.output.encode())[0].get("failures") == "1"  # noqa: S314
    assert "<h1>The examination was not finished</h1>" in page.output


def test_a_service_that_lets_nobody_in_was_not_examined() -> None:
    with small_service(closed=lambda header: False) as small:
        done = doctor(small.base)
    assert done.exit_code == 2
    assert "give a key with --jwk" in done.output
    assert "not seen AU-02 (POST small (order-sign))" in done.output


def test_services_that_were_not_looked_at_are_named() -> None:
    services = [SERVICE, *(SERVICE | {"id": f"small{n}"} for n in range(6))]
    with small_service(services=services) as small:
        report = examine(small.base)
        markdown = doctor(small.base, "--format", "markdown").output
    [note] = report.notes
    assert note.endswith("name them with --service: small4, small5")
    assert "small4, small5" in markdown


def test_the_user_of_a_url_is_not_in_a_report() -> None:
    with small_service() as small:
        report = examine(small.base.replace("//", "//user:secret@"))
    assert report.url == small.base
    assert doctor(f"{small.base}?x=1").exit_code == 2


# --- services that do well ---


def test_a_hook_whose_context_is_not_known_needs_a_request() -> None:
    with small_service(services=[SERVICE | {"hook": "medication-refill"}]) as small:
        report = examine(small.base)
    assert failed(report) == set()
    assert "--request" in skipped(report)["RS-01"]


def test_another_hook_is_one_that_the_id_does_not_serve() -> None:
    with small_service(services=[SERVICE, SERVICE | {"hook": "patient-view"}]) as small:
        report = examine(small.base)
    others = [r.message for r in report.results if r.message.startswith("another hook")]
    assert set(others) == {"another hook (order-select) gets 400"}


def test_feedback_on_a_card_that_was_never_sent_may_be_refused() -> None:
    with small_service(answer={"cards": []}, feedback=400) as small:
        report = examine(small.base)
    assert failed(report) == set()
    assert "FB-03" in skipped(report)
    with small_service(feedback=400) as small:
        assert "FB-03" in failed(examine(small.base))


# --- services that do not ---


def test_a_repeated_call_that_is_refused_is_found() -> None:
    seen: set[str] = set()

    def once(name: str) -> str:
        if "doctor-twice" in seen:
            raise FellOver
        seen.add("doctor-twice")
        return name

    with small_service(echo=once) as small:
        report = examine(small.base, Plan(patience=0.5))
    told = [r.message for r in report.results if r.statement == "RQ-03"]
    assert told == ["the same hookInstance again gets no answer"]


def test_the_words_of_a_failure_are_not_those_of_a_pass() -> None:
    with small_service(redirect=True) as small:
        redirected = examine(small.base)
    assert {r.message for r in redirected.results if r.statement == "DS-18" and r.piece} == {
        "a redirect (307)"
    }


@pytest.mark.parametrize(
    "body", [{"say": '"OperationOutcome"'}, {"resourceType": "OperationOutcome"}, [], None]
)
def test_an_outcome_is_one_by_its_content(body: Any) -> None:
    service = SERVICE | {"version": "3.0.0"}
    with small_service(services=[service], outcome=body) as small:
        report = examine(small.base)
    assert failed(report) == {"ER-05"}
    assert {r.message for r in report.results if r.statement == "ER-05"} == {
        "no OperationOutcome in the error"
    }
