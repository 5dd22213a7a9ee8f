"""Traces over OTLP: the spans of a call as a receiver gets them, and nothing of the patient.

The receiver here only keeps what comes. `scripts/otel-drill` does the same with a real collector.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cds_service.errors import SettingsError
from cds_service.knowledge.loader import Knowledge
from cds_service.ops import metrics
from cds_service.ops.otel import ATTRIBUTES
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.builders import request as build
from tests.support.constants import ROOT
from tests.support.ehr_calls import HIGH, ehr_of, record, serving, with_access, without
from tests.support.issuer import SIGN
from tests.support.live import Live
from tests.support.otlp_listener import Received, facts, listening

pytestmark = pytest.mark.anyio

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
CANARY = "zqx7canary"
PATIENCE: dict[str, Any] = {"deadline_ms": 5000, "budget_ms": 6000}


def of_name(received: Received, name: str) -> list[Span]:
    return [span for span in received.spans() if span.name == name]


def canaries() -> dict[str, Any]:
    """A call with a mark in each id and text of the patient."""
    text = json.dumps(record())
    patient = json.loads(text)["context"]["patientId"]
    return dict(json.loads(text.replace(patient, CANARY).replace("Chronic kidney", CANARY)))


async def test_a_call_and_what_it_reads_are_one_trace(live: Live) -> None:
    body = canaries()
    with listening() as received, serving(ehr_of(body)).running() as proxy:
        servers = {"fhir_servers": (proxy.base,)}
        async with live(traces_url=received.url, **PATIENCE, **servers) as service:
            call = with_access(without(body, "conditions", "allergies"), proxy.base)
            answer = await service.request("POST", SIGN, json=call, headers=SAMPLED)
            assert answer.json()["cards"]
        seen = [read.headers["traceparent"] for read in proxy.seen]

    [whole] = of_name(received, "POST ho-order-sign")
    [fetch] = of_name(received, "fetch")
    reads = of_name(received, "GET")
    assert {span.trace_id.hex() for span in received.spans()} == {TRACE}
    assert (whole.parent_span_id.hex(), whole.kind) == (CALLER, Span.SPAN_KIND_SERVER)
    assert fetch.parent_span_id == whole.span_id
    assert {read.parent_span_id for read in reads} == {fetch.span_id}
    assert {read.kind for read in reads} == {Span.SPAN_KIND_CLIENT}
    assert {facts(read)["cds.input"] for read in reads} >= {"conditions", "allergies"}
    assert sorted(seen) == sorted(f"00-{TRACE}-{read.span_id.hex()}-01" for read in reads)
    assert {"body", "parse", "read", "assess", "cards"} <= {s.name for s in received.spans()}
    for span in received.spans():
        assert whole.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert facts(span).keys() <= ATTRIBUTES
    told = facts(whole)
    assert (told["cds.hook"], told["cds.tier"], told["cds.client"]) == (
        "order-sign", "high", "anonymous",
    )  # fmt: skip
    assert told["http.response.status_code"] == 200
    sent = b"".join(received.bodies)
    assert CANARY.encode() in json.dumps(body).encode()
    assert CANARY.encode() not in sent
    assert b"Bearer" not in sent


@pytest.mark.parametrize(
    ("share", "headers", "calls"),
    [
        (1.0, {}, 1),
        (0.0, {}, 0),
        (0.0, SAMPLED, 1),
        (1.0, {"traceparent": f"00-{TRACE}-{CALLER}-00"}, 0),
    ],
    ids=["drawn", "not drawn", "the EHR records", "the EHR does not"],
)
async def test_which_calls_are_recorded(
    live: Live, share: float, headers: dict[str, str], calls: int
) -> None:
    with listening() as received:
        async with live(traces_url=received.url, traces_share=share) as service:
            await service.request("POST", SIGN, json=build(HIGH), headers=headers)
            await service.request("GET", "/health/live")
    assert len(of_name(received, "POST ho-order-sign")) == calls
    assert bool(received.spans()) == bool(calls)


async def test_a_call_that_fails_says_so_and_not_why(live: Live) -> None:
    with listening() as received:
        async with live(traces_url=received.url) as service:
            answer = await service.request("POST", SIGN, content=b'{"hook": "zqx7canary"}')
            assert answer.status_code == 400
    [whole] = of_name(received, "POST ho-order-sign")
    assert facts(whole)["http.response.status_code"] == 400
    assert whole.status.code == Status.STATUS_CODE_UNSET, "it is the caller's mistake"
    assert CANARY.encode() not in b"".join(received.bodies)


def sent(outcome: str) -> float:
    return float(metrics.spans.labels(outcome)._value.get())


async def test_a_receiver_that_refuses_is_told_of_and_harms_nobody(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    before, lost = sent("handed"), sent("failed")
    with listening(status=400) as received:
        async with live(traces_url=received.url) as service:
            for _ in range(2):
                answer = await service.request("POST", SIGN, json=build(HIGH))
                assert answer.json()["cards"]
    handed = sent("handed") - before
    assert handed > 0
    assert sent("failed") - lost == handed
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines if "trace" in line["event"]] == [
        "traces cannot be sent"
    ]


def test_nothing_of_it_is_loaded_where_nobody_asks() -> None:
    code = (
        "import sys; from cds_service.server.app import create_app; create_app(); "
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_extra_the_start_says_what_is_lacking(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cds_service.ops.otel", None)
    with pytest.raises(SettingsError, match=r"cds-service\[otel\]"):
        create_app(Settings(traces_url="http://127.0.0.1:4318/v1/traces"), knowledge)
