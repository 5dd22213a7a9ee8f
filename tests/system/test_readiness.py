"""Readiness of a real process: file descriptors that run out, and a log that nobody will read."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.issuer import SIGN
from tests.support.service_process import started, started_by

pytestmark = pytest.mark.process


def ready(client: httpx.Client) -> dict[str, Any]:
    state: dict[str, Any] = client.get("/health/ready").json()
    return state


def test_file_descriptors_that_run_out() -> None:
    with started() as service, httpx.Client(base_url=service.base, timeout=20) as client:
        before = ready(client)
        limits = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        few = before["files"]["open"] + 10
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (few, limits[1]))
        low = ready(client)

        address = urlsplit(service.base)
        held = [socket.create_connection((address.hostname, address.port)) for _ in range(30)]
        none = ready(client)
        answered = client.post(SIGN, content=b"{").status_code
        for each in held:
            each.close()
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, limits)
        for _ in range(1_000):
            after = ready(client)
            if after["status"] == "ok":
                break

    assert before["status"] == after["status"] == "ok"
    assert before["files"]["limit"] == limits[0]
    assert low["status"] == none["status"] == "degraded"
    assert f"of {few} file descriptors are left" in low["problems"][0]
    assert f"of {few} file descriptors are left" in none["problems"][0]
    assert answered == 400


def test_the_file_of_the_log_is_deleted(tmp_path: Path) -> None:
    """Every write goes well, and nobody will ever read it."""
    path = tmp_path / "log"
    with (
        path.open("wb") as log,
        started_by((), log.fileno()) as service,
        httpx.Client(base_url=service.base, timeout=20) as client,
    ):
        before = ready(client)
        path.rename(tmp_path / "log.1")  # what is turned over is still there
        turned = ready(client)
        (tmp_path / "log.1").unlink()
        after = ready(client)

    assert "problems" not in before
    assert "problems" not in turned
    assert after["status"] == "degraded"
    assert "the log reaches nobody: its file was deleted" in after["problems"]


def test_the_reader_of_the_log_is_gone() -> None:
    """Noticed before there is a line to write."""
    read_end, write_end = os.pipe()
    with (
        started_by((), write_end) as service,
        httpx.Client(base_url=service.base, timeout=20) as client,
    ):
        os.close(write_end)
        before = ready(client)
        os.close(read_end)
        after = ready(client)

    assert "problems" not in before
    assert "the log reaches nobody: its reader is gone" in after["problems"]
