"""A real `cds-service serve` process: start, calls over a socket, refusal, stop."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.app_client import check_response
from tests.support.builders import request as build
from tests.support.constants import ROOT
from tests.support.ehr_calls import HIGH, SIGN
from tests.support.service_process import running, serve

pytestmark = pytest.mark.process


def test_a_call_over_a_socket(server: httpx.Client) -> None:
    response = server.post(SIGN, json=build(HIGH))

    assert response.status_code == 200
    assert [card["indicator"] for card in response.json()["cards"]] == ["warning"]
    assert "server" not in response.headers


def test_head_has_no_body(server: httpx.Client) -> None:
    assert server.head("/cds-services").content == b""


def test_a_large_body_is_refused_and_the_connection_closed(server: httpx.Client) -> None:
    address = (server.base_url.host, server.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as client:
        head = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
        client.sendall(head.encode())
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"OperationOutcome" in answer


def test_a_chunked_body(server: httpx.Client) -> None:
    def parts() -> Any:
        yield b'{"hook": "order-sign", "hookInstance": "x", '
        yield b'"context": {"patientId": "p", "draftOrders": {}}}'

    assert server.post(SIGN, content=parts()).status_code in {200, 400}


OFFERS = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n",
)


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("body_follows", [False, True])
def test_an_offer_of_another_protocol_is_passed_over(
    server: httpx.Client, offer: bytes, body_follows: bool
) -> None:
    """Java's HttpClient offers HTTP/2 with every first call (RFC 9110 section 7.8)."""
    body = json.dumps(build(HIGH)).encode()
    head = f"POST {SIGN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode()
    after = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    closes = b"close" in offer
    parts = [head + offer + b"\r\n", body if closes else body + after]
    answer = b""
    address = (server.base_url.host, server.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as client:
        for part in parts if body_follows else [b"".join(parts)]:
            client.sendall(part)
        while chunk := client.recv(65536):
            answer += chunk

    assert answer.count(b"HTTP/1.1 200 OK") == (1 if closes else 2)
    assert b'"indicator":"warning"' in answer


def test_what_is_no_http(server: httpx.Client) -> None:
    address = (server.base_url.host, server.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400")
    assert server.get("/health/live").status_code == 200


def test_several_workers() -> None:
    with running("--workers", "2") as base:
        response = httpx.post(base + SIGN, json=build(HIGH), timeout=30)
    check_response(response)

    assert len(response.json()["cards"]) == 1


def test_the_printed_curl_line_works_as_printed(tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on this machine")
    example = tmp_path / "a request.json"
    example.write_bytes(httpx.Request("POST", "http://x", json=build(HIGH)).content)
    command = [sys.executable, "-m", "cds_service", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--example", str(example)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            line = next(line for line in process.stdout if line.startswith("  curl "))
            answer = subprocess.run(
                shlex.split(line), capture_output=True, timeout=30, check=True
            ).stdout
        finally:
            process.send_signal(signal.SIGINT)

    assert first.startswith("Discovery: http://127.0.0.1:")
    assert b'"warning"' in answer
    assert process.returncode == 0


def test_the_playground_is_opened_where_the_service_answers(tmp_path: Path) -> None:
    """`--open`, with a browser that gets the page as one does: while its caller waits for it."""
    browser, told = tmp_path / "browser", tmp_path / "told"
    os.mkfifo(told)
    # In one piece: an unbuffered print writes its words one by one.
    code = (
        "import os, sys, urllib.request as u;"
        "os.write(1, f'{sys.argv[1]} {u.urlopen(sys.argv[1]).status}'.encode())"
    )
    browser.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$1" >"{told}"\n')
    browser.chmod(0o755)
    pipe = os.open(told, os.O_RDWR | os.O_NONBLOCK)
    with running("--open", BROWSER=str(browser)) as base:
        assert select.select([pipe], [], [], 60)[0], "no browser was started"
        assert os.read(pipe, 1000).decode() == f"{base}/ 200"
    os.close(pipe)


def test_a_page_that_is_not_served_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_PAGES", "false")
    refused = serve("--port", "0", "--open")
    assert refused.returncode == 1
    assert "no page to open: set CDS_PAGES=true" in refused.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = serve("--port", port)

    assert result.returncode == 1
    assert "Discovery" not in result.stdout
    [said] = [line for line in result.stderr.splitlines() if "address already in use" in line]
    assert said.startswith(f"cds-service: cannot listen on host 127.0.0.1, port {port}: ")


def test_a_host_that_is_not_here() -> None:
    result = serve("--host", "203.0.113.7", "--allow-anonymous", "--port", "0")

    assert result.returncode == 1
    assert "cannot listen on host 203.0.113.7, port 0: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_broken_knowledge_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    (tmp_path / "overlay.yaml").write_text("overlay:\n  name: Site\n  rulez: {}\n")
    monkeypatch.setenv("CDS_KNOWLEDGE_OVERLAY", str(tmp_path))
    result = serve("--port", "0", "--workers", workers)

    assert result.returncode == 1
    assert "overlay.yaml:3" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Discovery" not in result.stdout


def test_a_misspelt_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_PROT", "1")
    result = serve("--port", "0")

    assert result.returncode == 1
    assert "CDS_PROT" in result.stderr


def test_a_budget_below_the_deadline_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_BUDGET_MS", "300")
    result = serve("--port", "0")

    assert result.returncode == 1
    assert result.stderr.startswith("cds-service: CDS_DEADLINE_MS: must be below CDS_BUDGET_MS")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_used_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("CDS_CA_FILE", str(path))
    result = serve("--port", "0")

    assert result.returncode != 0
    assert "CDS_CA_FILE" in result.stderr
    assert "Traceback" not in result.stderr
