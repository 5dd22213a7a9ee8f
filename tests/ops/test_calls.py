"""One line a request, an audit stream, figures, Server-Timing, and a trace id that goes through."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.ops import calls
from cds_service.ops.log import JsonFormatter
from cds_service.ops.switch import State, Switch
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request as build
from tests.support.constants import FIXTURES
from tests.support.ehr_calls import HIGH
from tests.support.issuer import SIGN

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def lines(capsys: pytest.CaptureFixture[str], stream: str = "request") -> list[dict[str, Any]]:
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in logged if line["stream"] == stream]


def test_silence_because_of_ordered_prophylaxis_keeps_its_tier(
    client: AppClient, capsys: pytest.CaptureFixture[str]
) -> None:
    ordered = (FIXTURES / "prophylaxis-ordered.json").read_bytes()
    answer = client.post(SIGN, content=ordered, headers={"content-type": "application/json"})
    [line] = lines(capsys)

    assert answer.json()["cards"] == []
    assert line["tier"] == "high"


def test_the_line_of_a_call(
    client: AppClient, knowledge: Knowledge, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post(SIGN, json=build(HIGH), headers={"traceparent": PARENT})
    [line] = lines(capsys)

    assert line["service"] == "ho-order-sign"
    assert line["hook"] == "order-sign"
    assert line["client"] == "anonymous"
    assert (line["method"], line["status"], line["tier"]) == ("POST", 200, "high")
    assert line["cards"] == ["high-risk"]
    assert "previous-ho" in "".join(line["rules"])
    assert line["knowledge"] == knowledge.version
    assert line["request_id"] == PARENT.split("-")[1]
    assert {"body", "parse", "read", "assess", "cards"} <= line["stages"].keys()
    assert line["ms"] >= sum(line["stages"].values()) * 0.99


def test_what_was_dropped_is_in_the_line_and_in_the_figures(
    client: AppClient, capsys: pytest.CaptureFixture[str]
) -> None:
    body = build(HIGH)
    stranger = {"resourceType": "Condition", "subject": {"reference": "Patient/someone-else"}}
    body["prefetch"]["conditions"]["entry"] += [{"resource": stranger}, {"resource": "junk"}]
    client.post(SIGN, json=body)
    [line] = lines(capsys)

    assert (line["foreign"], line["skipped"]) == (1, 1)
    figures = client.get("/metrics").text
    for why in ("foreign", "unreadable"):
        assert f'cds_entries_dropped_total{{service="ho-order-sign",why="{why}"}}' in figures


def test_whether_readiness_names_a_problem_is_a_figure(
    make_client: ClientFactory, tmp_path: Path
) -> None:
    client = make_client(data_dir=tmp_path, database_url="none")
    turns: list[tuple[State, str]] = [("on", "0.0"), ("off", "1.0"), ("on", "0.0")]
    for state, told in turns:
        assert Switch(tmp_path).turn(state, "an operator")
        assert f"\ncds_degraded {told}\n" in client.get("/metrics").text
        assert ("problems" in client.get("/health/ready").json()) is (told == "1.0")


def test_a_call_without_draft_orders_is_warned_of(
    client: AppClient, capsys: pytest.CaptureFixture[str]
) -> None:
    body = build(HIGH)
    body["context"]["draftOrders"]["entry"] = []

    assert client.post(SIGN, json=body).json() == {"cards": []}
    [line] = lines(capsys, "service")
    assert "without draft orders" in line["event"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        PARENT.upper(),
        PARENT + "x",
    ],
)
def test_a_trace_that_is_none(header: str | None) -> None:
    trace = calls.begin(header)

    assert len(trace.request_id) == 32
    assert trace.request_id != PARENT.split("-")[1]


def test_a_trace_of_a_later_version_is_taken(client: AppClient) -> None:
    trace = calls.begin("01" + PARENT[2:] + "-more")

    with calls.sending("localhost", 443) as sent:
        assert sent.traceparent.startswith("00-" + PARENT.split("-")[1])
        assert sent.traceparent.endswith("-01")
    assert trace.parts is None


def test_probes_are_not_logged_while_they_are_well(
    client: AppClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.get("/health/live")
    client.get("/metrics")
    assert lines(capsys) == []


def test_errors_have_their_line_too(client: AppClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.post(SIGN, content=b"{")
    client.get("/nowhere")
    assert [line["status"] for line in lines(capsys)] == [400, 404]


def test_what_is_in_force_is_audited(
    make_client: ClientFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    make_client(allow_anonymous=True)
    [line] = lines(capsys, "audit")
    assert (line["event"], line["anonymous"], line["clients"]) == ("clients in force", True, [])


def test_health_shows_that_anybody_may_call(make_client: ClientFactory) -> None:
    assert make_client(allow_anonymous=True).get("/health/ready").json()["anonymous"] is True


def test_server_timing_by_setting(client: AppClient, make_client: ClientFactory) -> None:
    timed = make_client(server_timing=True).post(SIGN, json=build(HIGH))

    assert "assess;dur=" in timed.headers["server-timing"]
    assert "total;dur=" in timed.headers["server-timing"]
    assert "server-timing" not in client.post(SIGN, json=build(HIGH)).headers


def value_of(text: str, metric: str) -> float:
    found = [line for line in text.splitlines() if line.startswith(metric)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_figures_count_calls_cards_and_stages(client: AppClient) -> None:
    wanted = {
        'cds_request_seconds_count{service="ho-order-sign",status="200"}': 1,
        "cds_cards_total{": 1,
        'cds_stage_seconds_count{stage="assess"}': 1,
    }
    before = client.get("/metrics").text
    client.post(SIGN, json=build(HIGH))
    after = client.get("/metrics").text

    for metric, more in wanted.items():
        assert value_of(after, metric) - value_of(before, metric) == more, metric
    assert 'card="high-risk"' in after
    assert 'tier="high"' in after


def test_libraries_log_no_message_of_an_error() -> None:
    try:
        raise ValueError("Jane Doe")
    except ValueError:
        record = logging.LogRecord("uvicorn", 40, "x", 1, "failed", (), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))

    assert line["event"] == "failed"
    assert line["error"] == "ValueError"
    assert "Jane" not in json.dumps(line)
